"""How many directions the calls of a module bring into the gradients of its weights (docs/memory.md).

A hook on the output of every call counts during backward, so that calls whose output never reaches the loss,
or that ran without gradients, count nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from .torch_import import import_torch

if TYPE_CHECKING:
    from .weight import Weight

Rows = Callable[[tuple[Any, ...], dict[str, Any], Any], int]
"""From the arguments and the output of a call to a bound of the rank of its gradient."""


@dataclass(frozen=True)
class OutputRows:
    """A call counts by its output alone: so many channels, and a block of the matrix for every group."""

    channels: int
    groups: int = 1

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> int:
        return self.groups * (output.numel() // self.channels)


def weight_names(module: Any) -> dict[str, Rows]:
    """The weights of a module whose calls are understood: name, and how a call counts.

    A name is that of the parameter; one that is computed from others (a parametrisation) is named, too.
    """
    nn = import_torch().nn
    if isinstance(module, nn.MultiheadAttention):
        return _attention(module)
    if isinstance(module, nn.Linear):
        return {"weight": OutputRows(module.out_features)}
    if isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        return {"weight": partial(_by_input, module.in_channels, module.groups)}
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return {"weight": OutputRows(module.out_channels, module.groups)}
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return {"weight": _distinct}
    if isinstance(module, nn.RNNBase):
        names = [name for name, value in module.named_parameters(recurse=False) if value.dim() == 2]
        return {name: partial(_by_tokens, module.input_size) for name in names}
    return {}


def _first(args: tuple[Any, ...], kwargs: dict[str, Any], name: str = "input") -> Any:
    return args[0] if args else kwargs[name]


def _by_input(channels: int, groups: int, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> int:
    return groups * (_first(args, kwargs).numel() // channels)


def _distinct(args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> int:
    return int(_first(args, kwargs).unique().numel())


def _by_tokens(size: int, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> int:
    given = _first(args, kwargs)
    # a packed sequence holds its tokens in `data`
    return getattr(given, "data", given).numel() // size


def _attention(module: Any) -> dict[str, Rows]:
    """Attention uses its weights in one function: its own projections are never called as modules."""
    widths = (module.embed_dim, module.kdim, module.vdim)
    names: dict[str, Rows] = {"out_proj.weight": partial(_one_input, widths, 0)}
    if module.in_proj_weight is not None:
        return names | {"in_proj_weight": partial(_all_inputs, widths)}
    return names | {f"{letter}_proj_weight": partial(_one_input, widths, k) for k, letter in enumerate("qkv")}


def _inputs(
    widths: tuple[int, int, int], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[tuple[int, int]]:
    """Of query, key and value who it is, and its tokens."""
    given = [*args, *(kwargs[name] for name in ("query", "key", "value")[len(args) :])][:3]
    return [(id(each), each.numel() // width) for each, width in zip(given, widths, strict=True)]


def _one_input(
    widths: tuple[int, int, int], which: int, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
) -> int:
    return _inputs(widths, args, kwargs)[which][1]


def _all_inputs(
    widths: tuple[int, int, int], args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
) -> int:
    # the three projections have their rows in the span of the same inputs, where these are the same
    return sum(dict(_inputs(widths, args, kwargs)).values())


def hook(module: Any, counted: list[tuple[Weight, Rows, int]]) -> Any:
    """Count every call of a module for its weights; `counted` holds also what a call adds by itself."""
    weight, rows, more = counted[0]
    if isinstance(rows, OutputRows):
        if weight.factors is not None:
            return module.register_forward_hook(partial(_with_factors, weight, rows))
        return module.register_forward_hook(partial(_simple, weight, rows, more))

    return module.register_forward_hook(partial(_general, counted), with_kwargs=True)


def _general(
    counted: list[tuple[Weight, Rows, int]],
    module: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    output: Any,
) -> None:
    tensors = [each for each in _tensors(output) if each.requires_grad]
    if not tensors:
        return
    half = tensors[0].element_size() == 2
    # the call counts once, whichever of its outputs the loss needs
    waiting = [[(weight, rows(args, kwargs, output) + more) for weight, rows, more in counted]]
    for each in tensors:
        each.register_hook(partial(_count_once, waiting, half))


def _count_once(waiting: list[list[tuple[Weight, int]]], half: bool, grad: Any) -> None:
    if waiting:
        for weight, rows in waiting.pop():
            weight.open += rows
            weight.half = half


def _simple(weight: Weight, rows: OutputRows, more: int, module: Any, args: Any, output: Any) -> None:
    if output.requires_grad:
        count = rows.groups * (output.numel() // rows.channels) + more
        output.register_hook(partial(_count, weight, count))


def _count(weight: Weight, rows: int, grad: Any) -> None:
    weight.open += rows
    weight.half = grad.element_size() == 2


def _with_factors(weight: Weight, rows: OutputRows, module: Any, args: Any, output: Any) -> None:
    if output.requires_grad:
        if not args or weight.factors is None:
            # the input came by name, and is not seen; or this is a copy of a watched network
            if weight.factors is not None:
                weight.factors.lose("its module was called with a keyword")
            output.register_hook(partial(_count, weight, output.numel() // rows.channels))
            return
        features = args[0]
        # what comes from outside may be overwritten by the next batch
        kept = features.detach() if features.requires_grad else features.clone()
        output.register_hook(partial(_collect, weight, output.numel() // rows.channels, kept))


def _collect(weight: Weight, rows: int, features: Any, grad: Any) -> None:
    weight.open += rows
    weight.half = grad.element_size() == 2
    assert weight.factors is not None
    weight.factors.collect(grad, features)


def _tensors(output: Any) -> list[Any]:
    """The tensors in what a module returns."""
    if isinstance(output, (tuple, list)):
        return [tensor for each in output for tensor in _tensors(each)]
    data = getattr(output, "data", None)
    if data is not None and not hasattr(output, "register_hook"):
        return [data]
    return [output] if hasattr(output, "requires_grad") else []
