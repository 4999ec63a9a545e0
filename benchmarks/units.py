"""What happens to a completion when one column is given in another unit, or another origin?

Forty small noisy tables of low rank; one column is multiplied, or shifted, and the table completed again.
With ``scaling="columns"`` nothing that is filled in elsewhere may change; with the defaults the error of the
other columns may hardly change. Then one column is added that has nothing to do with the others (noise, or
the number of the row): it may hardly cost them anything.

    python benchmarks/units.py
    python benchmarks/units.py --tables 10
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np

import rankfall as rf

FACTORS = (1e-6, 0.03, 30.0, 50.0, 1e3, 1e6)
# spreads by which a column is shifted
SHIFT = 1e3
SHAPES = ((80, 8), (40, 12), (60, 20), (150, 6), (30, 30))
HIDDEN = 0.2
# relative difference up to which filled cells agree, and fraction of an interval's half-width that is allowed
AGREE, WITHIN = 1e-6, 0.1

Change = Callable[[np.ndarray], np.ndarray]


def make(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Table `number`, and which of its cells are hidden."""
    rng = np.random.default_rng([7, number])
    m, n = SHAPES[number % len(SHAPES)]
    rank, noise = 1 + number % 3, (0.1, 0.3, 0.6, 1.0)[number % 4]
    table = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))
    table += noise * rng.standard_normal((m, n)) + 2 * rng.standard_normal(n) * (number % 2)
    hidden = rng.random((m, n)) < HIDDEN
    hidden &= (~hidden).sum(axis=1, keepdims=True) > 1
    return table, hidden


def changes(column: np.ndarray) -> dict[str, tuple[Change, Change]]:
    """Name -> what is done to a column, and what undoes it."""
    spread = float(np.std(column))

    def times(k: float) -> tuple[Change, Change]:
        return (lambda x: x * k), (lambda x: x / k)

    def shift(by: float) -> tuple[Change, Change]:
        return (lambda x: x + by), (lambda x: x - by)

    out = {f"times {k:g}": times(k) for k in FACTORS}
    return {**out, "shifted": shift(SHIFT * spread)}


def complete(table: np.ndarray, hidden: np.ndarray, scaling: str) -> rf.Completion:
    return rf.complete(np.where(hidden, np.nan, table), seed=0, scaling=scaling)  # type: ignore[arg-type]


def model_of(result: rf.Completion) -> tuple[object, ...]:
    return result.rank, result.settings["effects"], result.settings["scaling"], result.settings["noise"]


def compare_models(tables: Sequence[int]) -> list[tuple[str, bool, float, float]]:
    """With a scale for every column: (change, same model, largest relative difference, over half-widths)."""
    found = []
    for number in tables:
        table, hidden = make(number)
        at = number % table.shape[1]
        plain = complete(table, hidden, "columns")
        rows, cols = np.nonzero(hidden)
        low, high = plain.interval(rows, cols)
        filled = plain.to_dense()
        for name, (change, undo) in changes(table[:, at]).items():
            other_table = table.copy()
            other_table[:, at] = change(table[:, at])
            other = complete(other_table, hidden, "columns")
            values = other.to_dense()
            values[:, at] = undo(values[:, at])
            difference = np.abs(values - filled)[hidden]
            relative = float(np.max(difference / np.std(table, axis=0)[cols]))
            half = float(np.max(difference / ((high - low) / 2)))
            found.append((name, model_of(plain) == model_of(other), relative, half))
    return found


def error_of_others(result: rf.Completion, table: np.ndarray, hidden: np.ndarray, at: int) -> float:
    """Root mean square error at the hidden cells of the other columns."""
    here = hidden.copy()
    here[:, at:] &= np.arange(at, table.shape[1]) != at
    part = result.to_dense()[:, : table.shape[1]]
    return float(np.sqrt(np.mean((part - table)[here] ** 2)))


def compare_errors(tables: Sequence[int]) -> dict[str, np.ndarray]:
    """With the defaults: change -> error of the other columns over that without the change, one per table."""
    ratios: dict[str, list[float]] = {}
    for number in tables:
        table, hidden = make(number)
        at = number % table.shape[1]
        before = error_of_others(complete(table, hidden, "auto"), table, hidden, at)
        for name, (change, _) in changes(table[:, at]).items():
            other = table.copy()
            other[:, at] = change(table[:, at])
            after = error_of_others(complete(other, hidden, "auto"), table, hidden, at)
            ratios.setdefault(name, []).append(after / before)
    return {name: np.array(values) for name, values in ratios.items()}


def compare_additions(tables: Sequence[int]) -> dict[str, np.ndarray]:
    """A further column -> error of the others over that without it, one per table."""
    ratios: dict[str, list[float]] = {}
    for number in tables:
        table, hidden = make(number)
        m, n = table.shape
        before = error_of_others(complete(table, hidden, "auto"), table, hidden, n)
        rng = np.random.default_rng([8, number])
        for name, column in (
            ("row numbers", np.arange(1000.0, 1000.0 + m)),
            ("noise", rng.standard_normal(m)),
        ):
            wider = np.column_stack([table, column])
            unseen = np.column_stack([hidden, np.zeros(m, bool)])
            after = error_of_others(complete(wider, unseen, "auto"), table, hidden, n)
            ratios.setdefault(name, []).append(after / before)
    return {name: np.array(values) for name, values in ratios.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=int, default=40, help="number of tables")
    tables = range(parser.parse_args(arguments).tables)
    found = compare_models(tables)
    same = [one for one in found if one[1]]
    agree = [one for one in same if one[2] <= AGREE]
    rest = [one[3] for one in same if one[2] > AGREE]
    print(f'scaling="columns": {len(found)} changes of one column in {len(tables)} tables')
    print(f"  same rank, effects, scaling and noise model: {len(same) / len(found):.1%}")
    print(
        f"  of these, filled cells agree to {AGREE:g} of their column's spread: {len(agree) / len(same):.1%}"
    )
    if rest:
        print(f"  the others move by at most {max(rest):.2g} half-widths of their intervals")
    print("defaults: error of the other columns, over that of the table as it was")
    for name, ratios in compare_errors(tables).items():
        print(f"  {name:12s} mean {ratios.mean():.4f}, largest {ratios.max():.4f}")
    print("defaults: error of the columns when one that has nothing to do with them is added")
    for name, ratios in compare_additions(tables).items():
        print(f"  {name:12s} mean {ratios.mean():.4f}, largest {ratios.max():.4f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
