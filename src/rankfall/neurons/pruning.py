"""Theorem S2 for a whole network: few neurons, the same outputs on the samples, no larger norm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..argument_checks import flag, fraction, shown
from ..declared_arguments import declared, itself
from ..errors import InputError
from ..theory import Certificate, Condition
from .conversion import read
from .layer import Layer, balance, drop_silent, gram, out, project
from .merge import balanced, merged
from .network import HomogeneousNetwork
from .spaces import RANK_TOL, lengths, rank

MODES = ("gram", "out")
# what the certificate asks for: ten times what 40 000 networks of tests/neurons/attack.py have met, or more
OUTPUT_TOL, NORM_TOL = 1e-8, 1e-10
# a second pass is needed where a rank was unclear in the first, as in 2 of these networks
_PASSES = 3


@dataclass(frozen=True)
class PrunedLayer:
    """One hidden layer before and after.

    Attributes
    ----------
    layer : int
        From 1.
    before, after : int
        Neurons.
    rank, rank_above : int
        ``r_l = rank H_l`` on the samples and ``rank W_{l+1}``, both after pruning.
    bound : int
        What Theorem S2 allows with the modes that were used.
    """

    layer: int
    before: int
    after: int
    rank: int
    rank_above: int
    bound: int


@dataclass(frozen=True, eq=False)
class Pruned:
    """A network with few neurons, and what is certain about it.

    Attributes
    ----------
    network : HomogeneousNetwork, list, or torch.nn.Sequential
        The kind that came in.
    layers : tuple of PrunedLayer
    output_error : float
        ``|f_after - f_before| / |f_before|`` over the samples, of the output where it is largest, in float64.
    norm_before, norm_after : float
        What the penalty counts.
    certificate : Certificate
        Outputs, norm, and counts against their bounds, as inequalities.
    """

    network: Any
    layers: tuple[PrunedLayer, ...]
    output_error: float
    norm_before: float
    norm_after: float
    certificate: Certificate

    @property
    def before(self) -> tuple[int, ...]:
        """Neurons of each hidden layer before."""
        return tuple(each.before for each in self.layers)

    @property
    def after(self) -> tuple[int, ...]:
        """Neurons of each hidden layer after."""
        return tuple(each.after for each in self.layers)

    def __str__(self) -> str:
        counts = ", ".join(
            f"layer {e.layer}: {e.before} -> {e.after} (at most {e.bound})" for e in self.layers
        )
        return f"{counts}\n{self.certificate}"


@declared(mode=itself)
def prune(
    network: object,
    X: object,
    mode: str | Sequence[str] = MODES,
    tol: float = RANK_TOL,
    *,
    merge: bool = True,
    activation: object = None,
) -> Pruned:
    """A network with the same outputs on the samples, no larger norm and few neurons (Theorem S2).

    At most ``min(r_l (r_l + 1) / 2, r_l rank W_{l+1})`` neurons remain in hidden layer l; ``r_l`` is the
    rank of its activations on the samples; in particular at most N times the number of outputs in the last
    one. Layers are treated from the last to the first: in-weights are projected on what the samples see,
    silent neurons go, and then a positive combination of neurons is replaced by one with as few of them as
    possible (Caratheodory), keeping ``sum h_i h_i^T`` ("gram") or ``sum v_i h_i^T`` ("out").

    Parameters
    ----------
    network : HomogeneousNetwork, list of weights or of (weights, bias), or torch.nn.Sequential
        Plain layers: no skip connections, no normalisation.
    X : array_like, shape (N, w_0)
        The samples on which the outputs are kept. On others they change.
    mode : "gram", "out" or both
    tol : float
        Relative size of singular values that count as 0.
    merge : bool
        First merge neurons of one direction (:func:`merge_rays`), which keeps the function everywhere.
    activation
        For lists: see :class:`HomogeneousNetwork`; "relu" by default.

    Returns
    -------
    Pruned

    Raises
    ------
    InputError
        If the network or the samples cannot be used.
    """
    given = read(network, activation)
    start = given.network
    columns = start.check_inputs(X)
    start.check_range(columns)
    modes = _modes(mode)
    tol = fraction("tol", tol)
    # balanced first: weights of very different sizes would cost digits of the outputs
    found = merged(start) if flag("merge", merge) else balanced(start)
    layers: tuple[PrunedLayer, ...] = ()
    for _ in range(_PASSES):
        for number in reversed(found.hidden):
            below = found.activities(columns)[number - 1]
            found = treated(Layer(found, number, below, tol), modes).network
        found = balanced(found)
        layers = _layers(start, found, columns, modes, tol)
        if all(each.after <= each.bound for each in layers):
            break
    return _answer(start, found, layers, columns, modes, tol, given.like)


def treated(layer: Layer, modes: Sequence[str]) -> Layer:
    """One layer with as few neurons as the modes give."""
    layer = drop_silent(project(balance(layer)))
    if "gram" in modes:
        layer = gram(layer)
    return out(drop_silent(balance(layer))) if "out" in modes else layer


def _modes(mode: Any) -> tuple[str, ...]:
    given: tuple[Any, ...] = (*mode,) if type(mode) in (list, tuple) else (mode,)
    if not given or any(not isinstance(each, str) or each not in MODES for each in given):
        raise InputError(f'mode must be "gram", "out" or both, not {shown(mode)}.')
    return tuple(each for each in MODES if each in given)


def _answer(
    start: HomogeneousNetwork,
    found: HomogeneousNetwork,
    layers: tuple[PrunedLayer, ...],
    columns: np.ndarray,
    modes: tuple[str, ...],
    tol: float,
    like: Any,
) -> Pruned:
    outputs = start.preactivations(columns)[-1]
    moved = lengths(found.preactivations(columns)[-1] - outputs)
    size = lengths(outputs)
    # of each output by itself: they may have units of their own
    error = float(np.max(moved / np.where(size > 0, size, 1.0), initial=0.0))
    before, after = start.squared_norm, found.squared_norm
    source = "Theorem S2"
    conditions = [
        Condition("outputs", "|f' - f| <= 1e-8 |f| for each output", error, OUTPUT_TOL, source),
        Condition("norm", "|W'|^2 <= (1 + 1e-10) |W|^2", after, before * (1 + NORM_TOL), source),
        *(
            Condition(
                f"count {e.layer}", f"n_{e.layer} <= {_bound_in_words(modes)}", e.after, e.bound, source
            )
            for e in layers
        ),
    ]
    certificate = Certificate(
        theorem=source,
        claim=(
            f"On these {columns.shape[1]} samples the outputs are the same, the L2 penalty is no larger, and "
            "no hidden layer has more neurons than the theorem allows."
        ),
        conditions=tuple(conditions),
        assumptions=(
            "Nothing is said off the samples, and the pruned network need not be a local minimum.",
            f"Ranks are numerical, with relative tolerance {tol:g}.",
        ),
        values={"norm_before": before, "norm_after": after, "output_error": error},
    )
    return Pruned(like(found), layers, error, before, after, certificate)


def _layers(
    start: HomogeneousNetwork,
    found: HomogeneousNetwork,
    columns: np.ndarray,
    modes: tuple[str, ...],
    tol: float,
) -> tuple[PrunedLayer, ...]:
    """Counts and bounds, from the ranks of the network that was found."""
    out: list[PrunedLayer] = []
    for number, H in enumerate(found.activities(columns)[1:], 1):
        r, above = rank(H, tol), rank(found.weights[number].T, tol)
        bounds = {"gram": r * (r + 1) // 2, "out": r * above}
        bound = min(bounds[mode] for mode in modes)
        out.append(PrunedLayer(number, start.widths[number], found.widths[number], r, above, bound))
    return tuple(out)


def _bound_in_words(modes: tuple[str, ...]) -> str:
    words = {"gram": "r (r + 1) / 2", "out": "r rank W"}
    return words[modes[0]] if len(modes) == 1 else f"min({words['gram']}, {words['out']})"
