"""The one verb: complete a matrix, with no knobs to turn."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Literal

import numpy as np

from ..compute.first_compile import announced
from ..compute.threads import threads_without_blas
from ..errors import InputError, Outcome
from ..problem import Problem
from ..scale import read_bounds, scaled
from .deliver import assemble
from .exact import precision as digits
from .exact import search as exact
from .noisy import candidates as choose
from .noisy.candidates import Wishes
from .noisy.data_model import EFFECTS, SCALINGS
from .noisy.search_ranks import walk
from .result.completion import Completion
from .session import OutOfTime, Progress, Session


def complete(
    X: object,
    *,
    seed: int = 0,
    max_rank: int | None = None,
    max_time: float | None = None,
    n_jobs: int | None = None,
    fill: Literal["effects"] | None = None,
    callback: Callable[[Progress], None] | None = None,
    weights: object = None,
    scale: Literal["linear", "log", "log1p"] = "linear",
    bounds: Literal["observed"] | tuple[float | None, float | None] | None = None,
    effects: Literal["auto", "none", "mean", "columns", "both"] = "auto",
    scaling: Literal["auto", "all", "columns"] = "auto",
    rule: Literal["one-se", "min"] = "one-se",
    folds: int | None = None,
) -> Completion:
    """Complete a matrix from some of its entries without being told its rank.

    First the exact question, on all cells: does a matrix of some rank r with more observed cells than
    unknowns, ``N > r (m + n - r)``, reproduce them to machine precision? Chains of SGD on a deep linear
    network (depth 3) fall through the ranks as the ridge rises; wherever a spectrum shows a gap, what
    lies above it is polished by Levenberg-Marquardt on the fixed-rank set. If so, the smallest such rank
    is the answer. Otherwise a tenth of the cells is held out before anything is fitted, the data model
    (mean, row and column effects, column scales, noise alike or not in all lines) is chosen on them, chains
    fall again, and every rank met is refitted from the chain's directions: by the mean of draws from the
    posterior of a Bayesian model of that rank (Gibbs sampling), cut to the rank, and averaged over models of
    the noise (alike everywhere, or different between lines) where that predicts better. The smallest rank whose
    held-out error is within one standard error (or 0.2%) of the smallest, in squared and in absolute errors, is
    fitted once more on all cells.

    Parameters
    ----------
    X : ndarray or DataFrame with NaN, masked array, scipy.sparse (stored = observed), or Problem
        The matrix, shape (m, n).
    seed : int
        The same seed gives the same result.
    max_rank : int, optional
        Largest rank considered. The networks are at most 100 wide, so exact fits of rank above 80 are not
        looked for; larger ranks of noisy data are, from refits.
    max_time : float, optional
        Seconds after which the best completion so far is returned (outcome "time limit"). At most half
        of it goes to the exact question. The search stops between two pieces of work and then fits what
        it has, in fewer sweeps; on large tables of large rank that may take a minute.
    n_jobs : int, optional
        Threads; all by default. Does not change the result.
    fill : {None, "effects"}
        What to put in cells that the data do not determine: NaN, or row and column effects.
    callback : callable, optional
        Called now and then with a :class:`~rankfall.completion.Progress`.
    weights : array, data frame or scipy.sparse, optional
        How much each observed cell counts, in proportion to the inverse of its noise variance: of the
        shape of `X`, or one number per entry of a Problem. Cells of weight 0 are treated as missing. The
        chains of SGD do not use them; refits, choice and errors do.
    scale : {"linear", "log", "log1p"}
        Scale on which everything is fitted: "log" for positive, "log1p" for non-negative skewed data.
        Results come back in the data's own units (what was the mean on the scale of the fit is then rather the median),
        errors on the scale of the fit. "log1p" reaches down to -1: say ``bounds=(0, None)`` for counts.
    bounds : "observed", (low, high) or None
        Range in which predictions and intervals are kept: that of the observed cells, or two numbers of
        which either may be None.
    effects : {"auto", "none", "mean", "columns", "both"}
        What is fitted beside the low-rank part: nothing, a mean, column effects, or row and column effects;
        "auto" takes what predicts held-out cells best.
    scaling : {"auto", "all", "columns"}
        One scale for all cells, or one for every column.
    rule : {"one-se", "min"}
        Take the smallest rank within one standard error, or 0.2%, of the best held-out error; or the best.
    folds : int, optional
        Hold out every cell once, in this many folds, instead of a tenth of them: as many times the work,
        steadier choices and intervals for small tables.

    Returns
    -------
    Completion

    Raises
    ------
    InputError
        If the data cannot be used (no observed entry, infinities, something that is not a number) or an
        argument is out of range.

    Notes
    -----
    Ctrl-C returns the best completion so far with the outcome "interrupted".

    The first completion on a computer compiles the kernels. It says so: to the callback, or on stderr.

    References
    ----------
    Z. Wang and A. Jacot, "Implicit bias of SGD in L2-regularized linear DNNs: One-way jumps from high to
    low rank", ICLR 2024. R. Salakhutdinov and A. Mnih, "Bayesian probabilistic matrix factorization using
    Markov chain Monte Carlo", ICML 2008.
    """
    given = Problem.coerce(X)
    wishes = Wishes(max_rank, effects, scaling, rule, folds)
    _check_arguments(seed, n_jobs, fill, wishes)
    if weights is not None:
        given = given.with_weights(weights)
    if folds is not None and folds > given.n_observed:
        raise InputError(f"folds must not be more than the {given.n_observed} observed cells, not {folds}.")
    problem = scaled(given, scale)
    delivery = assemble.Delivery(given, fill, _names(X), scale, read_bounds(bounds, given.values))
    session = Session(max_time, callback)
    draft = assemble.Draft(problem, int(seed), wishes, delivery)
    with threads_without_blas(n_jobs), announced(session.tell if callback is not None else None):
        outcome = _search(problem, draft, session)
        try:
            return assemble.deliver(draft, outcome, session, _versions())
        except KeyboardInterrupt:
            # nothing is lost: what was found is fitted once more (a second Ctrl-C ends it)
            return assemble.deliver(draft, Outcome.INTERRUPTED, session, _versions())


def _search(problem: Problem, draft: assemble.Draft, session: Session) -> Outcome:
    """Fill the draft; how it ended."""
    wishes, seed = draft.wishes, draft.seed
    try:
        if not np.any(problem.values):
            return Outcome.EXACT
        standardised = draft.standardise()
        session.unit = draft.unit
        if draft.mixed and wishes.effects == "both":
            raise InputError(
                'The columns have very different units, and row effects have none: effects="both" means nothing.'
            )
        draft.evidence.single = digits.is_single(problem.values)
        draft.evidence.coarse = digits.is_coarse(draft.delivery.given)
        with session.share(0.5):
            exact.search(standardised, wishes.max_rank, seed, session, draft.evidence)
            draft.searched = True
        if draft.evidence.found is not None:
            return Outcome.EXACT
        draft.choice = choose.start(draft.restless(), seed, session, wishes, draft.mixed)
        if draft.choice is None:
            return Outcome.EFFECTS_ONLY if draft.searched else Outcome.TIME_LIMIT
        walk(draft.choice, seed, session)
        if not draft.searched:
            return Outcome.TIME_LIMIT
        if draft.choice.chosen().rank == 0:
            return Outcome.EFFECTS_ONLY
        session.report("refitting on all cells")
        return Outcome.CHOSEN
    except OutOfTime:
        return Outcome.TIME_LIMIT
    except KeyboardInterrupt:
        return Outcome.INTERRUPTED


def _check_arguments(seed: int, n_jobs: int | None, fill: str | None, wishes: Wishes) -> None:
    if not _whole(seed) or seed < 0:
        raise InputError(f"seed must be a whole number, 0 or more, not {seed!r}.")
    if wishes.max_rank is not None and (not _whole(wishes.max_rank) or wishes.max_rank < 0):
        raise InputError(f"max_rank must be a whole number, 0 or more, not {wishes.max_rank!r}.")
    if n_jobs is not None and (not _whole(n_jobs) or n_jobs < 1):
        raise InputError(f"n_jobs must be a positive whole number, not {n_jobs!r}.")
    if fill not in (None, "effects"):
        raise InputError(f'fill must be None or "effects", not {fill!r}.')
    for name, value, allowed in (
        ("effects", wishes.effects, ("auto", *EFFECTS)),
        ("scaling", wishes.scaling, ("auto", *SCALINGS)),
        ("rule", wishes.rule, tuple(assemble.RULES)),
    ):
        if value not in allowed:
            raise InputError(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
    if wishes.folds is not None and (not _whole(wishes.folds) or wishes.folds < 2):
        raise InputError(f"folds must be None or a whole number, 2 or more, not {wishes.folds!r}.")


def _whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _names(X: object) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Row and column labels of a data frame."""
    if hasattr(X, "columns") and hasattr(X, "index"):
        return tuple(map(str, X.index)), tuple(map(str, X.columns))  # type: ignore[attr-defined]
    return None, None


def _versions() -> dict[str, str]:
    import numba
    import scipy

    from ..version import __version__

    return {
        "rankfall": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "numba": numba.__version__,
    }
