"""Which weights of a model are watched, under which names, and how their gradients are counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from typing import Any

from ..errors import InputError
from .modules import Rows, weight_names
from .torch_import import import_torch
from .weight import DIRECTION, PLAIN, SPECTRAL, Weight

_NOT_COUNTED = (
    "no module that is known uses it, so that the rank of its gradient is not known (known are dense layers, "
    "convolutions, embeddings, recurrent layers and nn.MultiheadAttention)"
)
_PARALLEL = ("DataParallel", "DistributedDataParallel", "FullyShardedDataParallel", "FSDPModule")

Plan = dict[Any, list[tuple[Weight, Rows, int]]]
"""For every module its weights, how a call counts for each, and what a call adds by itself."""


def find_weights(optimizer: Any, model: Any, layers: Iterable[str] | None) -> tuple[list[Weight], Plan]:
    """The matrices that the optimiser trains, and the modules that use them.

    Raises
    ------
    InputError
        If a layer is asked for that there is not, nothing is left, or the model is spread over devices.
    """
    torch = import_torch()
    for module in model.modules():
        if type(module).__name__ in _PARALLEL:
            raise InputError(
                f"RankMemory counts samples in one process and cannot follow {type(module).__name__}."
            )
    for name, parameter in model.named_parameters():
        if torch.nn.parameter.is_lazy(parameter):
            raise InputError(f"{name} has no shape yet; run the model once before it is watched.")
    trained = {id(p): p for group in optimizer.param_groups for p in group["params"]}
    found: dict[int, Weight] = {}
    plan: Plan = {}
    for path, module in model.named_modules():
        for name, rows in weight_names(module).items():
            for weight, more in _of_name(path, module, name, trained, found):
                plan.setdefault(module, []).append((weight, rows, more))
    for name, parameter in model.named_parameters():
        new = id(parameter) in trained and id(parameter) not in found and parameter.dim() >= 2
        if new and not _is_gain(name):
            found[id(parameter)] = _weight(name, parameter, reason=_NOT_COUNTED)
    return _chosen(list(found.values()), plan, layers)


def _is_gain(name: str) -> bool:
    """Whether this is a vector that weight normalisation keeps with more axes."""
    return name.endswith(".weight.original0")


def _of_name(
    path: str, module: Any, name: str, trained: dict[int, Any], found: dict[int, Weight]
) -> Iterator[tuple[Weight, int]]:
    """The weight behind a name, if the optimiser trains it, and what every call adds to its rank."""
    shown = ".".join(part for part in (path, name) if part)
    owner, short = module, name
    if "." in name:
        inner, short = name.split(".")
        owner = getattr(module, inner)
    parametrised = getattr(owner, "parametrizations", {})
    kind, gain, reason, more = PLAIN, None, "", 0
    if short in parametrised:
        parameter, kind, gain, reason = _parametrised(owner, parametrised[short])
        more = 1 if kind == SPECTRAL else 0
    else:
        parameter = getattr(owner, "_parameters", {}).get(short)
    if parameter is None or id(parameter) not in trained:
        return
    if getattr(owner, "max_norm", None) is not None:
        reason = "rows that are longer than max_norm are cut, outside of the optimiser's steps"
    if id(parameter) not in found:
        found[id(parameter)] = _weight(shown, parameter, kind=kind, gain=gain, reason=reason)
    yield found[id(parameter)], more


def _parametrised(owner: Any, chain: Any) -> tuple[Any, str, Any, str]:
    """The trained matrix behind a parametrisation, its kind, its gain, and why nothing can be said."""
    name = type(chain[0]).__name__ if len(chain) == 1 else "a chain of parametrisations"
    transposed = type(owner).__name__.removeprefix("Parametrized").startswith("ConvTranspose")
    if name == "_WeightNorm" and chain[0].dim == 0:
        return chain.original1, DIRECTION, chain.original0, ""
    if name == "_SpectralNorm" and not transposed:
        return chain.original, SPECTRAL, None, ""
    parameter = getattr(chain, "original", getattr(chain, "original1", None))
    return (
        parameter,
        PLAIN,
        None,
        f"about this parametrisation ({name.strip('_')}) the memory lemma says nothing",
    )


def _weight(name: str, parameter: Any, *, kind: str = PLAIN, gain: Any = None, reason: str = "") -> Weight:
    shape = (parameter.shape[0], prod(parameter.shape[1:]))
    return Weight(name.removesuffix(".weight"), parameter, shape, kind=kind, gain=gain, reason=reason)


def _chosen(weights: list[Weight], plan: Plan, layers: Iterable[str] | None) -> tuple[list[Weight], Plan]:
    names = [weight.name for weight in weights]
    if layers is not None:
        wanted = [layers] if isinstance(layers, str) else list(layers)
        for name in wanted:
            if name not in names:
                raise InputError(
                    f"The model has no trained layer {name!r}; it has {', '.join(names) or 'none'}."
                )
        weights = [weight for weight in weights if weight.name in wanted]
        plan = {
            module: [entry for entry in entries if entry[0] in weights] for module, entries in plan.items()
        }
        plan = {module: entries for module, entries in plan.items() if entries}
    if not weights:
        raise InputError("The optimiser trains no weight matrix of this model.")
    return weights, plan
