"""PyTorch networks in and out (collected only where PyTorch is installed)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.utils.prune
from torch import nn

from rankfall.errors import InputError
from rankfall.neurons import (
    HomogeneousNetwork,
    from_torch,
    is_not_local_minimum,
    live_neurons,
    merge_rays,
    neuron_factors,
    prune,
    rays,
    sgd_step,
    to_torch,
)


def model(dtype: torch.dtype = torch.float64) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 30), nn.ReLU(), nn.Linear(30, 20, bias=False), nn.LeakyReLU(0.1), nn.Linear(20, 2)
    ).to(dtype)


@pytest.mark.parametrize(("dtype", "digits"), [(torch.float64, 1e-12), (torch.float32, 1e-4)])
def test_a_sequential_comes_back(dtype: torch.dtype, digits: float) -> None:
    net = model(dtype).eval()
    X = torch.randn(6, 4, dtype=dtype)
    factors = [
        neuron_factors(one, X.double(), np.ones((6, 2)), layer=2, neurons=[3], lr=0.1, ridge=0.01)
        for one in (net, from_torch(net))
    ]
    assert factors[0].mean_factor == factors[1].mean_factor
    state = torch.get_rng_state()
    found = prune(net, X)
    assert torch.equal(state, torch.get_rng_state())
    small = found.network
    assert isinstance(small, nn.Sequential) and not small.training
    assert [type(m) for m in small] == [type(m) for m in net]
    assert small[3].negative_slope == 0.1 and small[2].bias is None
    assert all(p.dtype == dtype and p.requires_grad for p in small.parameters())
    assert found.after == (small[0].out_features, small[2].out_features)
    assert found.after[1] <= 12 and found.certificate.holds
    with torch.no_grad():
        torch.testing.assert_close(small(X), net(X), atol=digits, rtol=digits)
        everywhere = torch.randn(100, 4, dtype=dtype)
        torch.testing.assert_close(merge_rays(net)(everywhere), net(everywhere), atol=digits, rtol=digits)
    assert is_not_local_minimum(net, X)
    assert [len(r) for r in rays(net)] == [30, 20]
    assert [mask.sum() for mask in live_neurons(net)] == [30, 20]


def test_a_step_is_that_of_torch() -> None:
    net = model()
    X, Y = torch.randn(5, 4, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    expected = sgd_step(from_torch(net), X.numpy(), Y.numpy(), lr=0.1, ridge=0.01)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=0.02)
    (0.5 * ((net(X) - Y) ** 2).sum(dim=1).mean()).backward()
    optimiser.step()
    after = from_torch(net)
    for found, wanted in zip(after.weights, expected.weights, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-14)
    np.testing.assert_allclose(after.bias(1), expected.bias(1), atol=1e-14)


def test_to_torch() -> None:
    net = HomogeneousNetwork(
        (np.ones((3, 2)), np.ones((3, 3)), np.ones((1, 3))), (None, np.ones(3), None), ("identity", "relu")
    )
    found = to_torch(net, dtype=torch.float32)
    assert [type(m).__name__ for m in found] == ["Linear", "Identity", "Linear", "ReLU", "Linear"]
    np.testing.assert_allclose(found(torch.ones(1, 2)).detach(), net([[1, 1]]))
    back = from_torch(found)
    assert back.activation == net.activation and back.bias(1) is None
    with pytest.raises(InputError, match="no module for the activation 'absolute'"):
        to_torch(HomogeneousNetwork((np.ones((1, 1)), np.ones((1, 1))), None, "absolute"))


def test_a_layer_may_end_without_neurons() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    with torch.no_grad():
        net[2].weight.zero_()
    found = prune(net, torch.ones(2, 2))
    assert found.after == (0,)
    assert torch.equal(found.network(torch.ones(5, 2)), net(torch.ones(5, 2)))


def test_refusals() -> None:
    X = np.ones((1, 2))
    line = nn.Linear(2, 2)
    for modules, sentence in (
        ([line, nn.Tanh(), nn.Linear(2, 1)], "Module 1 of the Sequential is a Tanh; taken are Linear"),
        ([line, nn.ReLU(), line], "tied weights"),
        ([line, nn.ReLU(), nn.ReLU(), nn.Linear(2, 1)], "must stand between two Linear layers"),
        ([line, nn.ReLU(), nn.Linear(2, 1), nn.ReLU()], "must stand between two Linear layers"),
        ([nn.ReLU(), line, nn.Linear(2, 1)], "must stand between two Linear layers"),
        ([line], "two or more matrices"),
        ([nn.utils.prune.identity(nn.Linear(2, 2), "weight"), nn.ReLU(), line], "Module 0 .* parameter 'we"),
        ([nn.utils.spectral_norm(nn.Linear(2, 2)), nn.ReLU(), line], "Module 0 .* parameter 'weight_orig'"),
        ([nn.Linear(2, 2, device="meta"), nn.ReLU(), line], "module 0 has no data, since .* 'meta'"),
        ([nn.Linear(2, 2, dtype=torch.complex64), nn.ReLU(), line], "not of complex ones"),
    ):
        with pytest.raises(InputError, match=sentence):
            prune(nn.Sequential(*modules), X)
    with pytest.raises(InputError, match=r"must be a torch\.nn\.Sequential, not a Linear"):
        prune(line, X)
    with pytest.raises(InputError, match="has its own"):
        prune(nn.Sequential(line, nn.Linear(2, 1)), X, activation="relu")


def test_parameters_that_two_layers_share_are_refused() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.weight = first.weight
    with pytest.raises(InputError, match="share weights"):
        prune(nn.Sequential(first, nn.ReLU(), second), np.ones((1, 2)))


def test_tensors_of_any_type() -> None:
    """Parameters, and samples that need gradients or that NumPy has no type for."""
    net = model()
    X, Y = torch.randn(6, 4, dtype=torch.float64), torch.randn(6, 2, dtype=torch.float64)
    wanted = neuron_factors(net, X.numpy(), Y.numpy(), layer=1, lr=0.1, ridge=0.01).mean_factor
    asked = X.clone().requires_grad_(), Y.clone().requires_grad_()
    assert neuron_factors(net, *asked, layer=1, lr=0.1, ridge=0.01).mean_factor == wanted
    listed = [(net[0].weight, net[0].bias), net[2].weight, (net[4].weight, net[4].bias)]
    kinds = ["relu", from_torch(net).sigma(2)]
    assert neuron_factors(listed, X, Y, layer=1, lr=0.1, ridge=0.01, activation=kinds).mean_factor == wanted
    half = prune(model(torch.bfloat16), X.bfloat16())
    assert half.certificate.holds and half.network[0].weight.dtype == torch.bfloat16
    with pytest.raises(InputError, match=r"X has no data, since it is on the device 'meta'"):
        prune(net, X.to("meta"))
