"""How many directions the calls of a module bring into the gradients of its weights (THEORY2 1.1).

A hook on the output of every call counts during backward, so that calls whose output never reaches the loss,
or that ran without gradients, count nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from .torch_import import import_torch

if TYPE_CHECKING:
    from .weight import Weight

Rows = Callable[[tuple[Any, ...], dict[str, Any], Any], int]
"""From the arguments and the output of a call to a bound of the rank of its gradient."""


def weight_names(module: Any) -> dict[str, tuple[str, Rows]]:
    """The weights of a module whose calls are understood: name, and how a call counts.

    A name is that of the parameter; one that is computed from others (a parametrisation) is named, too.
    """
    nn = import_torch().nn
    if isinstance(module, nn.MultiheadAttention):
        return _attention(module)
    if isinstance(module, nn.Linear):
        return {"weight": ("dense", partial(_by_output, module.out_features))}
    if isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        return {"weight": ("convolution", partial(_by_input, module.in_channels, module.groups))}
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return {"weight": ("convolution", partial(_by_positions, module.out_channels, module.groups))}
    if isinstance(module, nn.Embedding):
        return {"weight": ("embedding", _distinct)}
    if isinstance(module, nn.EmbeddingBag):
        return {"weight": ("embedding", _distinct)}
    if isinstance(module, nn.RNNBase):
        names = [name for name, value in module.named_parameters(recurse=False) if value.dim() == 2]
        return {name: ("recurrent", partial(_by_tokens, module.input_size)) for name in names}
    return {}


def _first(args: tuple[Any, ...], kwargs: dict[str, Any], name: str = "input") -> Any:
    return args[0] if args else kwargs[name]


def _by_output(width: int, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> int:
    return output.numel() // width


def _by_positions(
    channels: int, groups: int, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
) -> int:
    # every group has a block of rows of its own
    return groups * (output.numel() // channels)


def _by_input(channels: int, groups: int, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> int:
    return groups * (_first(args, kwargs).numel() // channels)


def _distinct(args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> int:
    return int(_first(args, kwargs).unique().numel())


def _by_tokens(size: int, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> int:
    given = _first(args, kwargs)
    # a packed sequence holds its tokens in `data`
    return getattr(given, "data", given).numel() // size


def _attention(module: Any) -> dict[str, tuple[str, Rows]]:
    """Attention uses its weights in one function: its own projections are never called as modules."""

    def tokens(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[int, int]]:
        given = [*args, *(kwargs[name] for name in ("query", "key", "value")[len(args) :])][:3]
        widths = (module.embed_dim, module.kdim, module.vdim)
        return [(id(each), each.numel() // width) for each, width in zip(given, widths, strict=True)]

    def one(which: int, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> int:
        return tokens(args, kwargs)[which][1]

    def together(args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> int:
        # the three projections have their rows in the span of the same inputs, where these are the same
        return sum(dict(tokens(args, kwargs)).values())

    names: dict[str, tuple[str, Rows]] = {"out_proj.weight": ("attention", partial(one, 0))}
    if module.in_proj_weight is not None:
        return names | {"in_proj_weight": ("attention", together)}
    return names | {f"{letter}_proj_weight": ("attention", partial(one, k)) for k, letter in enumerate("qkv")}


def hook(module: Any, counted: list[tuple[Weight, Rows, int]]) -> Any:
    """Count every call of a module for its weights; `counted` holds also what a call adds by itself."""
    if (
        type(module).__name__ != "MultiheadAttention"
        and len(counted) == 1
        and counted[0][0].factors is not None
    ):
        return module.register_forward_hook(partial(_with_factors, counted[0][0], counted[0][2]))

    def forward(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        tensors = [each for each in _tensors(output) if each.requires_grad]
        if not tensors:
            return
        half = tensors[0].element_size() == 2
        rows = [(weight, count(args, kwargs, output) + more) for weight, count, more in counted]
        if len(tensors) == 1:
            tensors[0].register_hook(partial(_count, rows, half))
        else:
            # the call counts once, whichever of its outputs the loss needs
            waiting = [rows]
            for each in tensors:
                each.register_hook(partial(_count_once, waiting, half))

    return module.register_forward_hook(forward, with_kwargs=True)


def _count(rows: list[tuple[Weight, int]], half: bool, grad: Any) -> None:
    for weight, count in rows:
        weight.count(count)
        weight.half = half


def _count_once(waiting: list[list[tuple[Weight, int]]], half: bool, grad: Any) -> None:
    if waiting:
        _count(waiting.pop(), half, grad)


def _with_factors(weight: Weight, more: int, module: Any, args: tuple[Any, ...], output: Any) -> None:
    if output.requires_grad:
        features = args[0].detach()
        output.register_hook(partial(_collect, weight, more, features))


def _collect(weight: Weight, more: int, features: Any, grad: Any) -> None:
    width = weight.shape[0]
    weight.count(grad.numel() // width + more)
    weight.half = grad.element_size() == 2
    if weight.factors is not None:
        weight.factors.collect(grad, features)


def _tensors(output: Any) -> list[Any]:
    """The tensors in what a module returns."""
    if isinstance(output, (tuple, list)):
        return [tensor for each in output for tensor in _tensors(each)]
    data = getattr(output, "data", None)
    if data is not None and not hasattr(output, "register_hook"):
        return [data]
    return [output] if hasattr(output, "requires_grad") else []
