"""Clipping, mixed precision, parametrisations, changes from outside: handled, or said not to be."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from memory.networks import batches, check, counted, fit, gradient_rank, mlp, torch
from rankfall.memory import RankMemory

SGD = torch.optim.SGD
nn = torch.nn
F = torch.nn.functional


def watched(net: Any, **options: Any) -> tuple[Any, RankMemory]:
    optimizer = SGD(net.parameters(), lr=0.3, weight_decay=0.2, **options)
    return optimizer, RankMemory(optimizer, net, relative=False, factors=True)


def test_clipping_by_norm() -> None:
    net = mlp()
    optimizer, memory = watched(net)
    for x, y in batches(1, 200):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimizer.step()
    check(memory)
    assert not any(memory.vacuous.values())
    assert all(bound is not None for bound in memory.spectral_bound().values())


def test_clipping_by_value_destroys_rank_and_is_found() -> None:
    net = mlp()
    optimizer, memory = watched(net)
    for x, y in batches(2, 5):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        nn.utils.clip_grad_value_(net.parameters(), 1e-3)
        optimizer.step()
    found = memory.certified_rank()["2"]
    assert found.rank is None and "clipping by value" in found.reason
    assert memory.spectral_bound()["2"] is None
    assert "not the product" in memory.to_frame().set_index("layer").loc["2", "factors_lost"]


def test_a_penalty_inside_the_loss_is_found() -> None:
    net = mlp()
    optimizer, memory = watched(net)
    for x, y in batches(2, 2):
        optimizer.zero_grad()
        penalty = sum(p.square().sum() for p in net.parameters())
        (F.cross_entropy(net(x), y) + 1e-3 * penalty).backward()
        optimizer.step()
    assert "a penalty inside the loss" in memory.certified_rank()["0"].reason


def test_a_use_outside_of_the_module_is_found() -> None:
    net = nn.Linear(30, 30).double()
    optimizer, memory = watched(net)
    x = torch.randn(2, 30, dtype=torch.float64)
    torch.tanh(F.linear(torch.tanh(net(x)), net.weight)).square().sum().backward()
    optimizer.step()
    found = memory.certified_rank()["weight"]
    assert gradient_rank(net.weight) == 4 and found.rank is None and "outside of its module" in found.reason


def test_audits_go_on() -> None:
    net = mlp()
    optimizer = SGD(net.parameters(), lr=0.3, weight_decay=0.2)
    memory = RankMemory(optimizer, net, audit_every=10)
    for step, (x, y) in enumerate(batches(2, 12)):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        if step > 5:
            nn.utils.clip_grad_value_(net.parameters(), 1e-3)
        optimizer.step()
        assert ("clipping" in memory.certified_rank()["2"].reason) == (step >= 9)


# -- changes from outside ---------------------------------------------------------------------------------


def test_weights_that_are_set_from_outside_begin_anew() -> None:
    net = mlp()
    optimizer, memory = watched(net, momentum=0.5)
    fit(net, optimizer, 60)
    assert memory.certified_rank()["2"].rank is not None
    with torch.no_grad():
        net[2].weight.copy_(torch.eye(96))
    fit(net, optimizer, 1)
    check(memory)
    assert memory.certified_rank()["2"].rank is None
    assert memory.to_frame()["restarts"].tolist() == [0, 1, 0]
    fit(net, optimizer, 80)
    check(memory)
    assert memory.certified_rank()["2"].rank is not None
    # a velocity that is put in from a checkpoint
    saved = copy.deepcopy(optimizer.state_dict())
    fit(net, optimizer, 3)
    optimizer.load_state_dict(saved)
    fit(net, optimizer, 3)
    assert memory.to_frame()["restarts"].tolist() == [1, 2, 1]
    check(memory)


def test_weights_that_are_set_between_backward_and_step() -> None:
    net = mlp()
    optimizer, memory = watched(net)
    for step, (x, y) in enumerate(batches(2, 30)):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        if step in (0, 7):
            with torch.no_grad():
                net[2].weight.mul_(1e-3)
        optimizer.step()
        check(memory)
    assert memory.spectral_bound()["2"] is not None


def test_changes_through_data_are_found_by_audits() -> None:
    net = mlp()
    optimizer = SGD(net.parameters(), lr=0.3)
    memory = RankMemory(optimizer, net)
    # decay by hand, which the optimiser does not know
    fit(net, optimizer, 3, each=lambda step: net[2].weight.data.mul_(0.9))
    assert "through .data" in memory.certified_rank()["2"].reason
    assert memory.certified_rank()["0"].reason == "without weight decay nothing is forgotten"


def test_batches_may_be_overwritten() -> None:
    net, buffer = mlp(), torch.empty(2, 64, dtype=torch.float64)
    optimizer, memory = watched(net)
    for x, y in batches(2, 30):
        buffer.copy_(x)
        optimizer.zero_grad()
        F.cross_entropy(net(buffer), y).backward()
        optimizer.step()
    check(memory)
    assert memory.spectral_bound()["0"] is not None
    # activations, too, but then the factors know
    hidden: list[Any] = []
    net[1].register_forward_hook(lambda module, args, output: hidden.append(output))
    fit(net, optimizer, 2)
    with torch.no_grad():
        hidden[-1].zero_()
    assert memory.spectral_bound()["2"] is None and memory.spectral_bound()["0"] is not None
    assert "overwritten" in memory.to_frame().set_index("layer").loc["2", "factors_lost"]


# -- mixed precision --------------------------------------------------------------------------------------


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize("fused", [False, True])
def test_steps_that_the_scaler_skips(fused: bool, momentum: float) -> None:
    bounds = []
    for enabled in (True, False):
        net = mlp(dtype=torch.float32)
        optimizer = SGD(net.parameters(), lr=0.05, weight_decay=0.2, fused=fused, momentum=momentum)
        memory = RankMemory(optimizer, net, relative=False, tolerance=1.0, factors=True)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=10_000, enabled=enabled)
        before = None
        for step, (x, y) in enumerate(batches(1, 100, torch.float32)):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
                loss = F.cross_entropy(net(x).float(), y)
            overflows = enabled and step in (10, 50)
            if overflows:
                loss = loss * float("inf")
                before = (net[2].weight.detach().clone(), memory.steps, memory.decay_clock["2"])
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            if overflows:
                assert before is not None
                assert torch.equal(before[0], net[2].weight.detach())
                assert (memory.steps, memory.decay_clock["2"]) == before[1:]
            if step % 10 == 0:
                check(memory, 1e-2)
        assert memory.steps == (98 if enabled else 100)
        assert memory.to_frame()["restarts"].max() == 0 and not all(memory.vacuous.values())
        assert set(memory.to_frame()["directions_per_step"]) == {1}
        bounds.append(memory.spectral_bound()["2"])
    # the factors know the scale
    assert all(bound is not None for bound in bounds)
    assert bounds[0][0] < 2 * bounds[1][0]


# -- parametrisations -------------------------------------------------------------------------------------


def test_weight_normalisation() -> None:
    """The lemma holds for the directions V, with a factor for every row (1.1)."""
    net = mlp((64, 96, 10))
    nn.utils.parametrizations.weight_norm(net[0])
    optimizer = SGD(net.parameters(), lr=0.3, weight_decay=0.2)
    memory = RankMemory(optimizer, net, relative=False, tolerance=0.5)
    assert memory.layers == ("0", "2")
    V = net[0].parametrizations.weight.original1
    g, factors, norms = net[0].parametrizations.weight.original0, [], [float(V.detach().norm())]
    for x, y in batches(1, 80):
        optimizer.zero_grad()
        start, size = V.detach().clone(), g.detach().clone()
        F.cross_entropy(net(x), y).backward()
        # a literal step: G is the gradient by the effective weight
        W = net[0].weight.detach().clone().requires_grad_()
        out = F.linear(
            F.relu(F.linear(x, W, net[0].bias.detach())), net[2].weight.detach(), net[2].bias.detach()
        )
        (G,) = torch.autograd.grad(F.cross_entropy(out, y), W)
        optimizer.step()
        row = start.norm(dim=1, keepdim=True)
        a = 1 - 0.06 + 0.3 * size * (G * start).sum(1, keepdim=True) / row**3
        torch.testing.assert_close(V.detach(), a * start - 0.3 * size / row * G, rtol=1e-10, atol=1e-12)
        factors.append(float(a.abs().max()))
        norms.append(float(V.detach().norm()))
        check(memory)
    from rankfall.memory import certified_rank

    wanted = certified_rank(np.log(factors), np.ones(80, int), norms, 0.5, relative=False, shape=(64, 96))
    found = memory.certified_rank()["0"]
    assert found.rank == wanted.rank and wanted.rank is not None

    # the gradient of a closure is not known before the step: the log begins anew
    def closure() -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert memory.to_frame()["restarts"].tolist() == [1, 0]
    assert memory.certified_rank()["0"].window in (None, 0)
    check(memory)
    with_momentum = SGD(net.parameters(), lr=0.3, momentum=0.9)
    assert "weight normalisation" in RankMemory(with_momentum, net).certified_rank()["0"].reason


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_spectral_normalisation_adds_a_direction(momentum: float) -> None:
    net = mlp((64, 96, 10))
    nn.utils.parametrizations.spectral_norm(net[0])
    optimizer = SGD(net.parameters(), lr=0.1, weight_decay=0.5, momentum=momentum)
    memory = RankMemory(optimizer, net, relative=False, tolerance=0.5)
    original = net[0].parametrizations.weight.original
    fit(net, optimizer, 2)
    assert gradient_rank(original) == counted(memory, "0") == 2
    fit(net, optimizer, 60, each=lambda step: check(memory))
    assert memory.certified_rank()["0"].rank is not None


def test_spectral_normalisation_leaves_rank_two_per_step() -> None:
    """Section 7, item 9: with rank-one gradients the remainder after k steps has rank at most 2 k."""
    net = nn.Linear(30, 25, bias=False).double()
    nn.utils.parametrizations.spectral_norm(net)
    optimizer = SGD(net.parameters(), lr=0.1, weight_decay=0.3)
    original = net.parametrizations.weight.original
    start = original.detach().clone()
    for k in range(1, 8):
        optimizer.zero_grad()
        torch.tanh(net(torch.randn(1, 30, dtype=torch.float64))).square().sum().backward()
        optimizer.step()
        s = torch.linalg.svdvals(original.detach() - 0.97**k * start)
        assert int((s > 1e-12).sum()) <= 2 * k
        assert k == 1 or int((s > 1e-12).sum()) > k


def test_other_parametrisations_are_not_certified() -> None:
    net = mlp((64, 96, 10))
    nn.utils.parametrizations.orthogonal(net[0])
    optimizer = SGD(net.parameters(), lr=0.01)
    memory = RankMemory(optimizer, net)
    fit(net, optimizer, 3)
    assert "about this parametrisation (Orthogonal)" in memory.certified_rank()["0"].reason
    cut = nn.Embedding(20, 10, max_norm=1.0)
    words = RankMemory(SGD(cut.parameters(), lr=0.01), cut).certified_rank()["weight"].reason
    assert "max_norm" in words


# -- without PyTorch --------------------------------------------------------------------------------------


def test_the_core_never_imports_torch() -> None:
    code = (
        "import sys, rankfall as rf; rf.memory.predict(.1, .1, shape=(9, 9)); rf.memory.RankMemory;"
        "print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
