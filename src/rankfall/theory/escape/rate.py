"""The rate at which SGD leaves a minimum for one of lower rank, predicted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from ...argument_checks import one_of
from ...declared_arguments import declared
from ...errors import InputError
from ...problem import Problem
from ..critical_points import Minimum
from ..requirements import require_alike, require_positive, require_whole
from ..saddle import Saddle
from ..saddle import saddle as lowest_saddle
from ..sharpness import step_sharpness
from .action_path import NoPathError
from .eyring_kramers import Softest, eyring_kramers
from .hamiltonian import Hamiltonian, Noise
from .least_action import LeastAction, least_action
from .matrix_steps import MatrixSteps
from .second_order import SecondOrder, second_order

Method = Literal["minimum-action", "eyring-kramers"]

# Matrices along the path that are kept.
_KEPT = 101


@dataclass(frozen=True, eq=False)
class EscapeRate:
    """A predicted rate ``prefactor exp(-exponent)`` per step of SGD, over one saddle.

    Attributes
    ----------
    rate : float
        Falls per step.
    exponent : float
        ``batch_size action / lr``.
    prefactor : float
        Per step; proportional to lr.
    action : float
        V, the quasi-potential of the saddle: the same for all learning rates and batch sizes.
    lr : float
    batch_size : int
    sharpness : float
        lr K at the minimum (:func:`rankfall.theory.step_sharpness`).
    method : {"minimum-action", "eyring-kramers"}
    noise : {"exact", "gaussian"}
    assumptions : tuple of str
        Under which the prediction becomes exact, or why it is no limit.
    path : ndarray, shape (101, m, n), or None
        Matrices along the path of least action, at equal times; None for "eyring-kramers".
    saddle : Saddle
    """

    rate: float
    exponent: float
    prefactor: float
    action: float
    lr: float
    batch_size: int
    sharpness: float
    method: Method
    noise: Noise
    assumptions: tuple[str, ...]
    path: np.ndarray | None = field(repr=False)
    saddle: Saddle = field(repr=False)
    _log_c: float = field(repr=False)
    _corrections: SecondOrder = field(repr=False)

    @declared
    def at(self, lr: float, batch_size: int | None = None) -> EscapeRate:
        """The same prediction at another learning rate or batch size, without a new search of the path."""
        batch_size = self.batch_size if batch_size is None else batch_size
        require_positive(lr=lr)
        require_whole(1, batch_size=batch_size)
        prefactor = float(lr * np.exp(self._log_c + self._corrections.of_batch(batch_size)))
        exponent = batch_size * self.action / lr
        return replace(
            self,
            rate=float(prefactor * np.exp(-exponent)),
            exponent=exponent,
            prefactor=prefactor,
            lr=float(lr),
            batch_size=int(batch_size),
            sharpness=self.sharpness * lr / self.lr,
        )


@declared
def escape_rate(
    problem: Problem,
    minimum: Minimum,
    saddle: Saddle | None = None,
    *,
    lr: float,
    batch_size: int = 1,
    method: Method = "minimum-action",
    noise: Noise = "exact",
) -> EscapeRate:
    """The rate at which SGD leaves a minimum over a saddle to a lower rank, per step.

    Steps are ``theta' = theta - lr g``, g the gradient of the loss of a batch, drawn with replacement, and
    of the ridge. As lr tends to zero, the weights stay balanced to order lr, and rotations of the hidden
    layers neither receive noise nor change anything: what is left is a random walk of the matrix on the set
    of its rank, with steps ``lr xi_e(A)`` (docs/theory.md, section 10.5).

    ``method="minimum-action"``: the rate is ``lr c exp(-batch_size V / lr)``. V is the least action of a path
    from the minimum to the saddle, ``int p . dA`` along the orbit of
    ``H(A, p) = mean_e exp(p . xi_e(A)) - 1`` that joins them. c holds the second derivatives of the action
    (Riccati's equation along the path; Bouchet and Reygner 2016), the noise's dependence on the place, and
    the terms of a step of order lr^2, those of the imbalance among them. Where
    mirror images of a path exist (an orbit with a focal point, see ``least_action``), their rates add up.
    It is exact in the limit of small lr, if the walk leaves over this saddle and along this path.

    ``method="eyring-kramers"``: the rate is ``lr c exp(-batch_size V / lr)``, too, with
    ``c = |lambda| / (2 pi) sqrt(det H_min / |det H_saddle|)``, the Hessians in the weights where the matrix
    moves, and V from the barrier and the variance of SGD's noise in the softest direction. It takes the
    noise for one with the same variance in all these directions, and the motion for reversible. SGD's is
    neither; the method is there for comparison.

    Parameters
    ----------
    problem : Problem
        Without weights.
    minimum : Minimum
        Of rank 1 or more and depth 3 or more.
    saddle : Saddle, optional
        By default the one from :func:`rankfall.theory.saddle`.
    lr : float
    batch_size : int
        Entries of a step, drawn with replacement.
    method : {"minimum-action", "eyring-kramers"}
    noise : {"exact", "gaussian"}
        For the path of least action: the law of the entries, or a normal law with the same mean and
        covariance, as in a Langevin equation with SGD's noise.

    Returns
    -------
    EscapeRate

    Raises
    ------
    InputError
        If an argument is out of range, the problem has weights, the saddle belongs to another minimum or none
        is found, the noise does not reach every direction, or no path of least action was found.
    """
    require_alike(problem)
    require_positive(lr=lr)
    require_whole(1, batch_size=batch_size)
    one_of("method", method, ("minimum-action", "eyring-kramers"))
    one_of("noise", noise, ("exact", "gaussian"))
    over = lowest_saddle(problem, minimum) if saddle is None else saddle
    _check_saddle(minimum, over)
    corrections, path = SecondOrder(0.0, 0.0, 0.0), None
    if method == "eyring-kramers":
        low, top = (Softest.at(problem, end.network(), minimum.ridge) for end in (minimum, over))
        action, log_c = eyring_kramers(low, top, over.barrier)
        assumed = ("noise with one temperature, that of the softest directions: no limit of SGD",)
    else:
        found, corrections, path = _least_action(problem, minimum, over, noise)
        action, log_c = found.path.action, found.log_c + float(np.log(found.n_paths))
        assumed = (
            "lr tends to zero: corrections are of relative order lr V'' and grow with lr K",
            "the way out leads over this saddle, along the path found: it is a local minimum of the action",
        )
        if found.path.ends.comes_in_slower:
            assumed += (
                "the saddle's slowest stable motion is slower than the unstable one: the path may come in "
                "along the boundary of the basins, and the prefactor is then not the limit",
            )
        if noise == "gaussian":
            assumed += ("normal noise with the covariance of SGD's: no limit of SGD",)
    answer = EscapeRate(
        rate=0.0,
        exponent=0.0,
        prefactor=0.0,
        action=action,
        lr=float(lr),
        batch_size=int(batch_size),
        sharpness=step_sharpness(problem, minimum.network(), lr),
        method=method,
        noise=noise,
        assumptions=assumed,
        path=path,
        saddle=over,
        _log_c=log_c,
        _corrections=corrections,
    )
    return answer.at(lr)


def _least_action(
    problem: Problem, minimum: Minimum, over: Saddle, noise: Noise
) -> tuple[LeastAction, SecondOrder, np.ndarray]:
    """The path, the terms of order lr^2, and matrices along it."""
    A = minimum.matrix()
    steps = MatrixSteps.around(problem, A, minimum.rank, minimum.depth, minimum.ridge)
    U, _, Vt = np.linalg.svd(A)
    low, top = (steps.coordinates(U.T @ end.matrix() @ Vt.T) for end in (minimum, over))
    H = Hamiltonian(steps, noise)
    try:
        found = least_action(H, low, top)
    except NoPathError as error:
        raise InputError(
            f"No path of least action from the minimum to the saddle was found: {error}. Nearer to the "
            'critical ridge paths are simpler; method="eyring-kramers" needs none.'
        ) from None
    path = found.path
    kept = np.linspace(0, path.t.size - 1, _KEPT).astype(int)
    matrices = U @ steps.matrix(path.x[kept]) @ Vt
    return found, second_order(H, steps, path), matrices


def _check_saddle(minimum: Minimum, over: Saddle) -> None:
    """Refuse saddles of other minima."""
    apart = np.linalg.norm(over.minimum.matrix() - minimum.matrix())
    if over.ridge != minimum.ridge or apart > 1e-8 * np.linalg.norm(minimum.s):
        raise InputError("The saddle belongs to another minimum, or another ridge, than the one given.")
