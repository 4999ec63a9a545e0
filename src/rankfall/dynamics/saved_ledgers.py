"""Ledgers of rolling certificates in the files of traces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ..files.schema import Field, Saved
from ..problem import Problem
from ..theory.rolling import RollingLedger
from ..theory.rolling.flaws import flaw_of_deflations, flaw_of_looks, is_threshold
from ..theory.rolling.ledger import COLUMNS, DEFLATION_COLUMNS, columns
from .optimisers import GD, SGD


def ledger_fields(n_steps: int) -> list[Field]:
    """Ledgers of all chains one after the other."""
    return [
        Field("rolling_looks", "float", ("K", len(COLUMNS)), least=0, allowing=("inf",)),
        Field("rolling_deflations", "float", ("D", len(DEFLATION_COLUMNS)), least=0),
        Field("rolling_counts", "whole", ("C", 2), least=0),
        Field("rolling_last", "whole", ("C",), least=0, most=n_steps),
        Field("rolling_budget", "float", ("C",), above=0, most=1),
        Field("rolling_threshold", "float", ("C",), above=0, allowing=("inf",)),
    ]


def ledger_arrays(ledgers: tuple[RollingLedger, ...]) -> dict[str, np.ndarray]:
    """The ledgers of all chains, one after the other; nothing if there are none."""
    if not ledgers:
        return {}
    stored = [ledger.stored() for ledger in ledgers]
    return {
        "rolling_looks": np.concatenate([looks for looks, _ in stored]),
        "rolling_deflations": np.concatenate([deflations for _, deflations in stored]),
        "rolling_counts": np.array([[len(looks), len(deflations)] for looks, deflations in stored], np.int64),
        "rolling_last": np.array([ledger.n_steps for ledger in ledgers], np.int64),
        "rolling_budget": np.array([ledger.budget for ledger in ledgers]),
        "rolling_threshold": np.array([ledger.phi_threshold for ledger in ledgers]),
    }


def read_ledgers(saved: Saved, optimiser: SGD | GD) -> tuple[RollingLedger, ...]:
    """What :func:`ledger_arrays` wrote."""
    if "rolling_counts" not in saved or not isinstance(optimiser, SGD):
        return ()
    lr, ridge = (float(schedule.values(0, 1)[0]) for schedule in (optimiser.lr, optimiser.ridge))
    return tuple(
        RollingLedger(
            looks=columns(looks, COLUMNS),
            deflations=columns(deflations, DEFLATION_COLUMNS),
            budget=float(saved["rolling_budget"][k]),
            phi_threshold=float(saved["rolling_threshold"][k]),
            n_steps=int(saved["rolling_last"][k]),
            depth=len(saved.meta["widths"]) - 1,
            lr=lr,
            ridge=ridge,
            batch_size=optimiser.batch_size,
        )
        for k, (looks, deflations) in enumerate(_tables(saved))
    )


def ledgers_fit(saved: Saved) -> str | None:
    """The rule that every ledger is one of this run, and that its promises follow from its numbers."""
    if "rolling_counts" not in saved:
        return None
    if not _is_covered(saved):
        return "it holds ledgers of rolling certificates, and Theorem 6 does not cover its run."
    if saved["rolling_counts"].sum(axis=0).tolist() != [saved.lengths["K"], saved.lengths["D"]]:
        return "rolling_counts does not add up to the looks and deflations."
    if (saved["rolling_last"] > saved["n_steps"]).any():
        return "rolling_last is beyond the steps of the run."
    for k, (looks, deflations) in enumerate(_tables(saved)):
        flaw = _flaw(saved, k, looks, deflations)
        if flaw is not None:
            return f"{flaw} (chain {k})."
    meta = saved.meta
    problem = Problem(saved["rows"], saved["cols"], saved["values"], meta["shape"])
    depth, ridge = len(meta["widths"]) - 1, meta["ridge"]["value"]
    fits = all(is_threshold(each, problem, depth, ridge) for each in np.unique(saved["rolling_threshold"]))
    return None if fits else "rolling_threshold is not Phi_thr of this run."


def _flaw(saved: Saved, k: int, looks: np.ndarray, deflations: np.ndarray) -> str | None:
    """What is wrong with the ledger of one chain."""
    budget, threshold = float(saved["rolling_budget"][k]), float(saved["rolling_threshold"][k])
    last, widths = int(saved["rolling_last"][k]), saved.meta["widths"]
    flaw = flaw_of_looks(looks, budget, threshold, last, widths)
    if flaw is not None:
        return f"rolling_looks {flaw}"
    widest = int(saved["final_widths"][k, 1:-1].max())
    flaw = flaw_of_deflations(deflations, looks, widest, float(saved["deflation_bound"][k]))
    return None if flaw is None else f"rolling_deflations {flaw}"


def _is_covered(saved: Saved) -> bool:
    """Whether a certificate can have watched a run with these settings."""
    meta: Mapping[str, object] = saved.meta
    lr, ridge, widths = meta["lr"], meta["ridge"], meta["widths"]
    assert isinstance(lr, Mapping) and isinstance(ridge, Mapping) and isinstance(widths, tuple)
    return (
        meta["optimiser"] == "SGD"
        and meta["sampling"] in ("replacement", "distinct")
        and lr["kind"] == ridge["kind"] == "Constant"
        and meta["dtype"] == "float64"
        and meta["deflate"] is None
        and not (meta.get("momentum") or meta.get("label_noise"))
        and "rows" in saved  # of entries, not of measurements
        and len(widths) > 3
    )


def _tables(saved: Saved) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Looks and deflations of each chain."""
    ends = np.cumsum(saved["rolling_counts"], axis=0)
    for (n_looks, n_deflations), (looks, deflations) in zip(saved["rolling_counts"], ends, strict=True):
        yield (
            saved["rolling_looks"][looks - n_looks : looks],
            saved["rolling_deflations"][deflations - n_deflations : deflations],
        )
