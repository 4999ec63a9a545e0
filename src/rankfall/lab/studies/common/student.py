"""A linear teacher with label noise, and a linear student of two layers that learns from samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# batches that are drawn at a time: one call of the generator for many steps
_AHEAD = 512


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs and noisy outputs of a linear teacher.

    Attributes
    ----------
    teacher : ndarray, shape (size, size)
        Of the given rank, with all nonzero singular values 1.
    X, Y : ndarray, shape (n_samples, size)
        ``Y = X teacher^T + sigma noise``.
    """

    teacher: np.ndarray
    X: np.ndarray
    Y: np.ndarray

    @classmethod
    def draw(cls, size: int, rank: int, n_samples: int, sigma: float, seed: int) -> Samples:
        rng = np.random.default_rng(seed)
        left, right = (np.linalg.qr(rng.standard_normal((size, rank)))[0] for _ in range(2))
        teacher = left @ right.T
        X = rng.standard_normal((n_samples, size))
        return cls(teacher, X, X @ teacher.T + sigma * rng.standard_normal((n_samples, size)))

    def error(self, W: np.ndarray) -> float:
        """``|W - teacher|_F^2 / |teacher|_F^2``: expected squared error on new inputs without label noise,
        relative to the mean square of the outputs.
        """
        return float(np.sum((W - self.teacher) ** 2) / np.sum(self.teacher**2))


def train_student(
    samples: Samples,
    weights: tuple[np.ndarray, np.ndarray],
    lr: float,
    n_steps: int,
    batch_size: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Weights after SGD on ``1/(2b) sum |W_2 W_1 x - y|^2``, the samples of a step drawn with replacement.

    A batch of all samples is gradient descent, which draws nothing.

    Parameters
    ----------
    samples : Samples
    weights : (ndarray, ndarray)
        ``W_1, W_2`` of shapes (width, size) and (size, width).
    lr : float
    n_steps, batch_size : int
    rng : Generator
    """
    W1, W2 = (np.array(W) for W in weights)
    X, Y, n = samples.X, samples.Y, len(samples.X)
    if batch_size == n:
        xx, yx = X.T @ X / n, Y.T @ X / n
        for _ in range(n_steps):
            G = W2 @ W1 @ xx - yx
            W1, W2 = W1 - lr * (W2.T @ G), W2 - lr * (G @ W1.T)
        return W1, W2
    for done in range(0, n_steps, _AHEAD):
        for chosen in rng.integers(n, size=(min(_AHEAD, n_steps - done), batch_size)):
            x = X[chosen]
            hidden = x @ W1.T
            error = hidden @ W2.T - Y[chosen]
            error *= lr / batch_size
            back = error @ W2
            W2 -= error.T @ hidden
            W1 -= back.T @ x
    return W1, W2
