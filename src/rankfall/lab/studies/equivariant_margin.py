"""Study `equivariant-margin`: the direction in which equivariant networks grow on separable data.

Samples are matrices X_k with labels y_k, the network computes ``<A, X_k>`` with an equivariant product A, and
descends the exponential loss ``sum exp(-y_k <A, X_k>)`` without a ridge. Steps are those of gradient descent
with a learning rate that changes no margin by more than `move`, so that they follow the gradient flow.

Theory: the direction converges to a stationary point of ``sum |W_l|^2`` at margins of at least one (Lyu and
Li; Ji and Telgarsky). There the weights are balanced, and in every irrep

    Gamma = c U S^(2/L - 1) V^* + E,  U^* E = 0,  E V = 0,      M = U S V^* the block of A,

where ``Gamma`` is the block of ``sum alpha_k y_k X_k`` with multipliers ``alpha_k >= 0`` of samples on the
margin, and c is the same for all irreps: a stationary point of ``sum d |M|_{S_2/L}^(2/L)`` on the matrices of
its ranks, nothing more. At depth 2 this norm is convex, and ``|E| <= c`` makes the point a global minimum.

The distance of a run from stationarity is ``|theta - sum alpha_k y_k grad f_k| / |theta|`` with the best
non-negative multipliers of samples within 5% of the smallest margin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...measures import RANK_TOL
from ...symmetry import EquivariantMaps, EquivariantNetwork, project
from ...symmetry.algebra import components, embed
from ..cell import Cell
from ..claims import Claim, verdict
from .common.intervals import binomial_share, paired_signs
from .common.operators import channels_of, group_named

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

STATIONARY = 0.05
GAP = 0.02
NEAR = 0.05

RULES = {
    "closer": (
        "Runs, all groups and depths: share whose distance from stationarity is smaller at the end than "
        "after a tenth of the steps, exact 95% binomial interval. Supported if it lies above 0.8, not "
        "supported if below, undecided otherwise."
    ),
    "stationary": (
        "Runs, all groups and depths: share whose distance from stationarity is below 0.05 at the end, exact "
        "95% binomial interval. Supported if it lies above 0.8, not supported if below, undecided otherwise."
    ),
    "global": (
        "Runs of depth 2: share whose nuclear norm at margin one exceeds its lower bound by duality, "
        "sum alpha_k / |Gamma|_op, by less than 2%, exact 95% binomial interval. Supported if it lies above "
        "0.8, not supported if below, undecided otherwise."
    ),
    "cheaper": (
        "Runs, all groups and depths: share in which the Schatten cost at margin one is below that of the "
        "equivariant matrix of smallest Frobenius norm with margin one, exact 95% binomial interval. "
        "Supported if it lies above 1/2, not supported if below, undecided otherwise."
    ),
    "silent": (
        "Pairs of runs on the same data that differ in the number of irreps in use: share in which the "
        "deeper network uses fewer, exact 95% binomial interval. Supported if it lies above 1/2, not "
        "supported if below, undecided otherwise."
    ),
}  # fmt: skip


def run(cell: Cell) -> pd.DataFrame:
    """One row per run."""
    import pandas as pd

    get = cell.get
    rho = channels_of(group_named(get("group")), get("channels"))
    maps = EquivariantMaps.between(rho, rho)
    rows: list[dict[str, float | str]] = []
    for index in range(get("repeats")):
        rng = np.random.default_rng(cell.seed(f"data {index}"))
        X = rng.standard_normal((get("samples"), *maps.shape))
        signed = np.sign(rng.standard_normal(get("samples")))[:, None, None] * X
        start = EquivariantNetwork.gaussian(
            maps, depth=get("depth"), scale=get("scale"), seed=cell.seed(f"start {index}")
        )
        samples = Samples.of(maps, signed)
        early = descend(samples, start, get("n_steps") // 10, get("largest_step"), get("move"))
        end = descend(samples, start, get("n_steps"), get("largest_step"), get("move"))
        rows.append(
            {
                "repeat": index,
                "early": multipliers(samples, early)[1],
                **_measured(maps, samples, signed, end, get("depth")),
            }
        )
    return pd.DataFrame(rows)


@dataclass(frozen=True, eq=False)
class Samples:
    """Blocks of the samples times their labels, embedded, and the weight of each irrep in a margin."""

    blocks: dict[str, np.ndarray]
    shares: dict[str, float]

    @classmethod
    def of(cls, maps: EquivariantMaps, signed: np.ndarray) -> Samples:
        parts = [maps.blocks(X) for X in signed]
        blocks = {name: np.array([embed(part[name]) for part in parts]) for name in maps.sizes}
        # <A, X> = sum d <M, M_X>, and embedded matrices count every number e times
        shares = {each.name: each.dimension / each.endomorphisms for each in maps.irreps}
        return cls(blocks, shares)

    def weighted(self, alpha: np.ndarray) -> dict[str, np.ndarray]:
        """Blocks of ``sum alpha_k y_k X_k``."""
        return {name: np.einsum("k,kij->ij", alpha, S) for name, S in self.blocks.items()}

    def margins(self, products: dict[str, np.ndarray]) -> np.ndarray:
        """``y_k <A, X_k>``."""
        parts = [self.shares[n] * np.einsum("kij,ij->k", S, products[n]) for n, S in self.blocks.items()]
        return np.sum(parts, axis=0)


@dataclass(frozen=True, eq=False)
class End:
    """Weights and gradients of each irrep (embedded), products of the layers, and the margins."""

    weights: dict[str, list[np.ndarray]]
    gradients: dict[str, list[np.ndarray]]
    products: dict[str, np.ndarray]
    margins: np.ndarray


def descend(
    samples: Samples, start: EquivariantNetwork, n_steps: int, largest_step: float, move: float
) -> End:
    """Follow the gradient flow of the exponential loss; time is rescaled, which does not change the path."""
    weights = {name: start.embedded(name) for name in start.blocks}
    end = _gradient(samples, weights)
    for _ in range(n_steps):
        size = np.sqrt(_squares(samples, end.weights))
        slope = np.sqrt(_squares(samples, end.gradients))
        rates = samples.margins(_slopes(end))
        step = min(largest_step * size / slope, move / max(float(np.abs(rates).max()), 1e-300))
        weights = {
            name: [W + step * G for W, G in zip(layers, end.gradients[name], strict=True)]
            for name, layers in end.weights.items()
        }
        end = _gradient(samples, weights)
    return end


def _slopes(end: End) -> dict[str, np.ndarray]:
    """Derivatives of the products along the gradients."""
    out: dict[str, np.ndarray] = {}
    for name, layers in end.weights.items():
        product, slope = layers[0], end.gradients[name][0]
        for W, G in zip(layers[1:], end.gradients[name][1:], strict=True):
            product, slope = W @ product, W @ slope + G @ product
        out[name] = slope
    return out


def _squares(samples: Samples, layers: dict[str, list[np.ndarray]]) -> float:
    return sum(samples.shares[n] * float(sum(np.sum(W * W) for W in Ws)) for n, Ws in layers.items())


def _gradient(samples: Samples, weights: dict[str, list[np.ndarray]]) -> End:
    products = {name: _running(layers)[-1] for name, layers in weights.items()}
    margins = samples.margins(products)
    alpha = np.exp(margins.min() - margins)
    gamma = samples.weighted(alpha / alpha.sum())
    gradients = {name: _pulled(layers, gamma[name]) for name, layers in weights.items()}
    return End(weights, gradients, products, margins)


def _running(layers: list[np.ndarray]) -> list[np.ndarray]:
    out = [layers[0]]
    for W in layers[1:]:
        out.append(W @ out[-1])
    return out


def _pulled(layers: list[np.ndarray], gamma: np.ndarray) -> list[np.ndarray]:
    """``P_l^* Gamma Q_l^*`` for all layers."""
    below, back, found = _running(layers), gamma, []
    for l in range(len(layers) - 1, -1, -1):
        found.append(back @ below[l - 1].T if l else back)
        back = layers[l].T @ back
    return found[::-1]


def multipliers(samples: Samples, end: End) -> tuple[np.ndarray, float]:
    """``alpha_k >= 0`` of samples near the margin for which the gradients come closest to the weights.

    Returns
    -------
    alpha : ndarray, shape (N,)
    distance : float
        ``|theta - sum alpha_k y_k grad f_k| / |theta|``.
    """
    from scipy.optimize import nnls

    near = np.flatnonzero(end.margins <= (1 + NEAR) * end.margins.min())
    columns = []
    for k in near:
        parts = [
            np.sqrt(samples.shares[name]) * G.ravel()
            for name, layers in end.weights.items()
            for G in _pulled(layers, samples.blocks[name][k])
        ]
        columns.append(np.concatenate(parts))
    theta = np.concatenate(
        [np.sqrt(samples.shares[n]) * W.ravel() for n, layers in end.weights.items() for W in layers]
    )
    fitted, distance = nnls(np.array(columns).T, theta)
    alpha = np.zeros(end.margins.size)
    alpha[near] = fitted
    return alpha, float(distance) / float(np.linalg.norm(theta))


def _measured(
    maps: EquivariantMaps, samples: Samples, signed: np.ndarray, end: End, depth: int
) -> dict[str, float]:
    """Residual, costs at margin one, and irreps in use."""
    margin = float(end.margins.min())
    blocks = {name: components(M, maps.irrep(name).endomorphisms) for name, M in end.products.items()}
    rho = maps.rows.representation
    other = _largest_margin(np.array([project(X, rho, rho).ravel() for X in signed])).reshape(maps.shape)
    spectra = _spectra(end)
    out = {
        "margin": margin,
        "cost_of_margin": maps.schatten_cost(other, depth=depth).total,
        "used": sum(1 for s in spectra if s[0] > RANK_TOL * max(t[0] for t in spectra)),
        "irreps": len(end.products),
    }
    if margin <= 0:
        return {**out, "residual": np.inf, "gap": np.inf, "cost": np.inf}
    A = maps.assemble(blocks) / margin
    alpha, distance = multipliers(samples, end)
    gamma = samples.weighted(alpha)
    top = max(float(np.linalg.norm(G, 2)) for G in gamma.values())
    nuclear = float(np.sum(np.linalg.svd(A, compute_uv=False)))
    return {
        **out,
        "residual": distance,
        "gap": nuclear * top / float(alpha.sum()) - 1,
        "cost": maps.schatten_cost(A, depth=depth).total,
    }


def _spectra(end: End) -> list[np.ndarray]:
    return [np.linalg.svd(M, compute_uv=False) for M in end.products.values()]


def _largest_margin(flat: np.ndarray) -> np.ndarray:
    """The vector of smallest norm with ``flat @ a >= 1``, by its dual: non-negative least squares.

    Minimising ``|flat^T b|^2 / 2 - sum b`` over ``b >= 0`` gives ``a = flat^T b``.
    """
    from scipy.optimize import nnls

    # |flat^T b|^2 / 2 - sum b = |R b - z|^2 / 2 + constant, with R^T R = flat flat^T and R^T z = 1
    K = flat @ flat.T
    R = np.linalg.cholesky(K + 1e-12 * np.trace(K) * np.eye(len(K))).T
    z = np.linalg.solve(R.T, np.ones(len(K)))
    b, _ = nnls(R, z)
    a = flat.T @ b
    return a / float((flat @ a).min())


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """The claims; see `RULES`."""
    two = results[results["depth"] == 2]
    by_depth = results.pivot_table(index=["group", "repeat"], columns="depth", values="used", aggfunc="first")
    pairs = by_depth.dropna()
    shallow, deep = (pairs[k] for k in (pairs.columns.min(), pairs.columns.max()))
    signs = paired_signs(int((deep < shallow).sum()), int((deep > shallow).sum()))
    differ = int((deep != shallow).sum())
    return (
        _share(
            "Gradient descent approaches a stationary point of the Schatten cost.",
            "closer",
            results["residual"] < results["early"],
            0.8,
            "Median distances "
            f"{results['early'].median():.2g} early, {results['residual'].median():.2g} late.",
        ),
        _share(
            "At the end of the run it is there.",
            "stationary",
            results["residual"] < STATIONARY,
            0.8,
        ),
        _share(
            "At depth 2 it converges to the least nuclear norm.",
            "global",
            two["gap"] < GAP,
            0.8,
            f"Median gap {two['gap'].median():.2g}." if len(two) else "",
        ),
        _share(
            "Its Schatten cost is below that of the equivariant matrix with the largest margin.",
            "cheaper",
            results["cost"] < results["cost_of_margin"],
            0.5,
        ),
        Claim(
            "A deeper network uses fewer irreps.",
            RULES["silent"],
            *signs,
            verdict(signs.low, signs.high, above=0.5) if differ else "undecided",
            f"{differ} of {len(pairs)} pairs differ.",
        ),
    )


def _share(statement: str, rule: str, true: pd.Series, above: float, note: str = "") -> Claim:
    share = binomial_share(int(true.sum()), len(true))
    outcome = verdict(share.low, share.high, above=above) if len(true) else "undecided"
    counted = f"{int(true.sum())} of {len(true)}."
    return Claim(statement, RULES[rule], *share, outcome, f"{counted} {note}".strip())


def draw(results: pd.DataFrame) -> Figure:
    """Residuals and costs of all runs."""
    from .figures.equivariant_margin import margin_figure

    return margin_figure(results, STATIONARY)
