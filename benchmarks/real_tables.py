"""The benchmark's printed tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Record = Mapping[str, Any]
NEAR = 0.02
HEADER = ["method", "RMSE", "MAE", "seconds", "last fit", "rank", "remark"]
INTERVAL_HEADER = ["90% intervals", "coverage", "few entries", "many entries", "mean width", "interval score"]
INTERVAL_NAMES = {"rankfall": "rankfall", "constant": "constant width"}


def table(records: Sequence[Record]) -> list[list[str]]:
    """One line per method, best first; those without a result last."""
    ordered = sorted(records, key=lambda r: r.get("rmse", np.inf))
    return [HEADER, *(_row(r) for r in ordered)]


def _row(r: Record) -> list[str]:
    if r["status"] != "ok":
        return [r["method"], "-", "-", _seconds(r.get("seconds")), "-", "-", r["status"]]
    lacking = r["without_prediction"]
    return [
        r["method"],
        f"{r['rmse']:.4g}",
        f"{r['mae']:.4g}",
        _seconds(r["seconds"]),
        _seconds(r["fit_seconds"]),
        "-" if r["rank"] is None else f"{r['rank']:g}",
        f"effects for {lacking} cells" if lacking else "",
    ]


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f}"


def interval_table(record: Record) -> list[list[str]]:
    rows = [INTERVAL_HEADER]
    for name, s in record["intervals"].items():
        shares = [f"{s[part]:.3f}" for part in ("coverage", "few", "many")]
        rows.append([INTERVAL_NAMES[name], *shares, f"{s['width']:.4g}", f"{s['score']:.4g}"])
        if s["without"]:
            rows[-1][0] += f" ({s['without']} cells without)"
    return rows


def verdict(records: Sequence[Record]) -> str:
    """Whether rankfall is first by RMSE, within 2% of the first, or not."""
    done = {r["method"]: r["rmse"] for r in records if r["status"] == "ok"}
    ours = done.pop("rankfall", None)
    if ours is None or not done:
        return "no comparison: " + (
            "rankfall has no result" if ours is None else "no other method has a result"
        )
    best = min(done, key=done.__getitem__)
    if ours <= done[best]:
        return f"rankfall is first; next is {best}, {done[best] / ours - 1:.1%} behind"
    behind = ours / done[best] - 1
    place = "within 2% of the first" if behind <= NEAR else "NOT within 2% of the first"
    return f"rankfall is {place}: {behind:.1%} behind {best}"


def title(record: Record, remark: str = "") -> str:
    m, n = record["shape"]
    which = (
        f"fold {record['seed']}"
        if record["hiding"] == "fold"
        else f"{_hiding(record)} hidden, seed {record['seed']}"
    )
    return (
        f"{record['data']}, {which}: {m} x {n}, {record['n_train']} cells known, {record['n_hidden']} hidden"
        + (f" ({remark})" if remark else "")
    )


def _hiding(record: Record) -> str:
    return f"{record['hiding']}%" if str(record["hiding"]).isdigit() else str(record["hiding"])


def averaged(records: Iterable[Record]) -> list[Record]:
    """Means over seeds or folds of one data set and hiding, per method.

    Only methods that ended in all of them.
    """
    by_method: dict[str, list[Record]] = {}
    for r in records:
        by_method.setdefault(r["method"], []).append(r)
    most = max(map(len, by_method.values()), default=0)
    out = []
    for method, runs in by_method.items():
        bad = next((r for r in runs if r["status"] != "ok"), None)
        if bad is not None or len(runs) < most:
            status = bad["status"] if bad is not None else f"only {len(runs)} of {most}"
            out.append({"method": method, "status": status})
            continue
        out.append({"method": method, "status": "ok", **_means(runs)})
    return out


def _means(runs: Sequence[Record]) -> dict[str, Any]:
    names = ("rmse", "mae", "seconds", "fit_seconds", "without_prediction")
    means: dict[str, Any] = {name: float(np.mean([r[name] for r in runs])) for name in names}
    ranks = [r["rank"] for r in runs]
    means["rank"] = None if None in ranks else float(np.mean(ranks))
    if all("intervals" in r for r in runs):
        means["intervals"] = {
            kind: {part: float(np.mean([r["intervals"][kind][part] for r in runs])) for part in scores}
            for kind, scores in runs[0]["intervals"].items()
        }
    return means


def text(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(r[k]) for r in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in rows
    )


def report(records: Sequence[Record], heading: str) -> str:
    """Heading, table, intervals and verdict."""
    parts = [heading, text(table(records))]
    parts += [text(interval_table(r)) for r in records if "intervals" in r]
    return "\n".join([*parts, verdict(records), ""])
