"""Surprise's SVD and SVD++, for ratings."""

from __future__ import annotations

from itertools import product

import numpy as np

from .tuning import Answer, Prediction, Setting, Task, tuned

# the defaults of both first
_SVD = [
    {"n_factors": k, "reg_all": reg, "lr_all": lr, "n_epochs": epochs}
    for k, reg, (lr, epochs) in product(
        (100, 20, 50), (0.02, 0.05, 0.1), ((0.005, 20), (0.005, 50), (0.01, 50))
    )
]
_SVDPP = [
    {"n_factors": 20, "reg_all": 0.02, "lr_all": 0.007, "n_epochs": 20},
    {"n_factors": 20, "reg_all": 0.05, "lr_all": 0.007, "n_epochs": 30},
    {"n_factors": 50, "reg_all": 0.1, "lr_all": 0.01, "n_epochs": 30},
]


def surprise_svd(task: Task) -> Answer:
    return tuned(task, _svd, _SVD)


def surprise_svdpp(task: Task) -> Answer:
    """Slow; its defaults and two alternatives with more shrinkage and more rounds."""
    return tuned(task, _svdpp, _SVDPP)


def _svd(task: Task, setting: Setting) -> Prediction:
    from surprise import SVD  # pyright: ignore[reportMissingImports]

    return _fit(SVD(**setting, random_state=task.seed), task, setting)


def _svdpp(task: Task, setting: Setting) -> Prediction:
    from surprise import SVDpp  # pyright: ignore[reportMissingImports]

    return _fit(SVDpp(**setting, random_state=task.seed), task, setting)


def _fit(model, task: Task, setting: Setting) -> Prediction:
    import pandas as pd
    from surprise import Dataset, Reader  # pyright: ignore[reportMissingImports]

    train = task.train
    frame = pd.DataFrame({"user": train.rows, "item": train.cols, "rating": train.values})
    scale = task.bounds or (float(train.values.min()), float(train.values.max()))
    model.fit(Dataset.load_from_df(frame, Reader(rating_scale=scale)).build_full_trainset())
    cells = zip(task.rows.tolist(), task.cols.tolist(), strict=True)
    values = np.array([model.predict(user, item).est for user, item in cells])
    return Prediction(values, int(setting["n_factors"]))  # type: ignore[call-overload]
