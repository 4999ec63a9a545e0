"""How many directions the calls of modules bring: never fewer than the gradient has, and usually as many."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memory.networks import counted, gradient_rank, torch
from rankfall.errors import InputError
from rankfall.memory import RankMemory

SGD = torch.optim.SGD
nn = torch.nn
F = torch.nn.functional


def one_step(net: Any, loss: Callable[[], Any], **options: Any) -> RankMemory:
    """A step on a random loss, watched."""
    optimizer = SGD(net.parameters(), lr=1e-3, weight_decay=0.1, **options)
    memory = RankMemory(optimizer, net)
    optimizer.zero_grad()
    loss().backward()
    optimizer.step()
    return memory


def generic(output: Any) -> Any:
    """A loss whose gradient has a generic direction at every output."""
    return (output * torch.randn_like(output)).sum()


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


CONVOLUTIONS = {
    "1d": (nn.Conv1d(9, 8, 3), (2, 9, 4), 4),
    "2d": (nn.Conv2d(20, 30, 3, padding=1, stride=2), (1, 20, 5, 5), 9),
    "grouped": (nn.Conv2d(20, 30, 3, groups=2), (1, 20, 4, 4), 8),
    "transposed": (nn.ConvTranspose2d(30, 20, 3), (1, 30, 3, 3), 9),
    "3d": (nn.Conv3d(10, 12, 2), (1, 10, 2, 3, 3), 4),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_count_positions(name: str) -> None:
    module, shape, rank = CONVOLUTIONS[name]
    net = nn.Sequential(module).double()
    x = torch.randn(shape, dtype=torch.float64)
    memory = one_step(net, lambda: generic(net(x)))
    assert gradient_rank(net[0].weight) == counted(memory, "0") == rank


def test_dense_layers_count_rows_of_any_shape() -> None:
    net = nn.Linear(30, 40).double()
    memory = one_step(net, lambda: generic(net(torch.randn(2, 3, 4, 30, dtype=torch.float64))))
    assert gradient_rank(net.weight) == counted(memory, "weight") == 24


def test_embeddings_count_distinct_tokens() -> None:
    net = nn.Embedding(50, 40).double()
    memory = one_step(net, lambda: generic(net(torch.tensor([[3, 3, 5], [7, 3, 5]]))))
    assert gradient_rank(net.weight) == counted(memory, "weight") == 3
    bag = nn.EmbeddingBag(50, 40).double()
    memory = one_step(bag, lambda: generic(bag(torch.tensor([[3, 3, 5], [7, 3, 5]]))))
    assert gradient_rank(bag.weight) <= counted(memory, "weight") == 3


@pytest.mark.parametrize("batch_first", [False, True])
def test_attention_that_uses_its_weights_without_calling_its_modules(batch_first: bool) -> None:
    net = nn.MultiheadAttention(32, 4, batch_first=batch_first).double()
    x = torch.randn(3, 2, 32, dtype=torch.float64)
    memory = one_step(net, lambda: generic(net(x, x, x)[0]))
    # one input for three projections: six tokens
    assert gradient_rank(net.in_proj_weight) == counted(memory, "in_proj_weight") == 6
    assert gradient_rank(net.out_proj.weight) == counted(memory, "out_proj") == 6


def test_cross_attention_counts_its_inputs() -> None:
    net = nn.MultiheadAttention(32, 4, bias=False).double()
    x, y = torch.randn(3, 2, 32, dtype=torch.float64), torch.randn(4, 2, 32, dtype=torch.float64)
    memory = one_step(net, lambda: generic(net(query=x, key=y, value=y)[0]))
    assert gradient_rank(net.in_proj_weight) == counted(memory, "in_proj_weight") == 14
    other = nn.MultiheadAttention(32, 4, kdim=20, vdim=24).double()
    key = torch.randn(4, 2, 20, dtype=torch.float64)
    value = torch.randn(4, 2, 24, dtype=torch.float64)
    memory = one_step(other, lambda: generic(other(x, key, value=value)[0]))
    for name, tokens in (("q_proj_weight", 6), ("k_proj_weight", 8), ("v_proj_weight", 8)):
        assert gradient_rank(getattr(other, name)) <= counted(memory, name) == tokens


def test_a_transformer_encoder() -> None:
    layer = nn.TransformerEncoderLayer(32, 4, dim_feedforward=48, dropout=0.0, batch_first=True)
    net = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).double()
    memory = one_step(net, lambda: generic(net(torch.randn(2, 4, 32, dtype=torch.float64))))
    assert len(memory.layers) == 8
    for name in memory.layers:
        parameter = dict(net.named_parameters()).get(f"{name}.weight")
        parameter = dict(net.named_parameters())[name] if parameter is None else parameter
        assert gradient_rank(parameter) <= counted(memory, name) == 8


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_recurrent_layers_count_tokens(kind: type) -> None:
    net = kind(12, 16, num_layers=2, bidirectional=True).double()
    x = torch.randn(3, 2, 12, dtype=torch.float64)
    memory = one_step(net, lambda: generic(net(x)[0]) + generic(net(x)[0]))
    for name in memory.layers:
        assert gradient_rank(dict(net.named_parameters())[name]) <= counted(memory, name) == 12
    # the last state alone reaches the loss
    memory = one_step(net, lambda: generic(net(x)[1][0] if kind is nn.LSTM else net(x)[1]))
    assert counted(memory, "weight_ih_l0") == 6
    packed = nn.utils.rnn.pack_sequence([x[:3, 0], x[:1, 1]])
    memory = one_step(net, lambda: generic(net(packed)[0].data))
    assert counted(memory, "weight_hh_l1") == 4


def test_tied_weights_add_up() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.head = nn.Embedding(50, 40), nn.Linear(40, 50, bias=False)
            self.head.weight = self.embedding.weight

        def forward(self, tokens: Any) -> Any:
            return self.head(torch.tanh(self.embedding(tokens)))

    net = Tied().double()
    memory = one_step(net, lambda: generic(net(torch.tensor([4, 4, 9, 11]))))
    assert memory.layers == ("embedding",)
    # three tokens and four positions; what the head adds has rank 3, as two positions are alike
    assert gradient_rank(net.embedding.weight) <= counted(memory, "embedding") == 7


def test_a_module_that_is_called_several_times() -> None:
    net = nn.Linear(30, 30).double()
    x = torch.randn(2, 30, dtype=torch.float64)
    memory = one_step(net, lambda: generic(net(torch.tanh(net(torch.tanh(net(x)))))))
    assert gradient_rank(net.weight) == counted(memory, "weight") == 6


def test_calls_that_do_not_reach_the_loss_count_nothing() -> None:
    net = nn.Sequential(nn.Linear(30, 30), nn.Linear(30, 30)).double()
    x = torch.randn(2, 30, dtype=torch.float64)

    def loss() -> Any:
        with torch.no_grad():
            net(torch.randn(9, 30, dtype=torch.float64))
        net[0](torch.randn(9, 30, dtype=torch.float64))
        return generic(net(x))

    assert counted(one_step(net, loss), "0") == 2


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointed_modules_count_once(reentrant: bool) -> None:
    from torch.utils.checkpoint import checkpoint

    net = nn.Sequential(nn.Linear(30, 30), nn.Linear(30, 30)).double()
    x = torch.randn(2, 30, dtype=torch.float64, requires_grad=True)
    memory = one_step(net, lambda: generic(checkpoint(net, x, use_reentrant=reentrant)))
    assert gradient_rank(net[0].weight) == counted(memory, "0") == counted(memory, "1") == 2


def test_in_place_activations() -> None:
    net = nn.Sequential(nn.Linear(30, 30), nn.ReLU(inplace=True), nn.Linear(30, 30)).double()
    memory = one_step(net, lambda: generic(net(torch.randn(2, 30, dtype=torch.float64))))
    assert counted(memory, "0") == counted(memory, "2") == 2


def test_accumulated_gradients_add_up() -> None:
    net = nn.Linear(30, 30).double()
    optimizer = SGD(net.parameters(), lr=0.1, weight_decay=0.1)
    memory = RankMemory(optimizer, net)
    for zero in ("none", "fill", "forgotten"):
        if zero != "forgotten":
            optimizer.zero_grad(set_to_none=zero == "none")
        for _ in range(3):
            generic(net(torch.randn(2, 30, dtype=torch.float64))).backward()
        optimizer.step()
        # gradients that were not zeroed are in the next step as well
        wanted = 12 if zero == "forgotten" else 6
        assert gradient_rank(net.weight) == counted(memory, "weight") == wanted
    # a step with the same gradient again: no call explains it
    optimizer.step()
    assert counted(memory, "weight") == 30


def test_a_gradient_of_zeros_brings_nothing() -> None:
    net = nn.Sequential(nn.Linear(30, 30), nn.Linear(30, 30)).double()
    optimizer = SGD(net.parameters(), lr=0.1, weight_decay=0.1)
    memory = RankMemory(optimizer, net)
    for _ in range(2):
        optimizer.zero_grad(set_to_none=False)
        generic(net[1](torch.randn(2, 30, dtype=torch.float64))).backward()
        net[0].weight.grad = torch.zeros_like(net[0].weight)
        optimizer.step()
        assert counted(memory, "0") == 0 and counted(memory, "1") == 2


def test_frozen_layers_do_not_move() -> None:
    net = nn.Sequential(nn.Linear(30, 30), nn.Linear(30, 30)).double()
    net[0].weight.requires_grad_(False)
    optimizer = SGD(net.parameters(), lr=0.1, weight_decay=0.5)
    memory = RankMemory(optimizer, net)
    for step in range(6):
        optimizer.zero_grad()
        generic(net(torch.randn(1, 30, dtype=torch.float64))).backward()
        optimizer.step()
        if step == 2:
            assert memory.decay_clock["0"] == 0
            assert memory.certified_rank()["0"].reason == "no step was watched yet"
            net[0].weight.requires_grad_(True)
    assert memory.decay_clock["0"] == pytest.approx(memory.decay_clock["1"] / 2)


def test_unknown_uses_are_not_certified() -> None:
    class Raw(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.matrix = nn.Parameter(torch.randn(20, 20, dtype=torch.float64))
            self.norm = nn.LayerNorm(20, dtype=torch.float64)

        def forward(self, x: Any) -> Any:
            return self.norm(x @ self.matrix)

    net = Raw()
    memory = one_step(net, lambda: generic(net(torch.randn(2, 20, dtype=torch.float64))))
    assert memory.layers == ("matrix",)
    assert "no module that is known uses it" in memory.certified_rank()["matrix"].reason


def test_bilinear_layers_are_not_counted() -> None:
    net = nn.Bilinear(4, 5, 6).double()
    memory = one_step(net, lambda: generic(net(torch.randn(2, 4).double(), torch.randn(2, 5).double())))
    assert "no module that is known" in memory.certified_rank()["weight"].reason


def test_factors_are_for_dense_layers() -> None:
    net = nn.Sequential(nn.Conv1d(3, 4, 2), nn.Flatten(), nn.Linear(8, 5))
    optimizer = SGD(net.parameters(), lr=0.1)
    with pytest.raises(InputError, match="and 0 is none; choose others"):
        RankMemory(optimizer, net, factors=True)
    assert RankMemory(optimizer, net, factors=True, layers=["2"]).layers == ("2",)


def test_a_dense_layer_that_is_called_with_a_keyword() -> None:
    net = nn.Linear(30, 30).double()
    optimizer = SGD(net.parameters(), lr=0.1)
    memory = RankMemory(optimizer, net, factors=True)
    generic(net(input=torch.randn(2, 30, dtype=torch.float64))).backward()
    optimizer.step()
    assert counted(memory, "weight") == 2
    assert memory.to_frame()["factors_lost"].tolist() == ["its module was called with a keyword"]


@pytest.mark.parametrize("factors", [False, True])
def test_watched_networks_can_be_copied_and_saved(tmp_path: Path, factors: bool) -> None:
    parts = [nn.Linear(30, 30), nn.Linear(30, 30)] if factors else [nn.LSTM(30, 30)]
    net = nn.Sequential(*parts).double()
    optimizer = SGD(net.parameters(), lr=0.1, momentum=0.9)
    memory = RankMemory(optimizer, net, factors=factors)
    x = torch.randn(2, 30, dtype=torch.float64)

    def loss(net: Any) -> Any:
        output = net(x)
        return generic(output[0] if isinstance(output, tuple) else output)

    loss(net).backward()
    # as averages of weights do
    twin = copy.deepcopy(net)
    loss(twin).backward()
    torch.save(net, tmp_path / "net.pt")
    loss(torch.load(tmp_path / "net.pt", weights_only=False)).backward()
    optimizer.step()
    assert {counted(memory, name) for name in memory.layers} == {2} and memory.steps == 1
    torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "checkpoint.pt")
