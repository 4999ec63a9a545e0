"""The arithmetic of the benchmarks of speed, and their peers that need no package of their own."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import rankfall as rf

FOLDER = Path(__file__).parents[2] / "benchmarks"
NAMES = [
    "big_problems",
    "busy",
    "end_to_end",
    "end_to_end_methods",
    "kernels",
    "limits",
    "peak_memory",
    "peer_process",
    "scaling",
]


@pytest.fixture(scope="module")
def bench() -> Iterator[SimpleNamespace]:
    """The benchmarks' modules, found as the scripts find them: beside themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        names = [*NAMES, "peers", "peers.als"]
        modules: dict[str, ModuleType] = {name: importlib.import_module(name) for name in names}
        yield SimpleNamespace(**{name.rpartition(".")[2]: module for name, module in modules.items()})
        for name in [n for n in sys.modules if n.split(".")[0] in names]:
            del sys.modules[name]


def test_memory_where_the_system_does_not_count_it(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 10 < bench.peak_memory.peak_megabytes() < 1e6
    monkeypatch.setitem(sys.modules, "resource", None)
    assert math.isnan(bench.peak_memory.peak_megabytes())


# -- the machine's limits ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("widths", "sizes", "multiply_adds"),
    [
        ((100, 100, 100, 100), [10_000], 30_000),
        ((1000, 50, 40, 1000), [2000], 6000),
        ((9, 7, 5, 3, 8), [35, 15], 150),
        ((9, 7, 8), [], 0),
    ],
)
def test_weights_of_the_hidden_layers(bench, widths, sizes, multiply_adds) -> None:
    assert bench.limits.hidden_sizes(widths) == sizes
    assert bench.limits.n_multiply_adds(widths) == multiply_adds


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_loops_compute_what_they_say(bench, dtype: str) -> None:
    loops = bench.limits._compiled(dtype)
    numbers = bench.limits._lanes(np.dtype(dtype)) * 8 * 3
    memory = np.zeros(numbers + 64 // np.dtype(dtype).itemsize, dtype)
    start = (-memory.ctypes.data % 64) // np.dtype(dtype).itemsize
    array = memory[start : start + numbers]
    array[:] = np.arange(numbers)
    loops["update"](array.ctypes.data, 3, 2)
    expected = np.arange(numbers, dtype=dtype)
    for _ in range(2):
        expected = expected * np.array(0.5, dtype) + np.array(0.25, dtype)
    np.testing.assert_array_equal(array, expected)
    loops["read"](array.ctypes.data, 3, 2)
    np.testing.assert_array_equal(array, expected)
    out = np.zeros(64)
    loops["multiply_add"](out.ctypes.data, 0, 200)
    assert out.view(dtype)[0] == 0.5  # the fixed point of x / 2 + 1 / 4


def test_a_limit_is_positive_and_takes_the_larger(bench) -> None:
    measured = bench.limits.limit((20, 20, 20, 20, 20), np.dtype("float64"))
    assert measured.passes > 0 and measured.arithmetic > 0
    assert measured.microseconds == max(measured.passes, measured.arithmetic)
    # nobody's processor does a thousand billion of them on one core
    assert 1e8 < bench.limits.multiply_adds_per_second(np.dtype("float64")) < 1e12


# -- rows and verdicts -------------------------------------------------------------------------------------


def rows_of_kernels(bench, **peers) -> list:
    limit = bench.limits.Limit(0.5, 0.4)
    K = bench.kernels
    return [
        K.Row(K.JUDGED, "float64", 0.8, 0.9, limit, 1000.0, peers),
        K.Row(K.JUDGED, "float32", 0.5, 0.6, limit),
    ]


def test_verdicts_of_kernels(bench) -> None:
    torch = {"fastest": 160.0, "how": "fused", "version": "2"}
    jax = {"fastest": 4.0, "usual": 8.0, "how": "hand", "version": "0"}
    rows = rows_of_kernels(bench, torch=torch, jax=jax)
    lines = bench.kernels.verdicts(rows, 0.09, (3.8, 2.0))
    assert [line.split()[0] for line in lines[:6]] == ["MISSED", "met", "met", "met", "met", "met"]
    assert lines[0].endswith("5 times") and lines[1].endswith("200 times")
    assert (
        "0.400 us: less than the machine's limit, 0.500 us; its multiply-adds alone need 0.400 us" in lines[6]
    )
    lines = bench.kernels.verdicts(rows, 0.11, (3.0, 2.0))
    assert [line.split()[0] for line in lines[4:6]] == ["MISSED", "MISSED"]


def test_rows_without_peers(bench) -> None:
    lines = bench.kernels.verdicts(rows_of_kernels(bench), 0.09, None)
    assert len(lines) == 5
    assert lines[0].startswith("MISSED") and lines[0].endswith("not measured")
    cells = dict(zip(bench.kernels.HEADER, bench.kernels.cells(rows_of_kernels(bench)[0]), strict=False))
    assert cells["share"] == "0.62" and cells["JAX"] == "-" and cells["PyTorch"] == "-"
    assert cells["twin"] == "1000" and cells["widths"] == "100x100x100x100"


def test_a_peer_that_makes_other_steps_is_not_timed(bench) -> None:
    expected = np.eye(3)
    bench.kernels.check("jax", "float64", expected * (1 + 1e-14), expected)
    with pytest.raises(SystemExit, match="jax in float64 does not make the twin's steps"):
        bench.kernels.check("jax", "float64", expected * (1 + 1e-9), expected)


def test_rows_of_peers_are_read(bench, tmp_path: Path, monkeypatch) -> None:
    """Two stand-ins for PyTorch and JAX: one answers as they do, the other fails."""
    script = """
import json, sys
import numpy as np
import rankfall as rf
from rankfall.dynamics.kernels import reference
request = json.load(sys.stdin)
for case in request["cases"]:
    data = np.load(case["file"])
    network = rf.Network(tuple(data[f"W{l}"] for l in (1, 2, 3)))
    problem = rf.Problem.from_triplets([0], [0], [0.0], (network.shape))
    for row, col, value in list(zip(data["rows"], data["cols"], data["values"]))[: case["check_steps"]]:
        problem = rf.Problem.from_triplets([row], [col], [value], network.shape)
        optimiser = rf.SGD(lr=case["lr"], ridge=case["ridge"], n_steps=1)
        network = reference.train(problem, network, optimiser)
    np.save(case["answer"], network.product())
rows = [{"fastest": 2.0, "median": 3.0, "how": "so"} for _ in request["cases"]]
json.dump({"version": "1", "rows": rows}, sys.stdout)
"""
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text(script, encoding="utf-8")
    bad.write_text("raise SystemExit('no such package')", encoding="utf-8")
    monkeypatch.setattr(bench.kernels, "SCRIPTS", {"torch": bad, "jax": good})
    monkeypatch.setattr(bench.kernels, "ask", lambda *a, **k: bench.peer_process.ask(*a))
    found = bench.kernels.peer_rows(Path(sys.executable), (20, 6, 6, 20), tmp_path)
    assert found["float64"] == {"jax": {"fastest": 2.0, "median": 3.0, "how": "so", "version": "1"}}
    assert "torch" not in found["float32"]


# -- processes ---------------------------------------------------------------------------------------------


def test_answers_and_failures(bench, tmp_path: Path) -> None:
    ask = bench.peer_process.ask
    script = tmp_path / "s.py"
    script.write_text(
        "import json, sys; print('chat'); print(json.dumps({'n': json.load(sys.stdin)['n'] + 1}))"
    )
    assert ask(script, {"n": 1}) == {"n": 2}
    script.write_text("raise ValueError('why')")
    assert ask(script, {}) == {"error": "s.py failed (exit code 1): ValueError: why"}
    script.write_text("import time; time.sleep(60)")
    assert ask(script, {}, seconds=0.5) == {"error": "s.py did not end within 0 s"}
    assert "wrote no JSON" in bench.peer_process.read_answer("nothing", "s.py")["error"]
    assert "wrote no JSON" in bench.peer_process.read_answer("", "s.py")["error"]


def test_environment_of_a_process(bench, monkeypatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("PYTHONPATH", "here")
    own, other = bench.peer_process.environment(2), bench.peer_process.environment(None, own_python=False)
    assert "OPENBLAS_CORETYPE" not in own and own["OMP_NUM_THREADS"] == "2" and own["PYTHONPATH"] == "here"
    assert "PYTHONPATH" not in other
    with pytest.raises(SystemExit, match="there is no such file"):
        bench.peer_process.find_python("/no/such/python")


# -- large problems ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "count", "least"), [(30, 250, 4), (200, 3000, 5), (12, 144, 5)])
def test_masks_give_every_line_its_entries(bench, n: int, count: int, least: int) -> None:
    cells = bench.big_problems.guaranteed_cells(n, count, least, np.random.default_rng(0))
    assert cells.size == np.unique(cells).size == count
    rows, cols = np.divmod(cells, n)
    assert np.bincount(rows, minlength=n).min() >= least
    assert np.bincount(cols, minlength=n).min() >= least


def test_too_few_cells_for_a_mask(bench) -> None:
    with pytest.raises(ValueError, match="too few"):
        bench.big_problems.guaranteed_cells(30, 100, 4, np.random.default_rng(0))


def test_instances_are_of_their_rank_and_repeat(bench) -> None:
    B = bench.big_problems
    assert B.n_observed(100, 5, 2.0) == 1950
    instance, again, other = (B.draw(40, 3, 500, seed) for seed in (0, 0, 1))
    truth = instance.U @ instance.V.T
    np.testing.assert_allclose(instance.problem.values, truth[instance.problem.rows, instance.problem.cols])
    np.testing.assert_array_equal(instance.problem.values, again.problem.values)
    assert not np.array_equal(instance.problem.values, other.problem.values)
    rows, cols = B.sample(40)
    assert rows.size == 1600
    assert B.relative_error(instance.values(rows, cols) * 1.1, truth.ravel()) == pytest.approx(0.1)
    assert B.relative_error(np.full(1600, np.nan), truth.ravel()) == math.inf
    assert B.sample(5000)[0].size == B.SAMPLE


# -- scaling -----------------------------------------------------------------------------------------------


def test_exponent_of_a_power_law(bench) -> None:
    counts = np.array([1e3, 3e3, 1e5])
    assert bench.scaling.exponent(counts, 2e-4 * counts**1.25) == pytest.approx(1.25)
    assert math.isnan(bench.scaling.exponent([1e3], [1.0]))


def record(n: int, seconds: float, **more) -> dict:
    usual = {"n": n, "count": 10 * n, "seconds": seconds, "peak": 300.0, "before": 200.0, "steps": 7}
    return usual | {"rank": 5, "true_rank": 5, "error": 1e-12} | more


def test_verdicts_of_scaling(bench) -> None:
    S = bench.scaling
    runs = [record(100, 0.1), record(100, 0.2), record(100, 9.0)]
    assert S.within("x", runs, 0.25).startswith("met    x: 0.20 s, 3 of 3")
    assert S.within("x", runs, 0.2).startswith("MISSED")
    assert S.within("x", [*runs, record(100, 0.1, error=1e-3)], 1.0).startswith("MISSED")
    assert S.within("x", [record(9, 1.0, rank=4)], 2.0).startswith("MISSED")
    assert S.within("x", runs, 1.0, megabytes=250).startswith("MISSED")
    assert S.within("x", [], 1.0).endswith("did not end")
    # what was not recovered, and what is below n = 300, is not part of the fit
    table = [record(100, 50.0), record(300, 3.0), record(3000, 30.0), record(1000, 99.0, error=1.0)]
    assert S.fit(table)[1] == pytest.approx(1.0)


def test_the_requirements_are_all_judged(bench, monkeypatch, capsys) -> None:
    S, asked = bench.scaling, []

    def obtain(n, rank, count, seeds=(0,)):
        asked.append((n, count, len(seeds)))
        return [record(n, 0.1) for _ in seeds]

    monkeypatch.setattr(S, "obtain", obtain)
    tables = {rho: [record(n, n / 1000) for n in S.SIZES] for rho in S.RHOS}
    S.requirements(tables, [record(20_000, 800.0, peak=5000.0)])
    assert asked == [(100, 1462, 20), (5000, 149_925, 1)]
    lines = capsys.readouterr().out.strip().splitlines()[-5:]
    assert [line.split()[0] for line in lines] == ["met", "met", "met", "MISSED", "met"]
    tables[3.0].pop()  # without n = 10,000 nothing is known of the exponent up to there
    S.requirements(tables, None)
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last.startswith("MISSED") and last.endswith("sizes missing")


def test_one_size(bench) -> None:
    measured = bench.scaling.measure_one(40, 2, 500, seed=0)
    assert measured["rank"] == 2 and measured["error"] < 1e-6
    assert measured["peak"] >= measured["before"] > 0 and measured["steps"] > 0
    assert bench.scaling.line(measured).split()[:4] == ["40", "2", "3.21", "500"]


# -- end to end --------------------------------------------------------------------------------------------


def test_als_recovers_a_small_matrix(bench, tmp_path: Path) -> None:
    B, file = bench.big_problems, tmp_path / "instance.npz"
    count = bench.end_to_end.write_instance(60, 3.0, 0, file)
    assert count == B.n_observed(60, 5, 3.0)
    instance = bench.end_to_end_methods.Instance(str(file))
    done = bench.end_to_end_methods.als(instance, 30.0, 1e-6)
    assert done["reached"] and done["error"] < 1e-6 and done["iterations"] < 500


def test_a_round_of_als_is_least_squares(bench) -> None:
    problem, _ = rf.datasets.low_rank((15, 12), rank=2, observed=0.7, noise=0.1, seed=1)
    factors = []

    def keep_on(rounds, U, V, took):
        factors.append((U.copy(), V.copy()))
        return rounds < 2

    bench.als.als(problem, 2, keep_on)
    U, V = factors[-1]
    for j in range(12):
        mine = problem.cols == j
        best, *_ = np.linalg.lstsq(U[problem.rows[mine]], problem.values[mine])
        np.testing.assert_allclose(V[j], best, rtol=1e-8)


def test_soft_impute_reports_where_it_stopped(bench, tmp_path: Path) -> None:
    file = tmp_path / "instance.npz"
    bench.end_to_end.write_instance(30, 2.0, 0, file)
    instance = bench.end_to_end_methods.Instance(str(file))
    done = bench.end_to_end_methods.soft_impute(instance, 0.0, 1e-6)
    assert not done["reached"] and 0 < done["error"] < 2


def test_cases(bench) -> None:
    cases = bench.end_to_end.cases
    assert cases(None, None, False)[0] == (100, 1.5)
    assert cases([300], [3.0], False) == [(300, 3.0)]
    assert cases(None, None, True)[-1] == (5000, 3.0)


def test_short_runs_are_repeated_in_turns(bench) -> None:
    records = {
        "rankfall": {"seconds": 1.0, "reached": True},
        "late": {"seconds": 99.0, "reached": True},
        "never": {"seconds": 1.0, "reached": False},
        "broken": {"error": "it failed"},
        "als": {"seconds": 2.0, "reached": True},
    }
    asked, later = [], iter([9.0, 7.0, 5.0, 8.0])

    def once(method):
        asked.append(method)
        return {"seconds": next(later), "reached": True}

    bench.end_to_end.again(records, 3, once)
    assert asked == ["rankfall", "als"] * 2
    assert (records["rankfall"]["seconds"], records["als"]["seconds"]) == (5.0, 7.0)
    assert (records["late"]["seconds"], records["never"]["seconds"]) == (99.0, 1.0)
    records["als"]["seconds"] = 2.0
    bench.end_to_end.again(records, 4, lambda method: {"error": "it failed"})
    assert records["als"]["seconds"] == np.inf


def test_verdicts_of_end_to_end(bench) -> None:
    def case(ours, cg, tr):
        made = {
            "rankfall": ours,
            "pymanopt cg": cg,
            "pymanopt tr": tr,
            "als": {"seconds": 0.1, "reached": True},
        }
        return 100, 2.0, made

    fast, slow = {"seconds": 1.0, "reached": True}, {"seconds": 2.0, "reached": True}
    never, broken = {"seconds": 9.0, "reached": False}, {"error": "it failed"}
    lines = bench.end_to_end.judge(
        [
            case(fast, slow, never),
            case(slow, broken, fast),
            case(slow, never, broken),
            case(never, fast, fast),
        ]
    )
    assert [line.split()[0] for line in lines] == ["met", "MISSED", "met", "MISSED"]
    assert lines[0].endswith("1.00 s and 2.00 s")
    assert lines[2].endswith("pymanopt does not converge")
    assert bench.end_to_end.judge([(100, 2.0, {"rankfall": fast})]) == []
    assert bench.end_to_end.line(100, 2.0, 9, "als", {**never, "error": 0.5}, 1.0).count("not in 9.0 s") == 1
    assert bench.end_to_end.line(100, 2.0, 9, "als", broken, 1.0).endswith("it failed")


def test_requirements_are_pinned_and_name_no_index() -> None:
    lines = (FOLDER / "requirements-bench.txt").read_text(encoding="utf-8").splitlines()
    packages = [line for line in lines if not line.startswith("#")]
    assert all("==" in line and "://" not in line for line in packages)
    assert {"torch", "jax", "pymanopt"} <= {line.split("==")[0] for line in packages}


# -- beside other processes --------------------------------------------------------------------------------


def test_completions_beside_another_process(bench, capsys) -> None:
    bench.busy.main(["--sizes", "30", "--noisy", "--repeats", "1", "--others", "1"])
    *name, alone, beside, times = capsys.readouterr().out.splitlines()[-1].split()
    assert name == ["30", "x", "30"]
    assert float(times) == pytest.approx(float(beside) / float(alone), rel=0.3)
