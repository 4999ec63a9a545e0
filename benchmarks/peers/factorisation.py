"""cmfrec: a well-kept package for matrix factorisation by alternating least squares."""

from __future__ import annotations

import os
from itertools import product

import numpy as np

from .tuning import Answer, Judge, Prediction, Setting, Task, walk

_RANKS = (2, 4, 7, 10, 15, 20, 30, 45, 70, 100)
_FIRST_RANK = 10
_N_ROUNDS = 15
_FACTOR = 10**-0.5
# ranks are tried on while they lower the validation error by more than this share
_GAIN = 1e-3


def cmfrec(task: Task) -> Answer:
    """Rank and penalty chosen on validation cells.

    At rank 10: with and without row and column biases, and the penalty as it is or multiplied by the number
    of cells in each line. With the best of the four: ranks in either direction from there until the error has
    not improved twice. For each the penalty falls by half powers of ten until the error has not improved
    twice, so that no end of a grid is in the way.
    """
    judge = Judge(task, _fit)
    largest = max(1, min(task.train.shape) // 2)
    first = min(_FIRST_RANK, largest)
    for biases, scale_lam in product((True, False), (False, True)):
        _walk(judge, {"k": first, "biases": biases, "scale_lam": scale_lam}, 0.3 if scale_lam else 300.0)
    assert judge.best is not None
    model = {name: judge.best[name] for name in ("biases", "scale_lam")}
    for ranks in ([k for k in _RANKS if first < k <= largest], [k for k in reversed(_RANKS) if k < first]):
        worse = 0
        for k in ranks:
            before = judge.best_error
            # a higher rank wants a higher penalty: start above the best one so far
            _walk(judge, {**model, "k": k}, float(judge.best["lambda_"]) * 10)  # type: ignore[arg-type]
            worse = 0 if judge.best_error < (1 - _GAIN) * before else worse + 1
            if worse == 2:
                break
    return judge.answer()


def _walk(judge: Judge, setting: Setting, start: float) -> None:
    walk(lambda penalty: judge({**setting, "lambda_": penalty}), start, _FACTOR, 1e-10)


def _fit(task: Task, setting: Setting) -> Prediction:
    from cmfrec import CMF  # pyright: ignore[reportMissingImports]
    from scipy.sparse import coo_matrix

    train = task.train
    # penalties are absolute there: let them mean the same for all data
    unit = float(train.values.std()) or 1.0
    model = CMF(
        k=setting["k"],
        lambda_=setting["lambda_"],
        scale_lam=setting["scale_lam"],
        user_bias=setting["biases"],
        item_bias=setting["biases"],
        use_cg=False,
        niter=_N_ROUNDS,
        use_float=False,
        precompute_for_predictions=False,
        random_state=task.seed + 1,
        nthreads=int(os.environ.get("OMP_NUM_THREADS", -1)),
    )
    cells = train.rows.astype(np.int32), train.cols.astype(np.int32)
    model.fit(coo_matrix((train.values / unit, cells), shape=train.shape))
    return Prediction(model.predict(task.rows, task.cols) * unit, int(setting["k"]))  # type: ignore[call-overload]
