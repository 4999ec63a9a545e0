"""A completion of triplets on disk: what was found, predictions, and the way back to memory."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..argument_checks import flag, whole
from ..completion.options import EFFECTS_IN_WORDS
from ..completion.result.intervals import checked_coverage, conformal_quantile
from ..declared_arguments import declared
from ..errors import InputError, Outcome
from .deliver import factor_folders
from .model import Model
from .recommend import best_columns, new_rows
from .sources import table_of
from .storage import PATH, model_at, read_folder
from .to_local import to_local

if TYPE_CHECKING:
    import pandas as pd

    from ..completion import Completion

# what the result says about the call
_ASKED = ("seed", "max_rank", "rule", "asked_effects", "scale", "duplicates", "bounds")
_FOUND = ("effects", "sample", "sweeps", "bytes_per_sweep", "n_held")


@dataclass(frozen=True, eq=False, kw_only=True)
class DistributedCompletion:
    """A completed table of triplets, ``x_ij = mean + rows_i + cols_j + u_i' v_j``.

    It lives in a folder: its sorted cells, its factors, and one file with everything else. Rows are folded in
    from their cells when something is asked about them.

    Attributes
    ----------
    model : Model
        What predictions are made from.
    outcome : Outcome
        How the run ended.
    path : DataFrame
        One row per rank tried: rank, validation (RMSE at the held-out cells of the whole table),
        validation_mae, relative (geometric mean of both in standard deviations of the values, by which ranks
        are compared), sweeps, chosen. Errors are on the scale of the fit.
    settings : dict
        What was asked for and what was chosen; ``sample`` says what the sample was and which rank it had.
    seconds : float
    versions : dict
    n_observed : int
    singular_values : ndarray, shape (rank,)
        Of the low-rank part, on the scale of the fit.
    by_group, by_column, held_errors : ndarray
        Held-out errors; see `validation_rmse` and `errors`.
    """

    model: Model
    outcome: Outcome
    path: pd.DataFrame
    settings: dict[str, Any]
    seconds: float
    versions: dict[str, str]
    n_observed: int
    singular_values: np.ndarray
    by_group: np.ndarray
    by_column: np.ndarray
    held_errors: np.ndarray

    # -- facts -----------------------------------------------------------------------------------

    @property
    def rank(self) -> int:
        """Number of factors delivered, without row and column effects."""
        return self.model.columns.state.rank

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.model.row_keys), len(self.model.col_keys)

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.model.folder

    @property
    def noise(self) -> float:
        """Standard deviation of the noise, on the scale of the fit."""
        return float(np.sqrt(self.model.columns.state.noise) * self.model.deviation)

    @property
    def validation_rmse(self) -> float:
        """Root mean square error at the held-out cells, on the scale of the fit."""
        return float(self.path.loc[self.path["chosen"], "validation"].iloc[0])

    @property
    def validation_standard_error(self) -> float:
        """Standard error of `validation_rmse`, from its scatter between groups of blocks; NaN if there is one
        only.
        """
        n, squares, _ = self.by_group[self.by_group[:, 0] > 0].T
        if n.size < 2:
            return float("nan")
        mean = squares.sum() / n.sum()
        scatter = np.sum((squares - mean * n) ** 2) * n.size / (n.size - 1)
        return float(np.sqrt(scatter) / n.sum() / (2 * np.sqrt(mean)) * self.model.deviation)

    @cached_property
    def errors(self) -> pd.DataFrame:
        """Errors at held-out cells: one row per column, by its key.

        Returns
        -------
        DataFrame
            error: root mean square, on the scale of the fit; relative: this over the column's spread; spread:
            standard deviation of the observed cells; n_held_out: number of cells. NaN where there is none.
        """
        import pandas as pd

        n_held, squares, n, total, total_squares = self.by_column.T
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.sqrt(squares / n_held) * self.model.deviation
            spread = np.sqrt(np.maximum(total_squares / n - (total / n) ** 2, 0.0)) * self.model.deviation
            relative = error / spread
        columns = {"error": error, "relative": relative, "spread": spread, "n_held_out": n_held.astype(int)}
        return pd.DataFrame(
            columns, index=pd.Index(self.model.col_keys.as_numpy, name=self.model.names.column)
        )

    def factors(self, axis: str = "rows") -> pa.Table:
        """Factors and effects as a table: key, cells, factor_0, factor_1, ..., effect.

        ``mean + effect_i + effect_j + sum_k factor_ik factor_jk`` is the fitted value on the scale of the
        fit. The Parquet files are in `folder`, in ``row_factors`` and ``column_factors``.

        Parameters
        ----------
        axis : {"rows", "columns"}
        """
        if axis not in ("rows", "columns"):
            raise InputError(f'axis must be "rows" or "columns", not {axis!r}.')
        by_row, by_col = factor_folders(self.folder, False)
        files = sorted((by_row if axis == "rows" else by_col).glob("part-*.parquet"))
        if not files:
            raise InputError(f"{self.folder} is damaged: the factors of its {axis} are missing.")
        return pa.concat_tables([pq.read_table(file) for file in files])

    # -- predictions -------------------------------------------------------------------------------

    def predict(self, cells: Any) -> Any:
        """Predictions at some cells, in the units of the data.

        Parameters
        ----------
        cells : frame of pandas, polars or Dask, or pyarrow Table
            With the columns that name row and column; others are ignored. Unknown rows or columns get what
            is known without them: the other one's effect, and the mean.

        Returns
        -------
        ndarray, shape (k,), or a series of Dask
        """
        if _is_lazy(cells):
            meta = (self.model.names.value, np.float64)
            return cells.map_partitions(partial(_predict_partition, str(self.folder)), meta=meta)
        return self.model.in_data_units(self.model.at(self._table(cells))[0])

    def interval(self, cells: Any, coverage: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends of intervals that hold this share of missing cells, by split-conformal
        prediction on the held-out cells of all blocks.

        Parameters
        ----------
        cells : frame of pandas or polars, or pyarrow Table
        coverage : float

        Returns
        -------
        lower, upper : ndarray, shape (k,)
            In the units of the data; infinite where too few cells were held out for this coverage.
        """
        coverage = checked_coverage(coverage)
        values, spread = self.model.at(self._table(cells))
        half = conformal_quantile(self.model.scores, coverage) * spread
        return self.model.in_data_units(values - half), self.model.in_data_units(values + half)

    def recommend(self, rows: Sequence[object], n: int = 10, *, seen: bool = False) -> pd.DataFrame:
        """The columns of largest predicted value in some rows.

        Parameters
        ----------
        rows : sequence of keys
            Of an unknown row, the columns of largest effect.
        n : int
            How many of each; fewer if there are no more.
        seen : bool
            Whether columns that were observed in the row count, too.

        Returns
        -------
        DataFrame
            The columns of the source: row, column, value; values falling within each row.
        """
        import pandas as pd

        n, seen = whole("n", n, least=1), flag("seen", seen)
        names, keys = self.model.names, list(rows)
        labels = pa.array(keys) if keys else self.model.row_keys.labels[:0]
        at = self.model.row_keys.positions(labels, names.row, "rows")
        best = best_columns(self.model, at, n, seen)
        columns = np.concatenate([np.empty(0, np.int64), *(found[0] for found in best)])
        values = np.concatenate([np.empty(0), *(found[1] for found in best)])
        return pd.DataFrame(
            {
                names.row: np.repeat(np.array(labels.to_pylist(), dtype=object), [f[0].size for f in best]),
                names.column: self.model.col_keys.as_numpy[columns],
                names.value: self.model.in_data_units(values),
            }
        ).infer_objects()

    def transform(self, cells: Any) -> pd.DataFrame:
        """Complete rows that were not there before, each by itself, from its own cells and the columns.

        Parameters
        ----------
        cells : frame of pandas or polars, or pyarrow Table
            Triplets of the new rows. Cells of unknown columns are left out.

        Returns
        -------
        DataFrame, shape (k, n)
            Predictions in the units of the data, by the keys of the new rows and of all columns.
        """
        import pandas as pd

        keys, values = new_rows(self.model, table_of(cells, self.model.names.all(), "the table of new rows"))
        names = self.model.names
        return pd.DataFrame(
            self.model.in_data_units(values),
            index=pd.Index(keys.to_pylist(), name=names.row),
            columns=pd.Index(self.model.col_keys.as_numpy, name=names.column),
        )

    def _table(self, cells: Any) -> pa.Table:
        return table_of(cells, (self.model.names.row, self.model.names.column), "the table of cells")

    # -- elsewhere ---------------------------------------------------------------------------------

    def to_local(self, max_cells: int = 20_000_000) -> Completion:
        """The same as a :class:`~rankfall.Completion` in memory, with all that it offers.

        Raises
        ------
        InputError
            If there are more than `max_cells` observed cells.
        """
        max_cells = whole("max_cells", max_cells, least=1)
        if self.n_observed > max_cells:
            raise InputError(
                f"The completion has {self.n_observed:,} observed cells, more than {max_cells:,}; "
                "to_local(max_cells=...) reads them all the same."
            )
        return to_local(
            self.model,
            self.held_errors,
            self.path,
            outcome=self.outcome,
            settings=self.settings,
            seconds=self.seconds,
            versions=self.versions,
        )

    def save(self, folder: str | PathLike[str]) -> None:
        """Copy everything to a folder, whole or not at all; :func:`rankfall.dask.load` reads it back.

        Raises
        ------
        InputError
            If the folder exists, or cannot be written.
        """
        target = Path(folder).resolve()
        if target == self.folder:
            return
        if target.exists():
            raise InputError(f"{target} exists; choose another folder.")
        try:
            with tempfile.TemporaryDirectory(prefix=".rankfall-", dir=target.parent) as temporary:
                copy = Path(temporary) / "copy"
                shutil.copytree(self.folder, copy)
                os.replace(copy, target)
        except OSError as error:
            raise InputError(f"Cannot write {target}: {error.strerror or error}.") from error

    def summary(self) -> str:
        """A few lines for a person."""
        (m, n), sample = self.shape, self.settings["sample"]
        beside = EFFECTS_IN_WORDS[self.settings["effects"]]
        error, plus = self.validation_rmse, self.validation_standard_error
        # a single group of blocks has no scatter
        scatter = f" with a standard error of {plus:.2g}" if plus == plus else ""
        return "\n".join(
            [
                f"{m:,} x {n:,} table, {self.n_observed:,} cells observed "
                f"({100 * self.n_observed / (m * n):.3g}%).",
                f"Rank {self.rank}{f' with {beside}' if beside else ''} ({self.outcome.value}): "
                f"{self.outcome.advice}",
                f"RMSE at {self.settings['n_held']:,} held-out cells {error:.4g}{scatter}; "
                f"noise {self.noise:.4g}; {self.settings['sweeps']} sweeps, "
                f"{self.seconds:.0f} s.",
                f"A sample of {sample['cells']:,} cells ({sample['shape'][0]:,} x {sample['shape'][1]:,}) "
                f"had rank {sample['rank']}; ranks {self.path['rank'].min()} to {self.path['rank'].max()} "
                "were compared on held-out cells of the whole table.",
            ]
        )

    def __repr__(self) -> str:
        m, n = self.shape
        return f"DistributedCompletion({m} x {n}, rank {self.rank}, {self.outcome.value})"


def _is_lazy(cells: Any) -> bool:
    dask_frames = sys.modules.get("dask.dataframe")
    return dask_frames is not None and isinstance(cells, dask_frames.DataFrame)


def _predict_partition(folder: str, frame: Any) -> Any:
    import pandas as pd

    model = model_at(folder)
    table = table_of(frame, (model.names.row, model.names.column), "a partition of the cells")
    values = model.in_data_units(model.at(table)[0]) if len(frame) else np.empty(0)
    return pd.Series(values, index=frame.index, name=model.names.value)


@declared
def load(folder: str | PathLike[str]) -> DistributedCompletion:
    """Read a completion that :func:`rankfall.dask.complete` left in a folder.

    Nothing in the folder is trusted: the file of the result and the keys are checked here, cells where they
    are read.

    Raises
    ------
    InputError
        If there is none, it is not finished, or is damaged.
    """
    import pandas as pd

    model, saved = read_folder(Path(folder).resolve())
    meta = saved.meta
    return DistributedCompletion(
        model=model,
        outcome=Outcome(meta["outcome"]),
        path=pd.DataFrame({name: saved[f"path_{name}"] for name in PATH}),
        settings={name: meta[name] for name in (*_ASKED, *_FOUND)},
        seconds=meta["seconds"],
        versions=meta["versions"],
        n_observed=meta["n_cells"],
        singular_values=saved["singular_values"] * meta["deviation"],
        by_group=saved["by_group"],
        by_column=saved["by_column"],
        held_errors=saved["held_errors"],
    )
