"""RankMemory along runs: bounds that hold, logs that are those of the loop, and what optimisers do."""

from __future__ import annotations

import numpy as np
import pytest

from memory.networks import batches, check, fit, mlp, torch
from rankfall.errors import InputError
from rankfall.memory import RankMemory, certified_rank, certified_rank_momentum
from rankfall.memory.momentum import first_matrix, step_matrix

SGD = torch.optim.SGD


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("make", "certifies", "bounds"),
    [
        (lambda p: SGD(p, lr=0.3, weight_decay=0.1), True, True),
        (lambda p: SGD(p, lr=0.05, momentum=0.9, weight_decay=0.04), True, True),
        (lambda p: SGD(p, lr=0.05, momentum=0.9, weight_decay=0.04, nesterov=True), True, True),
        (lambda p: torch.optim.AdamW(p, lr=3e-3, weight_decay=5.0), False, True),
    ],
    ids=["SGD", "momentum", "Nesterov", "AdamW"],
)
def test_bounds_are_never_violated(make, certifies: bool, bounds: bool, dtype) -> None:
    net = mlp(dtype=dtype)
    memory = RankMemory(optimizer := make(net.parameters()), net, tolerance=0.1, relative=False, factors=True)
    start = {name: s[0] for name, s in memory.singular_values().items()}
    seen = []

    def each(step: int) -> None:
        if step % 40 == 0 or step < 5:
            check(memory, 1e-9 if dtype == torch.float64 else 1e-5)
            seen.append([found.rank for found in memory.certified_rank().values()])

    fit(net, optimizer, 300, each=each)
    assert any(rank is not None for row in seen for rank in row) == certifies
    if not certifies:
        assert all("destroys its rank" in found.reason for found in memory.certified_rank().values())
    if bounds:
        last = memory.spectral_bound()
        assert all(bound is not None and np.isfinite(bound).all() for bound in last.values())
        # the bounds are not those of the start, and those of small singular values are small
        assert certifies is False or all(b[-1] < 0.05 * start[name] for name, b in last.items())


def literal_log(net, optimizer, n_steps: int, size: int, schedule=None, closure: bool = False):
    """Norms of weights and velocities as the loop sees them."""
    W = net[2].weight
    norms, velocities, lrs = [float(W.detach().norm())], [0.0], []
    for x, y in batches(size, n_steps, W.dtype):

        def loss(x=x, y=y):
            optimizer.zero_grad()
            value = torch.nn.functional.cross_entropy(net(x), y)
            value.backward()
            return value

        lrs.append(optimizer.param_groups[0]["lr"])
        if closure:
            optimizer.step(loss)
        else:
            loss()
            optimizer.step()
        if schedule is not None:
            schedule.step()
        velocity = optimizer.state[W].get("momentum_buffer")
        norms.append(float(W.detach().norm()))
        velocities.append(0.0 if velocity is None else float(velocity.norm()))
    return np.array(norms), np.array(velocities), np.array(lrs)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"maximize": True},
        {"foreach": True},
        {"foreach": False},
        {"fused": True},
        {"closure": True},
        {"schedule": True},
        {"momentum": 0.8},
        {"momentum": 0.8, "dampening": 0.3},
        {"momentum": 0.8, "nesterov": True},
        {"momentum": 0.8, "fused": True, "schedule": True},
        {"momentum": 0.8, "foreach": True, "closure": True},
        {"momentum": 0.8, "maximize": True},
    ],
    ids=str,
)
def test_the_log_is_that_of_the_loop(options: dict) -> None:
    options = dict(options)
    closure, scheduled = options.pop("closure", False), options.pop("schedule", False)
    net, decay, size, n_steps = mlp(), 0.5, 1, 60
    lr = -0.1 if options.get("maximize") else 0.1
    optimizer = SGD(net.parameters(), lr=abs(lr), weight_decay=decay, **options)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.97) if scheduled else None
    memory = RankMemory(optimizer, net, tolerance=2.0, relative=False, layers=["2"])
    norms, velocities, lrs = literal_log(net, optimizer, n_steps, size, schedule, closure)
    ranks, shape = np.full(n_steps, size), (96, 96)
    mu, tau = options.get("momentum", 0.0), options.get("dampening", 0.0)
    if mu:
        kind = "nesterov" if options.get("nesterov") else "heavy ball"
        matrices = [first_matrix(lrs[0], decay, mu, kind)]
        matrices += [step_matrix(float(each), decay, mu, tau, kind) for each in lrs[1:]]
        stacked = np.array(matrices).reshape(n_steps, 2, 2)
        wanted = certified_rank_momentum(stacked, ranks, norms, velocities, 2.0, relative=False, shape=shape)
    else:
        wanted = certified_rank(np.log(1 - lrs * decay), ranks, norms, 2.0, relative=False, shape=shape)
    found = memory.certified_rank()["2"]
    assert wanted.rank is not None
    assert (found.rank, found.window) == (wanted.rank, wanted.window)
    assert found.remembered == pytest.approx(wanted.remembered, rel=1e-6)
    assert memory.steps == n_steps and memory.to_frame()["restarts"].max() == 0
    check(memory)
    if not mu:
        assert memory.decay_clock["2"] == pytest.approx(-np.log(1 - lrs * decay).sum())


def test_parameter_groups_have_their_own_settings() -> None:
    net = mlp()
    groups = [
        {"params": net[0].parameters(), "weight_decay": 0.0},
        {"params": net[2].parameters(), "lr": 0.4},
        {"params": net[4].parameters()},
    ]
    optimizer = SGD(groups, lr=0.1, weight_decay=0.2)
    memory = RankMemory(optimizer, net, relative=False, tolerance=0.5)
    fit(net, optimizer, 50)
    clock = memory.decay_clock
    assert clock["0"] == 0
    assert clock["2"] == pytest.approx(-50 * np.log(1 - 0.08))
    assert clock["4"] == pytest.approx(-50 * np.log(1 - 0.02))
    assert memory.certified_rank()["0"].reason == "without weight decay nothing is forgotten"
    assert "may be filled" in memory.certified_rank()["4"].reason
    assert memory.vacuous["0"] and not memory.vacuous["2"]


def test_a_dead_network_has_no_relative_certificate() -> None:
    """lr .1, weight decay .3, b = 1 (1.4, item 2): the norm shrinks as fast as the memory."""
    net = mlp()
    with torch.no_grad():
        for k in (0, 2):
            net[k].bias.fill_(-100.0)
    memory = RankMemory(optimizer := SGD(net.parameters(), lr=0.1, weight_decay=0.3), net)
    fit(net, optimizer, 400)
    frame = memory.to_frame().set_index("layer")
    assert frame.loc[["0", "2"], "vacuous"].all() and frame.loc["2", "numerical_rank"] > 20
    # the absolute tolerance knows that nothing is left
    assert memory._following.weights[0].certified(1e-3, False).rank == 0


def test_norms_that_vanish_in_single_precision() -> None:
    net = mlp(dtype=torch.float32)
    memory = RankMemory(optimizer := SGD(net.parameters(), lr=0.1, weight_decay=0.3), net)
    with torch.no_grad():
        net[2].weight.mul_(1e-24)
    fit(net, optimizer, 5)
    frame = memory.to_frame().set_index("layer")
    assert frame.loc["2", "norm"] > 0 and frame.loc["2", "numerical_rank"] < 96
    check(memory)


def test_momentum_may_be_switched_on_and_off() -> None:
    net = mlp()
    memory = RankMemory(optimizer := SGD(net.parameters(), lr=0.1, weight_decay=0.4), net, relative=False)
    for momentum in (0.0, 0.7, 0.0, 0.7):
        optimizer.param_groups[0]["momentum"] = momentum
        fit(net, optimizer, 40)
        check(memory)
    assert not all(memory.vacuous.values())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: torch.optim.RMSprop(p, weight_decay=0.1), "says nothing about RMSprop"),
        (
            lambda p: torch.optim.Adam(p, weight_decay=0.1),
            "Adam divides a gradient that contains the weight decay",
        ),
        (lambda p: torch.optim.LBFGS(p), "says nothing about LBFGS"),
        (lambda p: SGD(p, lr=0.1, differentiable=True), "differentiated"),
        (lambda p: type("Mine", (SGD,), {})(p, lr=0.1), "says nothing about Mine"),
        (lambda p: "SGD", "must be one of torch.optim, not a str"),
    ],
)
def test_other_optimisers_are_refused(make, words: str) -> None:
    net = mlp()
    with pytest.raises(InputError, match=words) as caught:
        RankMemory(make(net.parameters()), net)
    assert str(caught.value).count(". ") == 0


def test_bad_arguments() -> None:
    net = mlp()
    optimizer = SGD(net.parameters(), lr=0.1)
    with pytest.raises(InputError, match="tolerance must be"):
        RankMemory(optimizer, net, tolerance=0)
    with pytest.raises(InputError, match=r"no trained layer 'nonsense'; it has 0, 2, 4"):
        RankMemory(optimizer, net, layers=["nonsense"])
    with pytest.raises(InputError, match=r"must be a torch\.nn\.Module"):
        RankMemory(optimizer, "net")  # type: ignore[arg-type]
    wide = mlp((64, 600, 10))
    with pytest.raises(InputError, match="up to 512 inputs and outputs, and 0 is none; choose others"):
        RankMemory(SGD(wide.parameters(), lr=0.1), wide, factors=True)
    with pytest.raises(InputError, match="trains no weight matrix"):
        RankMemory(SGD([net[0].bias], lr=0.1), net)
    with pytest.raises(InputError, match="cannot follow DataParallel"):
        RankMemory(optimizer, torch.nn.DataParallel(net))
    lazy = torch.nn.Sequential(torch.nn.LazyLinear(3))
    with pytest.raises(InputError, match="run the model once"):
        RankMemory(SGD(lazy.parameters(), lr=0.1), lazy)


def test_hooks_come_off_and_training_is_unchanged() -> None:
    plain, watched = mlp(), mlp()
    first, second = (
        SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1) for net in (plain, watched)
    )
    fit(plain, first, 20)
    with RankMemory(second, watched, factors=True) as memory:
        fit(watched, second, 10)
    # what follows is the same as well, but not seen; batches begin anew
    assert memory.steps == 10
    again = mlp()
    third = SGD(again.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    fit(again, third, 10)
    assert all(torch.equal(a, b) for a, b in zip(watched.parameters(), again.parameters(), strict=True))
    fit(watched, second, 5)
    assert memory.steps == 10
    assert not watched[0]._forward_hooks and not second._optimizer_step_post_hooks


def test_answers_for_people(capsys) -> None:
    net = mlp()
    memory = RankMemory(
        optimizer := SGD(net.parameters(), lr=0.3, weight_decay=0.1), net, factors=True, every=30
    )
    with memory.live(every=1e-9, numerical=True):
        fit(net, optimizer, 120)
    memory.show()
    shown = capsys.readouterr()
    assert "Rank memory after 120 steps" in shown.out and "96 x 64" in shown.out
    assert "Rank memory after 1 steps" in shown.err or "Rank memory after" in shown.err
    frame = memory.to_frame()
    assert list(frame["layer"]) == list(memory.layers) == ["0", "2", "4"]
    assert frame["numerical_rank"].tolist() == list(memory.numerical_rank().values())
    assert (frame["numerical_rank"] <= frame["spectral_bound"]).all()
    history = memory.history
    assert history["step"].unique().tolist() == [30, 60, 90, 120] and len(history) == 12
    assert set(history.columns) == set(frame.columns)
    assert not len(RankMemory(optimizer, net).history)
