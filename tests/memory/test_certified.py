"""The stack and the scan against brute force, and against matrices whose singular values are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankfall.errors import InputError
from rankfall.memory import certified_rank, certified_rank_momentum, decay_rate, sum_bound, transition
from rankfall.memory.certified import RankStack
from rankfall.memory.momentum import KINDS, MomentumWindow, first_matrix, step_matrix


def random_log(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factors above 1 and at 0, steps without gradients, norms over several decades."""
    T = int(rng.integers(1, 60))
    a = rng.choice([0.9, 0.99, 1.0, 1.05, -0.7, 0.0], size=T, p=[0.4, 0.2, 0.1, 0.1, 0.15, 0.05])
    g = rng.integers(0, 4, size=T)
    n = np.exp(rng.normal(0, 1.5, size=T + 1))
    return a, g, n


def brute_force(
    a: np.ndarray, g: np.ndarray, n: np.ndarray, tolerance: float, limit: int | None
) -> int | None:
    T = len(a)
    found = [
        int(g[T - k :].sum())
        for k in range(T + 1)
        if np.prod(np.abs(a[T - k :])) * n[T - k] <= tolerance * (1 + 1e-13)
    ]
    best = min(found, default=None)
    return None if best is None or (limit is not None and best >= limit) else best


@pytest.mark.parametrize("relative", [False, True])
def test_the_stack_is_brute_force_on_random_logs(relative: bool) -> None:
    rng = np.random.default_rng(0)
    answers = []
    for _ in range(400):
        a, g, n = random_log(rng)
        tolerance = float(np.exp(rng.normal(-1.5, 1)))
        shape = (int(rng.integers(2, 40)),) * 2 if rng.random() < 0.7 else None
        with np.errstate(divide="ignore"):
            found = certified_rank(np.log(np.abs(a)), g, n, tolerance, relative=relative, shape=shape)
        absolute = tolerance * n[-1] if relative else tolerance
        wanted = brute_force(a, g, n, absolute, None if shape is None else min(shape))
        assert found.rank == wanted
        assert found.vacuous == (wanted is None)
        if wanted is not None:
            k = found.window
            assert found.remembered == pytest.approx(np.prod(np.abs(a[len(a) - k :])) * n[len(a) - k])
            assert found.remembered <= absolute * (1 + 1e-12) and g[len(a) - k :].sum() == wanted
        answers.append(wanted)
    assert sum(answer is None for answer in answers) > 50 and len(set(answers)) > 15


@given(st.integers(0, 10_000), st.integers(1, 20))
def test_the_stack_stays_small(seed: int, limit: int) -> None:
    rng = np.random.default_rng(seed)
    stack = RankStack(limit)
    stack.start(1.0)
    for _ in range(300):
        stack.advance(float(rng.normal(-0.01, 0.1)), int(rng.integers(1, 3)), float(np.exp(rng.normal())))
        assert len(stack) <= limit


def test_the_lemma_on_random_recursions() -> None:
    """Singular values beyond the rank that is certified are below the tolerance, at every tolerance."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        a, b, shape = float(rng.uniform(0.6, 0.95)), int(rng.integers(1, 3)), (12, 15)
        W, log, norms = rng.standard_normal(shape), [], []
        for _ in range(60):
            norms.append(np.linalg.norm(W))
            W = a * W - rng.standard_normal((12, b)) @ rng.standard_normal((b, 15))
            log.append((np.log(a), b))
        norms.append(np.linalg.norm(W))
        logs, ranks = zip(*log, strict=True)
        s = np.linalg.svd(W, compute_uv=False)
        for tolerance in (1e-3, 1e-2, 0.1, 0.5):
            found = certified_rank(logs, ranks, norms, tolerance, shape=shape)
            if found.rank is not None:
                assert np.count_nonzero(s > found.tolerance) <= found.rank


def test_a_dead_network_has_no_relative_certificate() -> None:
    """W_T = a^T W_0 keeps its rank for ever (1.4, item 2): the relative form needs the norm ratio."""
    T, a = 500, 0.97
    norms = a ** np.arange(T + 1)
    dead = certified_rank(np.full(T, np.log(a)), np.ones(T, int), norms, 0.1, shape=(48, 48))
    assert dead.rank is None and "vacuous" in str(dead)
    # above an absolute tolerance nothing is left
    assert certified_rank(np.full(T, np.log(a)), np.ones(T, int), norms, 0.1, relative=False).rank == 0


def test_spectra_at_checkpoints_refine_the_answer() -> None:
    rng = np.random.default_rng(2)
    start = np.diag([1.0, 1e-6, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    W = start.copy()
    for _ in range(3):
        W = 0.99 * W - 0.1 * np.outer(rng.standard_normal(8), rng.standard_normal(8))
    log = (np.full(3, np.log(0.99)), np.ones(3, int), [1.0, 1.0, 1.0, np.linalg.norm(W)])
    assert certified_rank(*log, 1e-3, relative=False, shape=(8, 8)).vacuous
    found = certified_rank(*log, 1e-3, relative=False, shape=(8, 8), checkpoints={0: np.diag(start)})
    assert found.rank == 4 and found.window == 3
    assert np.count_nonzero(np.linalg.svd(W, compute_uv=False) > 1e-3) <= 4
    with pytest.raises(InputError, match="between step 0 and step 3"):
        certified_rank(*log, 1e-3, checkpoints={4: [1.0]})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([np.nan], [1], [1, 1]), "numbers or -inf"),
        (([0.0], [-1], [1, 1]), "ranks must be"),
        (([0.0], [1], [1]), "norms must have shape"),
        (([0.0], [1], [1, -1]), "0 or more"),
        (([0.0], [1], [1, 1], 0.0), "tolerance must be"),
    ],
)
def test_bad_logs_are_refused(arguments: tuple, words: str) -> None:
    with pytest.raises(InputError, match=words):
        certified_rank(*arguments)


# -- momentum ---------------------------------------------------------------------------------------------


def momentum_step(
    W: np.ndarray, V: np.ndarray, G: np.ndarray, lr: float, wd: float, mu: float, tau: float, kind: str
) -> tuple[np.ndarray, np.ndarray]:
    """A step as torch and the text write it."""
    g = G if kind.startswith("decoupled") else G + wd * W
    V = mu * V + (1 - tau) * g
    kept = (1 - lr * wd) * W if kind.startswith("decoupled") else W
    return kept - lr * (g + mu * V if kind.endswith("nesterov") else V), V


@pytest.mark.parametrize("kind", KINDS)
def test_a_transition_is_what_the_step_does(kind: str) -> None:
    rng = np.random.default_rng(3)
    W, V, G = (rng.standard_normal((4, 5)) for _ in range(3))
    tau = 0.0 if kind.endswith("nesterov") else 0.3
    M = transition(0.1, 0.2, 0.7, tau, kind)
    without = momentum_step(W, V, 0 * G, 0.1, 0.2, 0.7, tau, kind)
    np.testing.assert_allclose(without, np.einsum("ij,jkl->ikl", M, np.stack([W, V])), atol=1e-14)
    first = np.array(first_matrix(0.1, 0.2, 0.7, kind)).reshape(2, 2)
    wanted = momentum_step(W, 0 * W, 0 * G, 0.1, 0.2, 0.7, 0.0, kind)
    np.testing.assert_allclose(wanted, np.einsum("ij,jkl->ikl", first, np.stack([W, V])), atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_the_remainder_has_the_rank_of_the_window(kind: str) -> None:
    """rank(W_T - p_k W_{T-k} - r_k V_{T-k}) = min(b k, m, n) for generic gradients."""
    rng = np.random.default_rng(4)
    shape, b = (9, 11), 2
    W, V = rng.standard_normal(shape), rng.standard_normal(shape)
    states, matrices = [(W, V)], []
    for _ in range(8):
        lr, wd, mu = rng.uniform(0.05, 0.2), rng.uniform(0.01, 0.3), rng.uniform(0.2, 0.9)
        G = rng.standard_normal((9, b)) @ rng.standard_normal((b, 11))
        W, V = momentum_step(W, V, G, lr, wd, mu, 0.0, kind)
        states.append((W, V))
        matrices.append(np.array(step_matrix(lr, wd, mu, 0.0, kind)).reshape(2, 2))
    product = np.eye(2)
    for k in range(1, 9):
        product = product @ matrices[8 - k]
        before, velocity = states[8 - k]
        rest = W - product[0, 0] * before - product[0, 1] * velocity
        s = np.linalg.svd(rest, compute_uv=False)
        assert np.count_nonzero(s > 1e-11 * s[0]) == min(b * k, 9)


def test_the_scan_is_brute_force_on_random_schedules() -> None:
    rng = np.random.default_rng(5)
    answers = []
    for _ in range(300):
        T, kind = int(rng.integers(1, 50)), str(rng.choice(KINDS))
        settings = zip(rng.uniform(0.05, 0.5, T), rng.uniform(0, 1.5, T), rng.uniform(0, 0.9, T), strict=True)
        rows = [step_matrix(lr, wd, mu, 0.0, kind) for lr, wd, mu in settings]
        g, limit = rng.integers(0, 4, T), int(rng.integers(2, 40))
        n, v = np.exp(rng.normal(0, 1, (2, T + 1)))
        tolerance = float(np.exp(rng.normal(-1.5, 1)))
        found = []
        for k in range(T + 1):
            product = np.eye(2)
            for row in rows[T - k :]:
                product = np.array(row).reshape(2, 2) @ product
            if np.abs(product[0]) @ (n[T - k], v[T - k]) <= tolerance:
                found.append(int(g[T - k :].sum()))
        best = min(found, default=limit)
        wanted = best if best < limit else None
        matrices = np.array(rows).reshape(T, 2, 2)
        scan = certified_rank_momentum(matrices, g, n, v, tolerance, relative=False, shape=(limit, 99))
        assert scan.rank == wanted
        answers.append(wanted)
        window = MomentumWindow(limit)
        window.start(n[0], v[0])
        for row, gained, norm, velocity in zip(rows, g, n[1:], v[1:], strict=True):
            window.advance(row, int(gained), norm, velocity)
            assert len(window) <= limit
        online = window.certified(tolerance)
        if np.all(g > 0):
            assert online.rank == wanted
        elif online.rank is not None:
            # steps that add nothing are merged, which can only lose
            assert wanted is not None and online.rank >= wanted
    assert len(set(answers)) > 10


def test_rates_of_forgetting() -> None:
    found = [decay_rate(0.1, 5e-4, mu) for mu in (0, 0.5, 0.9, 0.99)]
    np.testing.assert_allclose(found, [5.00013e-5, 1.00015e-4, 5.0240e-4, 5.0252e-3], rtol=1e-5)
    # complex roots have modulus sqrt(mu)
    assert decay_rate(0.5, 0.5, 0.9) == pytest.approx(-np.log(0.9) / 2)
    assert decay_rate(0.1, 5e-4, 0.9, "decoupled") == pytest.approx(-np.log1p(-5e-5))
    assert decay_rate(0.1, 0.0) == 0


def test_the_sum_bound() -> None:
    rng = np.random.default_rng(6)
    W = rng.standard_normal((6, 7))
    start, logs, lrs, spectra = np.linalg.norm(W, 2), [], [], []
    for _ in range(40):
        a, lr = rng.uniform(0.7, 1.02), rng.uniform(0.01, 0.1)
        # full rank, with a steep spectrum: as an elementwise preconditioner leaves it
        G = np.sign(rng.standard_normal((6, 1)) @ rng.standard_normal((1, 7))) + 1e-3 * rng.standard_normal(
            (6, 7)
        )
        W = a * W - lr * G
        logs.append(np.log(a)), lrs.append(lr), spectra.append(np.linalg.svd(G, compute_uv=False))
    bound = sum_bound(logs, lrs, spectra, start, 6)
    assert np.all(np.linalg.svd(W, compute_uv=False) <= bound * (1 + 1e-12))
    # the literal sum of the text
    c = np.array(lrs) * np.exp([sum(logs[s + 1 :]) for s in range(40)])
    w = np.sort(np.concatenate([c_s * values for c_s, values in zip(c, spectra, strict=True)]))[::-1]
    literal = [np.exp(sum(logs)) * start + w[R:].sum() for R in range(6)]
    np.testing.assert_allclose(bound, literal, rtol=1e-12)
