"""Sound arguments of public functions, by the names of their parameters."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

import rankfall as rf


class Hostile:
    """Answers nothing."""

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise ValueError("no array")

    def __len__(self) -> int:
        raise RuntimeError("no length")


@cache
def samples() -> dict[str, Any]:
    """Sound arguments by the names of parameters."""
    problem, truth = rf.datasets.low_rank((8, 6), rank=1, observed=0.8, noise=0.1, seed=1)
    network = rf.Network.gaussian((6, 4, 4, 8), scale=0.7, seed=0)
    sgd = rf.SGD(lr=0.02, ridge=1e-2, n_steps=40)
    trace = rf.train(problem, network, sgd, chains=2, seed=0, record=rf.Record(every=10))
    result = rf.complete(problem, seed=0, max_time=5)
    cyclic = rf.symmetry.Group.cyclic(4)
    action = rf.symmetry.Representation.regular(cyclic)
    maps = rf.symmetry.EquivariantMaps.between(action, action)
    relu = rf.neurons.HomogeneousNetwork((np.eye(3), np.ones((2, 3))))
    constants = rf.theory.solve(depth=3, ridge=0.1, bound=1.0)
    jumps = rf.find_jumps(trace)
    return {
        "problem": problem,
        "network": network,
        "start": network,
        "sgd": sgd,
        "optimiser": sgd,
        "trace": trace,
        "source": trace,
        "result": result,
        "jumps": jumps,
        "constants": constants,
        "group": cyclic,
        "rows": np.array([0, 1]),
        "cols": np.array([1, 0]),
        "U": np.ones((8, 1)),
        "V": np.ones((6, 1)),
        "dU": np.ones((8, 1)),
        "dV": np.ones((6, 1)),
        "X": np.arange(12.0).reshape(3, 4) + 1.0,
        "Y": np.ones((2, 4)),
        "A": np.asarray(truth),
        "values": problem.values,
        "weights": np.ones(problem.n_observed),
        "widths": (6, 4, 4, 8),
        "shape": (8, 6),
        "singular_values": np.array([2.0, 1.0]),
        "record": rf.Record(every=10),
        "path": "nowhere.npz",
        "folder": "nowhere",
        "maps": maps,
        "representation": action,
        "columns": action,
        "relu": relu,
        "minimum": rf.theory.minima(problem, 3, 0.02).points[-1],
        "measurements": rf.Measurements.from_problem(problem),
        "networks": [network, network],
        "interval": "log-log",
        "horizon": 20,
        "max_steps": 40,
        "n_replicas": 4,
        "repeats": 2,
        "chains": 2,
        "target_rank": 1,
        "rank": 1,
        "depth": 3,
        "ridge": 0.01,
        "lr": 0.02,
        "n_steps": 20,
        "time": np.array([1.0, 2.0]),
        "happened": np.array([True, False]),
        "e": 2.0,
        "new_rows": result.to_dense()[:1],
        "new_columns": result.to_dense()[:, :1],
        "coverage": 0.9,
        "level": 0.9,
        "quantity": "PM2.5",
    }


@cache
def _own() -> dict[str, dict[str, Any]]:
    known = samples()
    maps, action, cyclic = known["maps"], known["representation"], known["group"]
    square, _ = rf.datasets.low_rank((4, 4), rank=1, observed=0.9, seed=0)
    equivariant = rf.symmetry.EquivariantNetwork.gaussian(maps)
    names = list(equivariant.product_blocks())
    symmetric = {
        "rows": action,
        "columns": action,
        "A": np.ones((4, 4)),
        "X": square.to_dense(),
        "n_steps": 100,
    }
    symmetric |= {
        "problem": square,
        "network": equivariant,
        "ranks": dict.fromkeys(names, 1),
        "groups": cyclic,
    }
    symmetric |= {
        "others": action,
        "other": action,
        "subgroup": cyclic,
        "group": cyclic,
        "representations": action,
    }
    relu = {"network": known["relu"], "X": np.ones((4, 3)), "Y": np.ones((4, 2)), "columns": np.ones((3, 4))}
    relu |= {"layer": 1, "neurons": [0], "K": np.eye(4), "K_sigma": np.eye(4), "lr": 1e-3, "ridge": 1e-2}
    relu |= {"weights": (np.eye(3), np.ones((2, 3))), "biases": (None, None), "threshold": 0.1}
    momentum = np.tile(np.array([[0.9, 0.1], [0.1, 0.8]]), (3, 1, 1))
    run = {"start": 0, "stop": 10, "chain": 0, "record": 1, "layers": None}
    recorded = rf.Record(every=20, what=("weights",))
    snapshots = rf.train(known["problem"], known["network"], known["sgd"], record=recorded)
    lock = rf.theory.lock(known["problem"], known["network"], ridge=0.01, lr=0.02)
    claims = [rf.lab.Claim("it holds", "low > 0", 1.0, 0.5, 1.5, "supported")]
    return {
        "rankfall.symmetry": symmetric,
        "rankfall.symmetry.EquivariantMaps.assemble": {"blocks": maps.blocks(np.ones((4, 4)))},
        "rankfall.symmetry.EquivariantMaps.irrep": {"name": names[0]},
        "rankfall.symmetry.EquivariantMaps.cells": {"rows": np.array([0, 1]), "cols": np.array([0, 1])},
        "rankfall.symmetry.Group.find": {"rows": cyclic.elements[:1]},
        "rankfall.symmetry.Group.from_permutations": {"generators": [[1, 2, 0]]},
        "rankfall.symmetry.Representation": {"element": 1, "X": np.ones((4, 2)), "V": np.eye(4)},
        "rankfall.symmetry.Representation.from_matrices": {"matrices": np.ones((1, 1, 1))},
        "rankfall.neurons": relu,
        "rankfall.Measurements": {"U": np.ones((5, 8)), "V": np.ones((5, 6)), "values": np.ones(5)},
        "rankfall.Measurements.with_values": {"values": known["measurements"].values},
        "rankfall.Measurements.from_regression": {"X": np.ones((5, 3)), "Y": np.ones((5, 2))},
        "rankfall.Network": {"weights": known["network"].weights},
        "rankfall.Network.chain": {"self": rf.Network.gaussian((3, 2, 4), seed=0, chains=2), "index": 0},
        "rankfall.Problem.from_frame": {"frame": pd.DataFrame({"a": [1.0, np.nan], "b": [2.0, 3.0]})},
        "rankfall.Problem.from_sparse": {"X": sparse.coo_array(np.eye(3))},
        "rankfall.Problem.from_triplets": {"values": np.array([1.0, 2.0]), "shape": (3, 3)},
        "rankfall.Problem.subset": {"mask": np.array([0, 2])},
        "rankfall.Record.steps": run,
        "rankfall.Trace.weights": {
            "self": snapshots,
            **run,
        },
        "rankfall.replay": run | {"record": None},
        "rankfall.splitting": {"smallest": 0.05, "horizon": 20, "repeats": 1, "n_replicas": 3},
        "rankfall.analysis.splitting": {"smallest": 0.05, "horizon": 20, "repeats": 1, "n_replicas": 3},
        "rankfall.datasets.low_rank": {"observed": 0.5, "oversampling": None, "rank": 1},
        "rankfall.dynamics": run | {"starts": (0, 5), "levels": (0.1, 0.2), "first": 0.1, "last": 0.2},
        "rankfall.lab": {"claims": claims},
        "rankfall.memory": {
            "log_a": np.zeros(3), "ranks": [1, 1, 1], "norms": np.ones(4), "n_classes": 3, "shape": (4, 3),
            "matrices": momentum, "velocities": np.ones(4), "backward": np.eye(3), "features": np.eye(3),
            "lrs": np.full(3, 0.1), "spectra": [np.ones(2)] * 3, "start_norm": 1.0, "limit": 2, "lr": 0.1,
            "weight_decay": 0.1, "momentum": 0.5, "deltas": np.ones((4, 2)), "a": 0.9, "t": None,
        },
        "rankfall.theory.Certificate.from_dict": {"plain": lock.as_dict()},
        "rankfall.theory.Constants.at_lr": {"lr": 1e-9},
        "rankfall.theory.batch_constant": {"sampling": "replacement"},
        "rankfall.theory.branches": {"ridges": [0.05, 0.1], "ranks": [1]},
        "rankfall.theory.growth_bound": {"sigma": np.array([2.0, 1.0]), "sigma_b": np.array([0.1, 0.05])},
    }  # fmt: skip


def own_samples(name: str) -> dict[str, Any]:
    """Arguments for one function, over those for all of its package."""
    found: dict[str, Any] = {}
    parts = name.split(".")
    for k in range(1, len(parts) + 1):
        found |= _own().get(".".join(parts[:k]), {})
    return found
