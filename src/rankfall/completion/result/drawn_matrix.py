"""A completed matrix whose missing cells can be drawn from the posterior."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast, overload

import numpy as np

from ...argument_checks import whole
from ...errors import InputError
from ...partly_known import Augmentation
from ..solvers.noise_model import AVERAGED, with_tails_of
from .completed_matrix import CompletedMatrix
from .draws import Draws
from .fold_in import FoldIn
from .positions import cells_of, positions

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, eq=False, kw_only=True)
class DrawnMatrix(CompletedMatrix):
    """What draws are made of beside the values; the attributes are described in :class:`Completion`."""

    settings: dict[str, object]

    @overload
    def draws(self, m: int, *, seed: int = 0, cells: None = None, labels: bool | None = None) -> Draws: ...
    @overload
    def draws(
        self, m: int, *, seed: int = 0, cells: tuple[object, object], labels: bool | None = None
    ) -> np.ndarray: ...
    def draws(
        self,
        m: int,
        *,
        seed: int = 0,
        cells: tuple[object, object] | None = None,
        labels: bool | None = None,
    ) -> Draws | np.ndarray:
        """Completed tables drawn from the posterior: multiple imputation.

        Observed cells are as they were given; missing ones are drawn together, with the uncertainty of
        factors, effects and noise, by Gibbs chains that begin with this fit and see all observed cells. Cells
        known by a limit are drawn by these chains, too, and lie on the allowed side. What
        is drawn is calibrated like :meth:`interval`: a draw lies within the interval of a missing cell with
        the interval's coverage, up to 99%, as far as held-out cells tell (with fewer than 50 of them it is
        the posterior as it stands). :func:`rankfall.pool` puts estimates from the tables together.

        Nothing is drawn before it is asked for, and nothing but this result is needed: one that was saved
        and loaded gives the same draws to the bit, for any number of threads.

        Parameters
        ----------
        m : int
            Number of draws, 20 for example. The first ones do not depend on it.
        seed : int
            Another seed gives other draws.
        cells : (rows, cols), optional
            Draw these cells alone, observed or not: positions or labels, as :meth:`predict` takes them.
        labels : bool, optional
            What whole numbers in `cells` are, as in :meth:`predict`.

        Returns
        -------
        Draws or ndarray
            A sequence of m tables, each made when it is asked for: frames like :meth:`to_frame` (whole
            numbers rounded) where a frame came in, otherwise arrays of shape (m, n). Its ``effective_size``
            says how many independent draws they are worth. With `cells` an array, ``(m, *shape of the
            cells)``, nothing rounded.

        Raises
        ------
        InputError
            If m is not a positive number, or as :meth:`predict`.

        Notes
        -----
        All values are within the bounds (those beyond are moved to them). Cells that the data do not
        determine are NaN, with ``fill="effects"`` they are drawn from what the model believes of any row and
        column. The draws of an exact fit are all the completion itself, except that cells which it leaves
        free are NaN. Where rows or columns have an order, how long they resemble each other is not drawn
        anew. The rank is that of this fit in all draws.

        References
        ----------
        D. B. Rubin, "Multiple Imputation for Nonresponse in Surveys", Wiley, 1987.
        """
        drawn = self._draws(m, seed)
        if cells is None:
            return drawn
        rows, cols = positions(self._axes, *cells_of(cells), labels)
        return drawn.at(rows.ravel(), cols.ravel()).reshape(drawn.m, *rows.shape)

    def transform_draws(self, new_rows: object, m: int, *, seed: int = 0) -> np.ndarray:
        """Draws of rows that were not there before, each by itself: the counterpart of :meth:`draws`.

        The columns of a draw are those of a state of the chains; what a row's entries leave open is drawn
        given these. A row is drawn alike whatever other rows come with it (equal rows are not drawn equal).
        A row without entries is drawn from what the model believes of any row.

        Parameters
        ----------
        new_rows : array, data frame, or scipy.sparse of shape (k, n)
            As :meth:`Completion.transform` takes them.
        m : int
            Number of draws.
        seed : int
            Another seed gives other draws.

        Returns
        -------
        ndarray, shape (m, k, n)
            Observed cells as they were given; cells that are not determined as in :meth:`draws`.

        Raises
        ------
        InputError
            As :meth:`Completion.transform`, and if the rows of this completion have an order.
        """
        drawn = self._draws(m, seed)
        if self.model.posterior.rows.chain is not None:
            raise InputError(
                "New rows are not drawn where the rows have an order: add them to the table, or complete it "
                'with ordered="none".'
            )
        return self._fold_in.rows_drawn(new_rows, drawn.of_new_rows)

    def _draws(self, m: int, seed: int) -> Draws:
        m, seed = whole("m", m, least=1), whole("seed", seed, least=0)
        averaged = str(self.settings.get("noise")).startswith(AVERAGED)
        own = self.model.posterior.noise_model
        noise_models = with_tails_of(own) if averaged else (own,)
        free = None
        if self.model.exact and self.rank:
            local = self.identifiability.local
            free = None if local is None or local.unique else local.free
        if self.limits is None:
            return Draws(m, seed, self._values, noise_models, free)
        known = Augmentation(self.limits.as_ranges())
        return Draws(m, seed, self._values, (own,), free, known, self.limits)

    @cached_property
    def _fold_in(self) -> FoldIn:
        marks = cast("Sequence[float]", self.settings.get("missing_values", ()))
        return FoldIn(self._values, self.col_names, tuple(marks))
