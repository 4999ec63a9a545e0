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

The residual of a run is the larger of 1 - the cosine between a layer and its gradient, and of the relative
distance between both sides of the equation above on the directions in use (singular values above a hundredth
of the largest of all irreps).
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

RULES = {
    "stationary": (
        "Runs, all groups and depths: share with a residual below 0.05 at the end, exact 95% binomial "
        "interval. Supported if it lies above 0.8, not supported if below, undecided otherwise."
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
        end = descend(Samples.of(maps, signed), start, get("n_steps"), get("largest_step"), get("move"))
        rows.append({"repeat": index, **_measured(maps, signed, end, get("depth"))})
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

    def margins(self, products: dict[str, np.ndarray]) -> np.ndarray:
        """``y_k <A, X_k>``."""
        parts = [self.shares[n] * np.einsum("kij,ij->k", S, products[n]) for n, S in self.blocks.items()]
        return np.sum(parts, axis=0)


@dataclass(frozen=True, eq=False)
class End:
    """Weights of each irrep (embedded), their gradients, the multipliers, and the blocks of their sum."""

    weights: dict[str, list[np.ndarray]]
    gradients: dict[str, list[np.ndarray]]
    alpha: np.ndarray
    gamma: dict[str, np.ndarray]
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
        relative = min(largest_step, move / (start.depth * max(float(np.abs(end.margins).max()), 1e-12)))
        step = relative * size / slope
        weights = {
            name: [W + step * G for W, G in zip(layers, end.gradients[name], strict=True)]
            for name, layers in end.weights.items()
        }
        end = _gradient(samples, weights)
    return end


def _squares(samples: Samples, layers: dict[str, list[np.ndarray]]) -> float:
    return sum(samples.shares[n] * float(sum(np.sum(W * W) for W in Ws)) for n, Ws in layers.items())


def _gradient(samples: Samples, weights: dict[str, list[np.ndarray]]) -> End:
    below: dict[str, list[np.ndarray]] = {}
    for name, layers in weights.items():
        below[name] = [layers[0]]
        for W in layers[1:]:
            below[name].append(W @ below[name][-1])
    products = {name: Q[-1] for name, Q in below.items()}
    margins = samples.margins(products)
    alpha = np.exp(margins.min() - margins)
    alpha /= alpha.sum()
    gamma = {name: np.einsum("k,kij->ij", alpha, S) for name, S in samples.blocks.items()}
    gradients: dict[str, list[np.ndarray]] = {}
    for name, layers in weights.items():
        back, found = gamma[name], []
        for l in range(len(layers) - 1, -1, -1):
            found.append(back @ below[name][l - 1].T if l else back)
            back = layers[l].T @ back
        gradients[name] = found[::-1]
    return End(weights, gradients, alpha, gamma, products, margins)


def _measured(maps: EquivariantMaps, signed: np.ndarray, end: End, depth: int) -> dict[str, float]:
    """Residual, costs at margin one, and irreps in use."""
    A = maps.assemble(
        {name: components(M, maps.irrep(name).endomorphisms) for name, M in end.products.items()}
    )
    margin = float(end.margins.min())
    separated = margin > 0
    A = A / margin if separated else np.full_like(A, np.nan)
    rho = maps.rows.representation
    flat = np.array([project(X, rho, rho).ravel() for X in signed])
    other = _largest_margin(flat).reshape(A.shape)
    top = max(float(np.linalg.norm(G, 2)) for G in end.gamma.values())
    nuclear = float(np.sum(np.linalg.svd(A, compute_uv=False))) if separated else np.inf
    return {
        "residual": residual(end, depth) if separated else np.inf,
        "margin": margin,
        "cost": maps.schatten_cost(A, depth=depth).total if separated else np.inf,
        "cost_of_margin": maps.schatten_cost(other, depth=depth).total,
        "gap": nuclear * top / float(end.alpha.sum()) - 1,
        "used": sum(1 for s in _spectra(end) if s[0] > RANK_TOL * max(t[0] for t in _spectra(end))),
        "irreps": len(end.products),
    }


def _spectra(end: End) -> list[np.ndarray]:
    return [np.linalg.svd(M, compute_uv=False) for M in end.products.values()]


def residual(end: End, depth: int) -> float:
    """How far the last weights are from a stationary point; see the top of this module."""
    worst = 0.0
    for l in range(depth):
        W = np.concatenate([layers[l].ravel() for layers in end.weights.values()])
        G = np.concatenate([layers[l].ravel() for layers in end.gradients.values()])
        worst = max(worst, 1 - float(W @ G) / float(np.linalg.norm(W) * np.linalg.norm(G)))
    decomposed = {name: np.linalg.svd(M) for name, M in end.products.items()}
    top = max(float(s[0]) for _, s, _ in decomposed.values())
    ours: list[np.ndarray] = []
    wanted: list[np.ndarray] = []
    for name, (U, s, Vt) in decomposed.items():
        r = int(np.count_nonzero(s > RANK_TOL * top))
        turned = U.T @ end.gamma[name] @ Vt.T
        target = np.zeros_like(turned)
        target[:r, :r] = np.diag((s[:r] / top) ** (2 / depth - 1))
        # what lies outside of the directions in use is E, and free
        turned[r:, r:] = 0.0
        ours.append(turned.ravel())
        wanted.append(target.ravel())
    G, T = np.concatenate(ours), np.concatenate(wanted)
    c = float(G @ T) / float(T @ T)
    return max(worst, float(np.linalg.norm(G - c * T) / np.linalg.norm(c * T)))


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
            "Gradient descent converges in direction to a stationary point of the Schatten cost.",
            "stationary",
            results["residual"] < STATIONARY,
            0.8,
            f"Median residual {results['residual'].median():.2g}.",
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
