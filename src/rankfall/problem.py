"""The observed entries of one matrix."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Literal

import numpy as np

from .argument_checks import array, shown
from .declared_arguments import chosen, declared, positions
from .entries import as_numbers, as_shape, stored
from .errors import InputError
from .frames import FrameLayout, is_frame, read_frame, read_triplets
from .frames.labels import as_index

if TYPE_CHECKING:
    from scipy import sparse


@dataclass(frozen=True, eq=False)
class Problem:
    """Observed entries of an ``n_rows`` x ``n_columns`` matrix.

    Build one with :meth:`from_dense`, :meth:`from_sparse`, :meth:`from_triplets`, :meth:`from_frame` or
    :meth:`coerce`, which check the data. Entries are sorted by row, then column, without duplicates, so that
    the same data give the same problem whatever container they came in.

    Attributes
    ----------
    rows, cols : ndarray of int64, shape (n_observed,)
        Position of every observed entry.
    values : ndarray of float64, shape (n_observed,)
        The observed entries.
    shape : tuple of int
        ``(n_rows, n_columns)``.
    weights : ndarray of float64, shape (n_observed,), or None
        Weights of the entries, in proportion to the inverse of their noise variance; None: all equal. See
        :meth:`with_weights`.
    layout : FrameLayout or None
        Row and column labels, with their types, and the kind of frame that the entries came in; None for
        arrays, sparse matrices and positions.
    """

    rows: np.ndarray
    cols: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]
    weights: np.ndarray | None = None
    layout: FrameLayout | None = None

    def __post_init__(self) -> None:
        # read-only: for safety, and so that compiled functions are compiled for one kind of array only
        for part in (self.rows, self.cols, self.values, self.weights):
            if part is not None:
                part.flags.writeable = False

    def __reduce__(self) -> tuple[type[Problem], tuple[object, ...]]:
        # pickle loses NumPy's read-only flags, and cached properties are not worth their bytes
        return type(self), tuple(getattr(self, entry.name) for entry in fields(self))

    @classmethod
    def from_triplets(
        cls,
        rows: np.ndarray,
        cols: np.ndarray,
        values: np.ndarray,
        shape: tuple[int, int] | None = None,
        *,
        labels: bool = False,
        duplicates: Literal["error", "mean"] = "error",
    ) -> Problem:
        """Read positions or labels, and values.

        Numbers are positions, counted from zero; anything else (text, dates, tuples) is a label. With
        ``labels=True`` numbers are labels, too. Rows and columns are told apart one by one: one of the two
        may be labels. Rows and columns with labels come in the order of these, or as they come where they
        have no order; the labels are those of the result.

        Parameters
        ----------
        rows, cols : array_like, shape (n,)
            Positions or labels.
        values : array_like of float, shape (n,)
            A NaN means "not observed" and is dropped.
        shape : (int, int), optional
            Size of the matrix; by default the smallest that contains all positions and labels.
        labels : bool
            Whether whole numbers are labels: of users, say, or years.
        duplicates : {"error", "mean"}
            What to do if a cell occurs with different values. Equal values are merged either way.

        Raises
        ------
        InputError
            If a value is infinite, a label is missing, a position lies outside the shape, duplicates differ,
            no entry is observed, or nearly all positions up to the largest one are without an entry (and no
            shape says that this is meant).
        """
        found = read_triplets(rows, cols, values, shape, labels, duplicates)
        rows, cols, values, shape, layout = found
        return cls(rows, cols, values, shape, layout=layout)

    @classmethod
    def from_dense(cls, X: np.ndarray) -> Problem:
        """Read a two-dimensional array in which NaN, or a mask, marks the missing entries.

        Raises
        ------
        InputError
            If `X` is not two-dimensional or not numeric, contains infinities, or has no observed entry.
        """
        if np.ma.isMaskedArray(X):
            X = np.ma.filled(np.ma.asarray(X).astype(float), np.nan)
        X = as_numbers(X)
        if X.ndim != 2:
            raise InputError(f"A matrix has two dimensions; this array has {X.ndim}.")
        rows, cols = np.nonzero(~np.isnan(X))
        return cls.from_triplets(rows, cols, X[rows, cols], as_shape(X.shape))

    @classmethod
    def from_frame(cls, frame: object) -> Problem:
        """Read a data frame of numbers with missing values.

        Parameters
        ----------
        frame : frame of pandas or polars, or table of pyarrow
            Integers, floats, decimals and booleans; missing values of any kind. The index of a frame of
            pandas is not data: its labels are those of the rows.

        Raises
        ------
        InputError
            As :meth:`from_dense`; the message names a column that does not contain numbers.
        """
        if not is_frame(frame):
            raise InputError(
                f"frame must be a frame of pandas or polars, or a table of pyarrow, not {shown(frame)}."
            )
        values, layout = read_frame(frame)
        return replace(cls.from_dense(values), layout=layout)

    @classmethod
    def from_sparse(cls, X: sparse.spmatrix | sparse.sparray) -> Problem:
        """Read a scipy.sparse matrix; its stored entries are the observed ones, including explicit zeros.

        Zeros in a matrix in BSR or DIA format are not observed: such formats store whole blocks or diagonals
        and fill them up with zeros.

        Raises
        ------
        InputError
            As :meth:`from_triplets`, and if an entry is stored twice: scipy would add the two, which is
            rarely intended here (``X.sum_duplicates()`` does it).
        """
        if not hasattr(X, "tocoo"):
            raise InputError(f"X must be a scipy.sparse matrix, not {shown(X)}.")
        shape = as_shape(X.shape)  # type: ignore[union-attr]
        coo = stored(X)
        return cls.from_triplets(coo.row, coo.col, coo.data, shape)

    @classmethod
    def coerce(cls, X: object) -> Problem:
        """Read whatever :func:`rankfall.complete` accepts: array, data frame, scipy.sparse, or Problem."""
        if isinstance(X, Problem):
            return X
        if isinstance(X, (str, PathLike)):
            raise InputError(
                f"Expected a table, not the name of a file ({X}): read the file first, for example with "
                "pandas.read_csv, or run `rankfall complete` on the command line."
            )
        if hasattr(X, "tocoo"):
            return cls.from_sparse(X)  # type: ignore[arg-type]
        if is_frame(X):
            return cls.from_frame(X)
        return cls.from_dense(X)  # type: ignore[arg-type]

    @property
    def n_rows(self) -> int:
        return self.shape[0]

    @property
    def n_cols(self) -> int:
        return self.shape[1]

    @property
    def n_observed(self) -> int:
        return self.values.size

    @cached_property
    def row_counts(self) -> np.ndarray:
        """Number of observed entries of every row, shape (n_rows,)."""
        return np.bincount(self.rows, minlength=self.n_rows)

    @cached_property
    def col_counts(self) -> np.ndarray:
        """Number of observed entries of every column, shape (n_cols,)."""
        return np.bincount(self.cols, minlength=self.n_cols)

    @declared
    def oversampling(self, rank: int) -> float:
        """Observed entries per degree of freedom: ``rho = N / (r (m + n - r))``; infinite at rank 0."""
        free = rank * (self.n_rows + self.n_cols - rank)
        return self.n_observed / free if free else float("inf")

    @declared
    def max_oversampled_rank(self, rho: float = 1.0) -> int:
        """Largest rank with oversampling above `rho`; 0 if there is none."""
        ranks = np.arange(1, min(self.shape) + 1)
        fits = self.n_observed > rho * ranks * (self.n_rows + self.n_cols - ranks)
        # up to min(shape) the degrees of freedom grow with the rank, so the ranks that fit come first
        return int(np.count_nonzero(fits))

    @declared
    def core_oversampling(self, rank: int) -> float:
        """Oversampling at this rank of the part of the matrix where entries test each other.

        A row or column with at most `rank` entries can always be fitted and tests nothing. Such rows and
        columns are removed, repeatedly, because each removal takes entries from others. Returns 0 if nothing
        remains, infinity at rank 0. An exact fit is evidence only if this number is above 1.
        """
        if rank == 0:
            return float("inf")
        rows, cols = self.rows, self.cols
        while True:
            row_counts = np.bincount(rows, minlength=self.n_rows)
            col_counts = np.bincount(cols, minlength=self.n_cols)
            kept = (row_counts[rows] > rank) & (col_counts[cols] > rank)
            if kept.all():
                break
            rows, cols = rows[kept], cols[kept]
        m, n = np.count_nonzero(row_counts), np.count_nonzero(col_counts)
        return rows.size / (rank * (m + n - rank)) if rows.size else 0.0

    @declared
    def deficient(self, rank: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns with fewer than `rank` observed entries.

        Fewer than `rank` entries do not determine the `rank` coefficients of a row or column.
        """
        return np.flatnonzero(self.row_counts < rank), np.flatnonzero(self.col_counts < rank)

    @cached_property
    def components(self) -> tuple[np.ndarray, np.ndarray]:
        """Connected components of the bipartite graph whose edges are the observed cells.

        Returns
        -------
        row_labels, col_labels : ndarray of int
            Component of every row and column; -1 without entries. The data do not determine cells whose row
            and column lie in different components.
        """
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        m, n = self.shape
        graph = coo_array((np.ones(self.n_observed, bool), (self.rows, self.cols + m)), shape=(m + n, m + n))
        labels = connected_components(graph, directed=False)[1]
        counts = np.concatenate([self.row_counts, self.col_counts])
        labels = np.where(counts > 0, labels, -1)
        # number them 0, 1, ... in the order of their first rows
        order = {old: new for new, old in enumerate(dict.fromkeys(labels[labels >= 0].tolist()))}
        labels = np.array([order.get(label, -1) for label in labels.tolist()])
        return labels[:m], labels[m:]

    @property
    def n_components(self) -> int:
        """Number of connected components; rows and columns without entries do not count."""
        return int(self.components[0].max(initial=-1)) + 1

    def determined(self) -> np.ndarray:
        """Boolean (n_rows, n_cols): cells whose row and column lie in the same component."""
        row_labels, col_labels = self.components
        return (row_labels[:, None] == col_labels[None, :]) & (row_labels[:, None] >= 0)

    def to_dense(self) -> np.ndarray:
        """Array of shape (n_rows, n_cols) with NaN where nothing was observed."""
        out = np.full(self.shape, np.nan)
        out[self.rows, self.cols] = self.values
        return out

    def compressed_rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The observed entries as compressed sparse rows, without copying them.

        Returns
        -------
        indptr : ndarray of int64, shape (n_rows + 1,)
            The entries of row i are number ``indptr[i]`` to ``indptr[i + 1] - 1``.
        cols, values : ndarray, shape (n_observed,)
            Those of the problem.
        """
        return np.concatenate([[0], np.cumsum(self.row_counts)]), self.cols, self.values

    def to_sparse(self) -> sparse.csr_array:
        """The observed entries as a sparse matrix, including explicit zeros."""
        from scipy.sparse import csr_array

        indptr, cols, values = self.compressed_rows()
        return csr_array((values.copy(), cols.copy(), indptr), shape=self.shape)

    @cached_property
    def T(self) -> Problem:
        """The transposed problem."""
        order = np.lexsort((self.rows, self.cols))
        weights = None if self.weights is None else self.weights[order]
        layout = None if self.layout is None else self.layout.T
        shape = (self.n_cols, self.n_rows)
        return Problem(self.cols[order], self.rows[order], self.values[order], shape, weights, layout)

    def subset(self, mask: np.ndarray) -> Problem:
        """The problem with some of the observed entries (a boolean mask, or indices); same shape."""
        # entries stay sorted and occur once, whatever the order of the indices
        kept = np.unique(np.arange(self.n_observed)[chosen("mask", mask, self.n_observed)])
        weights = None if self.weights is None else self.weights[kept]
        return self._with_entries(kept, self.values[kept], weights)

    def of(self, rows: np.ndarray, cols: np.ndarray) -> Problem:
        """Of some rows and columns alone, in ascending order, numbered anew."""
        rows, cols = positions("rows", rows, self.n_rows), positions("cols", cols, self.n_cols)
        row_place, col_place = (np.full(size, -1) for size in self.shape)
        row_place[rows], col_place[cols] = np.arange(rows.size), np.arange(cols.size)
        i, j = row_place[self.rows], col_place[self.cols]
        kept = (i >= 0) & (j >= 0)
        weights = None if self.weights is None else self.weights[kept]
        return Problem(i[kept], j[kept], self.values[kept], (rows.size, cols.size), weights)

    def with_values(self, values: np.ndarray) -> Problem:
        """The same observed cells with other values, shape (n_observed,)."""
        copy = np.array(array("values", values, (self.n_observed,), finite=False))
        return self._with_entries(slice(None), copy, self.weights)

    def with_weights(self, weights: object) -> Problem:
        """The same entries with weights, in proportion to the inverse of their noise variance.

        Entries of weight 0 are dropped, as if they were not observed. Weights are scaled to mean 1.

        Parameters
        ----------
        weights : array_like, data frame, or scipy.sparse
            One number for each entry, shape (n_observed,), or a matrix of the problem's shape, of which only
            the observed cells are read.

        Raises
        ------
        InputError
            If the shape does not fit, a weight is negative, infinite or missing, or all weights are zero.
        """
        if hasattr(weights, "tocsr"):
            if weights.shape != self.shape:  # type: ignore[attr-defined]
                raise InputError(f"The weights have shape {weights.shape}, the matrix {self.shape}.")  # type: ignore[attr-defined]
            found = np.asarray(weights.tocsr()[self.rows, self.cols], dtype=np.float64).ravel()  # type: ignore[attr-defined]
        else:
            found = read_frame(weights)[0] if is_frame(weights) else as_numbers(weights)
            if found.shape == self.shape:
                found = found[self.rows, self.cols]
            elif found.shape != (self.n_observed,):
                raise InputError(
                    f"The weights have shape {found.shape}; expected {self.shape} or ({self.n_observed},)."
                )
        if not np.all(np.isfinite(found)) or np.any(found < 0):
            raise InputError("Weights of observed cells must be finite numbers, 0 or more.")
        if not np.any(found):
            raise InputError("All weights are zero: there is nothing to complete the matrix from.")
        kept = found > 0
        found = found[kept] / found[kept].mean()
        return self._with_entries(kept, self.values[kept], found)

    def _with_entries(
        self, kept: np.ndarray | slice, values: np.ndarray, weights: np.ndarray | None
    ) -> Problem:
        return replace(self, rows=self.rows[kept], cols=self.cols[kept], values=values, weights=weights)

    def with_labels(self, rows: object = None, cols: object = None) -> Problem:
        """The same entries in a matrix whose rows and columns have labels, which the result will have, too.

        Parameters
        ----------
        rows, cols : sequence, optional
            A label for each row, and for each column: text, dates, numbers or tuples.

        Raises
        ------
        InputError
            If there are more or fewer labels than rows or columns.
        """
        sides = []
        for name, labels, size in (("rows", rows, self.n_rows), ("cols", cols, self.n_cols)):
            sides.append(None if labels is None else as_index(labels))
            if sides[-1] is not None and len(sides[-1]) != size:
                raise InputError(f"{name} must have {size} labels, not {len(sides[-1])}.")
        return replace(self, layout=FrameLayout("pandas", *sides))

    def __repr__(self) -> str:
        m, n = self.shape
        return f"Problem({m} x {n}, {self.n_observed} observed, {self.n_observed / (m * n):.1%})"
