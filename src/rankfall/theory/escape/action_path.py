"""The path of least action from an attracting point to a saddle: a heteroclinic orbit of the Hamiltonian."""

# scipy has no types; matrices have capital letters
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportConstantRedefinition=false, reportUnknownLambdaType=false
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .hamiltonian import Hamiltonian

# The first path begins and ends e-folds of the slowest motions away from the two points; the orbit proper is
# looked for from the part of it outside the second distance, continued by the third number of e-folds.
# With these the actions of the test problems have converged to 1e-5 and the prefactors to 1%.
_FIRST, _KEPT, _CONTINUED = 5.0, 3.0, 4.5
_NODES = 200
# Relative tolerance of the residuals of the boundary value problem.
_TOLERANCE = 1e-6
_MOST_NODES = 4000
# Spectra of the covariance below this, relative to its largest, are not inverted for the first guess.
_INVERTED = 1e-6


class NoPathError(Exception):
    """The boundary value problem was not solved."""


@dataclass(frozen=True, eq=False)
class Ends:
    """The attracting point, the saddle, and the linear motions and quadratic actions there.

    The action near either is ``dx^T Q dx / 2`` with ``A Q^-1 + Q^-1 A^T + a = 0``.
    """

    low: np.ndarray
    top: np.ndarray
    A_low: np.ndarray
    A_top: np.ndarray
    Q_low: np.ndarray
    Q_top: np.ndarray
    a_low: np.ndarray = field(repr=False)
    a_top: np.ndarray = field(repr=False)

    @classmethod
    def of(cls, H: Hamiltonian, low: np.ndarray, top: np.ndarray) -> Ends:
        from scipy.linalg import solve_continuous_lyapunov

        A_low, A_top = H.drift_jacobian(low), H.drift_jacobian(top)
        a_low, a_top = H.covariance(low), H.covariance(top)
        S_low = solve_continuous_lyapunov(A_low, -a_low)
        S_top = solve_continuous_lyapunov(A_top, -a_top)
        return cls(low, top, A_low, A_top, np.linalg.inv(S_low), np.linalg.inv(S_top), a_low, a_top)

    @property
    def slowest(self) -> float:
        """Rate of the slowest relaxation to the attracting point."""
        return -float(np.linalg.eigvals(self.A_low).real.max())

    @property
    def unstable(self) -> float:
        """The rate at which the saddle is left."""
        return float(np.linalg.eigvals(self.A_top).real.max())

    @property
    def comes_in_slower(self) -> bool:
        """Whether the saddle's slowest stable motion is slower than the unstable one.

        A path then arrives along the boundary between the two basins, except where a symmetry forbids it.
        """
        rates = np.linalg.eigvals(self.A_top).real
        stable = -rates[rates < 0]
        return bool(stable.size and stable.min() < self.unstable)

    @property
    def distance(self) -> float:
        return float(np.linalg.norm(self.top - self.low))


@dataclass(frozen=True, eq=False)
class ActionPath:
    """The path, its momenta, and the action.

    Attributes
    ----------
    t : ndarray, shape (n,)
    x, p : ndarray, shape (n, d)
    dx, dp : ndarray, shape (n, d)
        Derivatives in t.
    ends : Ends
    """

    t: np.ndarray
    x: np.ndarray
    p: np.ndarray
    dx: np.ndarray
    dp: np.ndarray
    ends: Ends

    @property
    def action(self) -> float:
        """``int p . dx`` from the attracting point: the quasi-potential of the saddle."""
        start = self.x[0] - self.ends.low
        work = np.trapezoid(np.sum(self.p * self.dx, axis=1), self.t)
        return float(work + start @ self.ends.Q_low @ start / 2)


# Points of a path that is asked for.
N_POINTS = 2001


def action_path(H: Hamiltonian, low: np.ndarray, top: np.ndarray) -> ActionPath:
    """An orbit of zero energy between the two points, by collocation.

    The first guess is the path near a fold, where one slow coordinate does everything; if this fails, the
    reversed relaxation, the path where noise and friction are balanced.

    The orbit begins on the linear unstable manifold of the attracting point, ``p = Q (x - low)``, and ends on
    the linear stable manifold of the saddle. Of the latter's conditions the one along the way out is left
    out, since it follows from the energy being zero; instead the orbit crosses a plane in its middle at a
    fixed time.

    Raises
    ------
    NoPathError
        If a relaxation off the saddle does not lead to the attracting point, or collocation fails.
    """
    ends = Ends.of(H, low, top)
    try:
        near = _orbit(H, ends, *_one_coordinate(ends))
    except NoPathError:
        near = _orbit(H, ends, *_reversed_relaxation(H, ends))
    return _sampled(_orbit(H, ends, *_continued(near, ends)), ends)


def beside(H: Hamiltonian, path: ActionPath, direction: np.ndarray) -> ActionPath:
    """The orbit found from this path, bent in its middle by the given vector; it may be the same one.

    Raises
    ------
    NoPathError
        If collocation fails.
    """
    kept = np.linspace(0, path.t.size - 1, _NODES).astype(int)
    x = path.x[kept]
    share = np.clip(np.linalg.norm(x - path.ends.low, axis=1) / path.ends.distance, 0, 1)
    bent = x + (6.75 * share**2 * (1 - share))[:, None] * direction  # the largest value of the factor is 1
    return _sampled(_orbit(H, path.ends, path.t[kept], np.hstack([bent, path.p[kept]]).T), path.ends)


def _sampled(curve: _Curve, ends: Ends) -> ActionPath:
    times = np.linspace(0.0, curve.length, N_POINTS)
    d, values, slopes = ends.low.size, curve(times), curve(times, 1)
    return ActionPath(times, values[:d].T, values[d:].T, slopes[:d].T, slopes[d:].T, ends)


def _one_coordinate(ends: Ends) -> tuple[np.ndarray, np.ndarray]:
    """Times and states of the path where motion and noise in the slowest coordinate are all there is.

    With the left eigenvectors w of the slow rates, the coordinate ``w . x`` goes from one fixed point of a
    quadratic drift to the other: a logistic curve, with the momentum ``2 y' / (w^T a w)`` along w.
    """
    rate = float(np.sqrt(ends.slowest * ends.unstable))
    t = np.linspace(-_FIRST / rate, _FIRST / rate, _NODES)
    share = 1 / (1 + np.exp(-rate * t))
    across = ends.top - ends.low
    momenta: list[np.ndarray] = []
    for A, a in ((ends.A_low, ends.a_low), (ends.A_top, ends.a_top)):
        values, vectors = np.linalg.eig(A.T)
        w = np.real(vectors[:, int(np.argmax(np.real(values)))])
        momenta.append(2 * rate * (w @ across) / (w @ a @ w) * w)
    shape = (share * (1 - share))[:, None]
    p = shape * ((1 - share)[:, None] * momenta[0] + share[:, None] * momenta[1])
    return t - t[0], np.hstack([ends.low + share[:, None] * across, p]).T


def _reversed_relaxation(H: Hamiltonian, ends: Ends) -> tuple[np.ndarray, np.ndarray]:
    """Times and states (x, p) of the relaxation from the saddle, backwards, as if it were reversible."""
    from scipy.integrate import solve_ivp

    def mean(t: float, x: np.ndarray) -> np.ndarray:
        return H.steps.jumps(x[None])[0].mean(axis=0)

    values, vectors = np.linalg.eig(ends.A_top)
    direction = np.real(vectors[:, int(np.argmax(np.real(values)))])
    off = np.exp(-_FIRST) * ends.distance
    longest = 3 * _FIRST * (1 / ends.slowest + 1 / ends.unstable)
    for sign in (1.0, -1.0):
        start = ends.top + sign * off * direction
        run = solve_ivp(mean, (0, longest), start, method="LSODA", rtol=1e-8, atol=1e-11, dense_output=True)
        gaps = np.linalg.norm(run.y - ends.low[:, None], axis=0)
        if gaps[-1] <= off:
            last = float(run.t[np.argmax(gaps <= off)])
            t = np.linspace(0.0, last, _NODES)
            x = run.sol(last - t).T
            xi = H.steps.jumps(x)
            b = xi.mean(axis=1)
            centred = xi - b[:, None]
            a = np.swapaxes(centred, 1, 2) @ centred / xi.shape[1]
            p = -2 * np.einsum("bij,bj->bi", np.linalg.pinv(a, rcond=_INVERTED, hermitian=True), b)
            return t, np.hstack([x, p]).T
    raise NoPathError("no relaxation off the saddle leads to the minimum")


def _continued(curve: _Curve, ends: Ends) -> tuple[np.ndarray, np.ndarray]:
    """The middle of a path, with exponentials of the slowest motions added at both ends."""
    d = ends.low.size
    t = np.linspace(0.0, curve.length, 20 * _NODES)
    z = curve(t)
    outside = np.exp(-_KEPT) * ends.distance
    first = int(np.argmax(np.linalg.norm(z[:d] - ends.low[:, None], axis=0) > outside))
    near_top = np.linalg.norm(z[:d] - ends.top[:, None], axis=0) > outside
    last = t.size - 1 - int(np.argmax(near_top[::-1]))
    kept = np.unique(np.linspace(first, last, _NODES).astype(int))
    low, top = np.concatenate([ends.low, np.zeros(d)]), np.concatenate([ends.top, np.zeros(d)])
    folds = np.linspace(0.0, _CONTINUED, 40)[1:]
    before = low[:, None] + (z[:, first] - low)[:, None] * np.exp(-folds[::-1])
    after = top[:, None] + (z[:, last] - top)[:, None] * np.exp(-folds)
    times = np.concatenate([t[first] - folds[::-1] / ends.slowest, t[kept], t[last] + folds / ends.unstable])
    return times - times[0], np.hstack([before, z[:, kept], after])


def _stable_conditions(ends: Ends) -> np.ndarray:
    """Rows that vanish on the stable directions of the saddle, without that of its unstable direction."""
    d = ends.top.size
    M = np.block([[ends.A_top, ends.a_top], [np.zeros((d, d)), -ends.A_top.T]])
    values, vectors = np.linalg.eig(M)
    left, rates, turns = np.linalg.inv(vectors), np.real(values), np.imag(values)
    rows: list[np.ndarray] = []
    for k in np.argsort(np.abs(values - ends.unstable))[1:]:
        if rates[k] > 0 and turns[k] >= 0:
            rows += [np.real(left[k])] if turns[k] == 0 else [np.real(left[k]), np.imag(left[k])]
    conditions = np.array(rows).reshape(d - 1, 2 * d)
    return conditions / np.linalg.norm(conditions, axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class _Curve:
    """An orbit in two halves, the second one backwards, each over the unit interval."""

    halves: Callable[..., np.ndarray]
    first: float
    second: float

    @property
    def length(self) -> float:
        return self.first + self.second

    def __call__(self, t: np.ndarray, order: int = 0) -> np.ndarray:
        """States, or their derivatives, shape (2d, n)."""
        early = t <= self.first
        scaled = np.where(early, t / self.first, (self.length - t) / self.second)
        before, after = np.split(self.halves(scaled, order), 2)
        if order:
            before, after = before / self.first, -after / self.second
        return np.where(early, before, after)


def _orbit(H: Hamiltonian, ends: Ends, t: np.ndarray, z: np.ndarray) -> _Curve:
    """Hamilton's equations between the two linear manifolds, from this guess."""
    from scipy.integrate import solve_bvp
    from scipy.interpolate import interp1d

    d = ends.low.size
    place = z[:d].T
    middle = int(np.argmin(np.abs(np.linalg.norm(place - ends.low, axis=1) / ends.distance - 0.5)))
    first, second = float(t[middle]), float(t[-1] - t[middle])
    plane = z[:d, middle + 1] - z[:d, middle - 1]
    plane = plane / np.linalg.norm(plane)
    start = np.hstack([-ends.Q_low, np.eye(d)]) / np.abs(ends.Q_low).max()
    stop = _stable_conditions(ends)
    low, top = (np.concatenate([point, np.zeros(d)]) for point in (ends.low, ends.top))

    def motion(s: np.ndarray, y: np.ndarray) -> np.ndarray:
        states = np.hstack(np.split(y, 2))
        forward, pull = H.flow(states[:d].T, states[d:].T)
        before, after = np.hsplit(np.vstack([forward.T, -pull.T]), 2)
        return np.vstack([first * before, -second * after])

    def jacobian(s: np.ndarray, y: np.ndarray) -> np.ndarray:
        states = np.hstack(np.split(y, 2))
        before, after = np.split(H.linearised(states[:d].T, states[d:].T), 2)
        J = np.zeros((4 * d, 4 * d, s.size))
        J[: 2 * d, : 2 * d] = first * before.transpose(1, 2, 0)
        J[2 * d :, 2 * d :] = -second * after.transpose(1, 2, 0)
        return J

    outer = np.zeros((4 * d, 4 * d))
    outer[:d, : 2 * d] = start
    outer[d : 2 * d - 1, 2 * d :] = stop
    inner = np.zeros((4 * d, 4 * d))
    inner[2 * d - 1 : 4 * d - 1] = np.hstack([np.eye(2 * d), -np.eye(2 * d)])
    inner[4 * d - 1, :d] = plane
    goal = np.concatenate([start @ low, stop @ top, np.zeros(2 * d), [plane @ z[:d, middle]]])
    s = np.linspace(0.0, 1.0, _NODES)
    guess = interp1d(t, z)
    halves = np.vstack([guess(first * s), guess(t[-1] - second * s)])
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            found = solve_bvp(
                motion, lambda ya, yb: outer @ ya + inner @ yb - goal, s, halves, fun_jac=jacobian,
                bc_jac=lambda ya, yb: (outer, inner), tol=_TOLERANCE, max_nodes=_MOST_NODES,
            )  # fmt: skip
    except np.linalg.LinAlgError as error:  # Newton's method has left the set of matrices of this rank
        raise NoPathError(str(error)) from None
    if not found.success:
        raise NoPathError(str(found.message).rstrip("."))
    return _Curve(found.sol, first, second)
