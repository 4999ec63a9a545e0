"""Values of one matrix under rank-one measurements; completion is the case of unit vectors."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from .argument_checks import array, instance
from .declared_arguments import declared
from .errors import InputError
from .network import Network
from .problem import Problem

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Measurements:
    """Values ``y_k = <A, B_k> = u_k^T A v_k`` of an m x n matrix A, with ``B_k = u_k v_k^T``.

    :func:`rankfall.train` takes them in place of a :class:`Problem`; the loss is
    ``1/(2N) sum_k (u_k^T A v_k - y_k)^2 + ridge sum_l |W_l|_F^2``, and a step draws measurements as it draws
    entries. docs/beyond_completion.md says which statements of the theory carry over.

    Attributes
    ----------
    U : ndarray of float64, shape (N, m)
        The vectors ``u_k``.
    V : ndarray of float64, shape (N, n)
        The vectors ``v_k``.
    values : ndarray of float64, shape (N,)
        The measured values ``y_k``.

    Raises
    ------
    InputError
        If the shapes do not fit together, a number is not finite, or nothing is measured.
    """

    U: np.ndarray
    V: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        U, V = array("U", self.U, ("N", "m")), array("V", self.V, ("N", "n"))
        values = array("values", self.values, ("N",))
        if not U.shape[0] == V.shape[0] == values.size:
            raise InputError(
                f"Measurements need one row of U, one of V and one value each; there are {U.shape[0]}, "
                f"{V.shape[0]} and {values.size}."
            )
        if 0 in (*U.shape, *V.shape):
            raise InputError("There is no measurement, or the matrix has no row or no column.")
        for name, numbers in (("U", U), ("V", V), ("values", values)):
            copy = np.array(numbers, order="C")
            copy.flags.writeable = False
            object.__setattr__(self, name, copy)

    def __reduce__(self) -> tuple[type[Measurements], tuple[object, ...]]:
        # pickle loses NumPy's read-only flags: construct anew
        return type(self), tuple(getattr(self, entry.name) for entry in fields(self))

    @classmethod
    @declared
    def from_problem(cls, problem: Problem) -> Measurements:
        """The observed entries of a problem as measurements with unit vectors, in the same order."""
        problem = instance("problem", problem, Problem)
        if problem.weights is not None:
            raise InputError("Measurements all count alike, and this problem has weights.")
        return cls(np.eye(problem.n_rows)[problem.rows], np.eye(problem.n_cols)[problem.cols], problem.values)

    @classmethod
    @declared
    def from_regression(cls, X: np.ndarray, Y: np.ndarray) -> Measurements:
        """Linear regression ``y_t = A x_t``: every number of Y is one measurement.

        The measurement of output i of sample t has ``u = e_i`` and ``v = x_t``, so that the loss is half the
        mean squared error over all samples and outputs.

        Parameters
        ----------
        X : ndarray, shape (n_samples, n)
            Inputs.
        Y : ndarray, shape (n_samples,) or (n_samples, m)
            Outputs; A is 1 x n or m x n.
        """
        X = array("X", X, ("n_samples", "n"))
        shape = ("n_samples", "m") if np.ndim(Y) == 2 else ("n_samples",)
        Y = array("Y", Y, shape)
        if X.shape[0] != Y.shape[0]:
            raise InputError(f"X has {X.shape[0]} samples, Y has {Y.shape[0]}.")
        Y = Y.reshape(X.shape[0], -1)
        m = Y.shape[1]
        return cls(np.tile(np.eye(m), (X.shape[0], 1)), np.repeat(X, m, axis=0), Y.ravel())

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of A: (m, n)."""
        return self.U.shape[1], self.V.shape[1]

    @property
    def n_rows(self) -> int:
        return self.shape[0]

    @property
    def n_cols(self) -> int:
        return self.shape[1]

    @property
    def n_observed(self) -> int:
        """Number of measurements N."""
        return self.values.size

    @declared
    def predict(self, network: Network) -> np.ndarray:
        """``u_k^T A v_k`` for the product A of a network, shape (..., N)."""
        left, right = instance("network", network, Network).thin_factors()
        return np.sum((self.U @ left) * (self.V @ np.swapaxes(right, -1, -2)), axis=-1)

    @declared
    def with_values(self, values: np.ndarray) -> Measurements:
        """The same measurements with other values, shape (N,)."""
        return Measurements(self.U, self.V, array("values", values, (self.n_observed,)))

    def __repr__(self) -> str:
        m, n = self.shape
        return f"Measurements({self.n_observed} of a {m} x {n} matrix)"


def require_entries(problem: T | Measurements, what: str) -> T:
    """Refuse measurements where only entries will do; `what` begins the sentence."""
    if isinstance(problem, Measurements):
        raise InputError(
            f"{what} about single observed entries, and these are Measurements: rf.train, what reads its "
            "Trace, and rf.theory.measured_tail_factors take them."
        )
    return problem
