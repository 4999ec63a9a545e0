"""Networks of other kinds in, and the same kind out: lists of arrays, and PyTorch's ``nn.Sequential``.

PyTorch is imported only when one of its objects comes in.
"""

# torch has no types here
# pyright: reportUnknownMemberType=false
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from ..argument_checks import shown
from ..declared_arguments import declared
from ..errors import InputError
from .activations import Activation
from .network import HomogeneousNetwork
from .tensors import plain

_TAKEN = "Linear, ReLU, LeakyReLU and Identity"


@dataclass(frozen=True, eq=False)
class Given:
    """A network as it is used here, and how to write another one like the one that came in.

    Attributes
    ----------
    network : HomogeneousNetwork
    like : callable
        From a HomogeneousNetwork to the kind of object that came in.
    """

    network: HomogeneousNetwork
    like: Callable[[HomogeneousNetwork], Any]


def read(network: object, activation: object = None) -> Given:
    """A network from one of the kinds that the functions of this package take.

    Parameters
    ----------
    network : HomogeneousNetwork, sequence of arrays or pairs, or torch.nn.Sequential
        A sequence holds for each layer its weights, or weights and bias.
    activation
        For a sequence: "relu" if None; the other kinds have their own.

    Raises
    ------
    InputError
        For anything else.
    """
    if type(network) in (list, tuple):
        layers: Any = network
        return _read_sequence([*layers], activation)
    if activation is not None:
        raise InputError("activation is for lists of weights; this network has its own.")
    if isinstance(network, HomogeneousNetwork):
        return Given(network, lambda other: other)
    if any(kind.__module__.partition(".")[0] == "torch" for kind in type(network).__mro__):
        return Given(from_torch(network), lambda other: _like(network, other))
    raise InputError(
        f"network must be a HomogeneousNetwork, a list of weights or a torch.nn.Sequential, "
        f"not {shown(network)}."
    )


def _read_sequence(layers: list[Any], activation: Any) -> Given:
    paired = [type(each) in (list, tuple) and len(each) == 2 and np.ndim(each[0]) == 2 for each in layers]
    weights = tuple(each[0] if pair else each for each, pair in zip(layers, paired, strict=True))
    biases = tuple(each[1] if pair else None for each, pair in zip(layers, paired, strict=True))
    network = HomogeneousNetwork(weights, biases, "relu" if activation is None else activation)

    def like(other: HomogeneousNetwork) -> list[Any]:
        return [
            (W, other.bias(index)) if pair else W
            for index, (W, pair) in enumerate(zip(other.weights, paired, strict=True), 1)
        ]

    return Given(network, like)


# -- PyTorch ---------------------------------------------------------------------------------------------


@declared
def from_torch(model: Any, *, penalise_biases: bool = True) -> HomogeneousNetwork:
    """The network of a ``torch.nn.Sequential`` of Linear layers with ReLU, LeakyReLU or Identity between.

    Parameters
    ----------
    model : torch.nn.Sequential
        Two or more Linear layers; two in a row have the identity between them.
    penalise_biases : bool
        Whether weight decay acts on the biases, too.

    Returns
    -------
    HomogeneousNetwork
        In float64, whatever the type of the parameters.

    Raises
    ------
    InputError
        For other modules, a layer that is used twice, an activation at the end, or one before the first
        Linear layer.
    """
    nn: Any = import_module("torch").nn
    if not isinstance(model, nn.Sequential):
        raise InputError(f"A PyTorch network must be a torch.nn.Sequential, not {shown(model)}.")
    weights: list[np.ndarray] = []
    biases: list[np.ndarray | None] = []
    between: list[Activation] = []
    modules: list[Any] = list(model)
    linear = [each for each in modules if isinstance(each, nn.Linear)]
    if len({id(each.weight) for each in linear}) < len(linear):
        raise InputError("Two Linear layers of the Sequential share weights; tied weights are not covered.")
    for position, module in enumerate(modules):
        last = modules[position - 1] if position else None
        if type(module) is nn.Linear:
            if isinstance(last, nn.Linear):
                between.append(Activation("identity"))
            weight, bias = _parameters(module, position)
            weights.append(weight)
            biases.append(bias)
            continue
        found = _activation(module, nn)
        if found is None:
            raise InputError(f"Module {position} of the Sequential is {shown(module)}; taken are {_TAKEN}.")
        if not isinstance(last, nn.Linear) or position == len(modules) - 1:
            raise InputError(
                f"Module {position} of the Sequential, {shown(module)}, must stand between two Linear layers."
            )
        between.append(found)
    return HomogeneousNetwork(tuple(weights), tuple(biases), tuple(between), penalise_biases)


@declared
def to_torch(network: HomogeneousNetwork, *, dtype: Any = None, device: Any = None) -> Any:
    """A ``torch.nn.Sequential`` of Linear layers and activations, in float64 unless told otherwise.

    Raises
    ------
    InputError
        For the absolute value, which is no module of PyTorch.
    """
    torch: Any = import_module("torch")
    kinds: dict[str, Callable[[Activation], Any]] = {
        "relu": lambda _: torch.nn.ReLU(),
        "leaky_relu": lambda sigma: torch.nn.LeakyReLU(sigma.slope),
        "identity": lambda _: torch.nn.Identity(),
    }
    dtype = torch.float64 if dtype is None else dtype
    modules: list[Any] = []
    for index, W in enumerate(network.weights, 1):
        modules.append(_linear(torch, W, network.bias(index), dtype, device))
        if index < network.depth:
            sigma = network.sigma(index)
            if sigma.name not in kinds:
                raise InputError(f"PyTorch has no module for the activation {sigma.name!r}.")
            modules.append(kinds[sigma.name](sigma))
    return torch.nn.Sequential(*modules)


def _like(model: Any, network: HomogeneousNetwork) -> Any:
    """Another Sequential with the modules of the first, its types and devices, and the network's weights."""
    torch: Any = import_module("torch")
    layers = iter(enumerate(network.weights, 1))
    modules: list[Any] = []
    for module in model:
        if isinstance(module, torch.nn.Linear):
            index, W = next(layers)
            weight = module.weight
            modules.append(_linear(torch, W, network.bias(index), weight.dtype, weight.device))
        else:
            modules.append(_same(module, torch.nn))
    return torch.nn.Sequential(*modules).train(model.training)


def _linear(torch: Any, W: np.ndarray, b: np.ndarray | None, dtype: Any, device: Any) -> Any:
    # on "meta" nothing is drawn: a random start would move PyTorch's generator, and warns at width 0
    layer = torch.nn.Linear(1, 1, bias=b is not None, device="meta")
    layer.in_features, layer.out_features = W.shape[1], W.shape[0]
    for name, values in (("weight", W), ("bias", b)):
        if values is not None:
            setattr(layer, name, torch.nn.Parameter(torch.tensor(values, dtype=dtype, device=device)))
    return layer


def _activation(module: Any, nn: Any) -> Activation | None:
    if type(module) is nn.LeakyReLU:
        return Activation("leaky_relu", float(module.negative_slope))
    names = {nn.ReLU: "relu", nn.Identity: "identity"}
    name = names.get(type(module))  # pyright: ignore[reportUnknownArgumentType]
    return None if name is None else Activation(name)


def _same(module: Any, nn: Any) -> Any:
    if type(module) is nn.LeakyReLU:
        return nn.LeakyReLU(module.negative_slope, module.inplace)
    return nn.ReLU(module.inplace) if type(module) is nn.ReLU else nn.Identity()


def _parameters(layer: Any, position: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Weights and bias of a Linear layer that has nothing else.

    Raises
    ------
    InputError
        If something is computed from other parameters before or after the layer, as by weight normalisation.
    """
    hooks = [*layer._forward_pre_hooks.values(), *layer._forward_hooks.values()]
    others = [name for name, _ in layer.named_parameters() if name not in ("weight", "bias")]
    if hooks or others:
        what = f"the parameter {others[0]!r}" if others else "a hook"
        raise InputError(
            f"Module {position} of the Sequential is a Linear layer with {what}; plain ones are taken, so "
            "remove weight normalisation, masks and other hooks first."
        )
    weight = plain(f"The weight of module {position}", layer.weight).copy()
    bias = plain(f"The bias of module {position}", layer.bias)  # or None
    return weight, None if bias is None else bias.copy()
