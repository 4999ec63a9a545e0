"""Paths of least action and their prefactors, against closed forms in one and two dimensions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from rankfall.theory.escape.action_path import Ends, action_path
from rankfall.theory.escape.hamiltonian import Hamiltonian
from rankfall.theory.escape.path_prefactor import log_prefactor


@dataclass(frozen=True)
class Written:
    """Steps given by a function of points, shape (B, d), that returns an array of shape (B, N, d)."""

    at: Callable[[np.ndarray], np.ndarray]

    def jumps(self, x: np.ndarray) -> np.ndarray:
        return self.at(x)

    def pulled(self, x: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
        def value(x: np.ndarray) -> np.ndarray:
            return np.einsum("be,bed,bd->b", weights, self.jumps(x), p)

        return np.stack([(value(x + e) - value(x - e)) / 2e-5 for e in 1e-5 * np.eye(x.shape[1])], axis=1)


def drift(x: float) -> float:
    """Stable at -1, unstable at 0.3."""
    return -(x + 1) * (x - 0.3) * (x - 2) * 0.2


def spread(x: float) -> float:
    return 1 + 0.4 * np.sin(2 * x)


def slope(function: Callable[[float], float], x: float, h: float = 1e-5) -> float:
    return (function(x + h) - function(x - h)) / (2 * h)


LOW, TOP = -1.0, 0.3


def two_steps(x: np.ndarray) -> np.ndarray:
    return np.stack([drift(x) + spread(x), drift(x) - spread(x)], axis=1)


def of_kramers() -> tuple[float, float]:
    """Action and log prefactor of a diffusion with noise that depends on the place (Ito), in closed form."""
    action = quad(lambda x: -2 * drift(x) / spread(x) ** 2, LOW, TOP)[0]
    rates = -slope(drift, LOW) * slope(drift, TOP)
    return action, float(np.log(np.sqrt(rates) / (2 * np.pi) * spread(LOW) / spread(TOP)))


def test_kramers_with_noise_that_depends_on_the_place():
    H = Hamiltonian(Written(two_steps), "gaussian")
    path = action_path(H, np.array([LOW]), np.array([TOP]))
    action, log_c = of_kramers()
    assert path.action == pytest.approx(action, rel=1e-4)
    assert log_prefactor(H, path) == pytest.approx(log_c, abs=0.01)
    assert np.abs(H.energy(path.x, path.p)).max() < 1e-6


def test_two_unlike_steps_against_quadrature():
    """``exp(p b) cosh(p sigma) = 1`` has one positive root p(x), the slope of the action."""
    H = Hamiltonian(Written(two_steps))
    path = action_path(H, np.array([LOW]), np.array([TOP]))

    def momentum(x: float) -> float:
        start = -2 * drift(x) / spread(x) ** 2
        return float(
            brentq(
                lambda p: p * drift(x) + np.log(np.cosh(p * spread(x))), 0.2 * start, 5 * start, xtol=1e-14
            )
        )

    ends = (LOW + 1e-9, TOP - 1e-9)
    assert path.action == pytest.approx(quad(momentum, *ends)[0], rel=1e-4)

    def growth(x: float) -> float:
        """``(H_xp + H_pp Q / 2) / H_p``, Q the slope of the momentum, with H = exp(p b) cosh(p sigma) - 1."""
        p = momentum(x)

        def forward(x: float, p: float) -> float:
            b, s = drift(x), spread(x)
            return float(np.exp(p * b) * (b * np.cosh(p * s) + s * np.sinh(p * s)))

        h = 1e-5
        H_px = (forward(x + h, p) - forward(x - h, p)) / (2 * h)
        H_pp = (forward(x, p + h) - forward(x, p - h)) / (2 * h)
        return (H_px + H_pp * slope(momentum, x) / 2) / forward(x, p)

    # the integrand is smooth, and a quotient of small numbers near the ends
    total = quad(growth, LOW + 0.01, TOP - 0.01, epsabs=1e-6)[0]
    total += 0.01 * (growth(LOW + 0.01) + growth(TOP - 0.01))
    curvatures = [2 * slope(drift, x) / spread(x) ** 2 for x in (LOW, TOP)]
    log_c = np.log(slope(drift, TOP) / (2 * np.pi) * np.sqrt(-curvatures[0] / curvatures[1])) - total
    assert log_prefactor(H, path) == pytest.approx(log_c, abs=0.01)


def around(mean: np.ndarray) -> np.ndarray:
    """Steps with this mean and covariance 2 I."""
    return mean[:, None] + 2 * np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])


@pytest.mark.parametrize("turning", [0.0, 0.7])
def test_two_dimensions_with_and_without_circulation(turning):
    """Drift ``-(I + J) grad U``, J antisymmetric, noise 2 I: V = U and the rate of Bouchet and Reygner."""

    def gradient(x: np.ndarray) -> np.ndarray:
        bent = x[..., 1] - 0.3 * x[..., 0] ** 2
        return np.stack([x[..., 0] ** 3 - x[..., 0] - 0.9 * x[..., 0] * bent, 1.5 * bent], axis=-1)

    def hessian(x: np.ndarray) -> np.ndarray:
        return np.stack([(gradient(x + e) - gradient(x - e)) / 2e-5 for e in 1e-5 * np.eye(2)])

    low, top = np.array([-1.0, 0.3]), np.zeros(2)
    mobility = np.array([[1.0, turning], [-turning, 1.0]])
    H = Hamiltonian(Written(lambda x: around(-gradient(x) @ mobility.T)), "gaussian")
    path = action_path(H, low, top)
    assert path.action == pytest.approx(0.25, rel=1e-4)  # U(0) - U(low) of (x^2 - 1)^2 / 4 + 0.75 bent^2
    rate = -np.linalg.eigvals(mobility @ hessian(top)).real.min()
    ratio = np.linalg.det(hessian(low)) / -np.linalg.det(hessian(top))
    assert log_prefactor(H, path) == pytest.approx(np.log(rate * np.sqrt(ratio) / (2 * np.pi)), abs=0.02)


def test_what_only_follows_changes_no_rate():
    """An Ornstein-Uhlenbeck process that is driven by the one that escapes, and does not act on it."""

    def steps(x: np.ndarray) -> np.ndarray:
        lead, follow = x[:, 0], -0.8 * (x[:, 1] - 0.5 * x[:, 0])
        each = [(drift(lead) + e * spread(lead), follow + f) for e in (1, -1) for f in (1, -1)]
        return np.array(each).transpose(2, 0, 1)

    H = Hamiltonian(Written(steps), "gaussian")
    path = action_path(H, np.array([LOW, LOW / 2]), np.array([TOP, TOP / 2]))
    action, log_c = of_kramers()
    assert path.action == pytest.approx(action, rel=1e-4)
    assert log_prefactor(H, path) == pytest.approx(log_c, abs=0.02)


def test_near_the_attracting_point_the_action_is_that_of_the_stationary_law():
    """Of the linear motion ``dx = A x dt + B dW``: ``Q^-1 = int exp(At) B B^T exp(A^T t) dt``."""
    A = np.array([[-1.0, 0.6], [-0.2, -0.5]])

    def steps(x: np.ndarray) -> np.ndarray:
        mean = x @ A.T + np.array([0.0, 1.0]) * x[:, 1:] ** 2
        return mean[:, None] + np.array([[1.0, 0.5], [-1.0, -0.5], [0.0, 1.0], [0.0, -1.0]])

    H = Hamiltonian(Written(steps))
    ends = Ends.of(H, np.zeros(2), np.array([0.0, 0.5]))
    values, vectors = np.linalg.eig(A)
    inner = np.linalg.solve(vectors, H.covariance(np.zeros(2))) @ np.linalg.inv(vectors).conj().T
    stationary = vectors @ (-inner / (values[:, None] + values.conj())) @ vectors.conj().T
    np.testing.assert_allclose(np.linalg.inv(ends.Q_low), stationary.real, rtol=1e-6)
