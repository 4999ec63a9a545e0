"""Jumps of the rank: where it fell or rose and stayed, how often, and after how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ..argument_checks import optional, whole
from ..declared_arguments import declared, itself
from ..dynamics import Trace
from ..errors import InputError
from .jump_steps import date_jumps
from .lasting_changes import lasting_changes
from .rank_series import RankRule, array_bounds, trace_bounds
from .survival import Rate, kaplan_meier, poisson_rate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Jumps:
    """Lasting changes of the rank in many chains.

    Attributes
    ----------
    table : DataFrame
        One row for each jump, sorted by chain and step. Columns: chain (position in the trace), after (step
        of the record before), step (of the record that shows the new rank first: the jump happened in ``after
        < t <= step``), rank_from, rank_to, kind ("fall" or "rise").
    begin : int
        Step of the first record that was looked at.
    exposure : ndarray of int64, shape (n_chains,)
        Steps from `begin` in which a jump of the chain would have been noticed. They end `dwell` before the
        last record (a change after that could not be confirmed, and is not counted), and for a diverged chain
        `dwell` before the last record in which it was observed.
    first_rank, last_rank : ndarray of int64, shape (n_chains,)
        Rank at `begin`, and after all jumps.
    dwell : int
        Steps for which a new rank must last.
    """

    table: DataFrame
    begin: int
    exposure: np.ndarray
    first_rank: np.ndarray
    last_rank: np.ndarray
    dwell: int
    _trace: Trace | None = field(default=None, repr=False)
    _rule: RankRule = field(default=RankRule(0, None, None), repr=False)

    @property
    def n_chains(self) -> int:
        return self.exposure.size

    @declared
    def count(self, upward: bool | None = None, *, rank_from: int | None = None) -> int:
        """Number of jumps: rises (True), falls (False) or both (None), of all chains or from one rank."""
        return len(self._select(upward, rank_from))

    @declared
    def rate(self, upward: bool | None = None, *, rank_from: int | None = None, level: float = 0.95) -> Rate:
        """Jumps per chain-step, with an exact Poisson interval.

        Parameters
        ----------
        upward : bool, optional
            True: rises only; False: falls only.
        rank_from : int, optional
            Only jumps from this rank, per step at this rank.
        level : float

        Returns
        -------
        Rate
            Its `rule_of_three` is the bound 3/n when nothing was seen.
        """
        exposure = self.exposure.sum() if rank_from is None else self._exposure_at(rank_from)
        return poisson_rate(self.count(upward, rank_from=rank_from), int(exposure), level)

    @declared
    def first_passage(self, rank: int) -> DataFrame:
        """When each chain that began above `rank` had fallen to `rank` or below.

        Returns
        -------
        DataFrame
            Columns: chain, step (of the fall, or of the end of observation), fell (bool).
        """
        import pandas as pd

        chains = np.flatnonzero(self.first_rank > rank)
        table = self.table
        firsts = table[(table.rank_to <= rank) & (table.kind == "fall")].groupby("chain")["step"].min()
        step = firsts.reindex(chains)
        fell = step.notna().to_numpy()
        censored = self.begin + self.exposure[chains]
        steps = np.where(fell, step.fillna(0).to_numpy(), censored).astype(np.int64)
        return pd.DataFrame({"chain": chains, "step": steps, "fell": fell})

    @declared
    def survival(self, rank: int, *, level: float = 0.95, interval: str = "log-log") -> DataFrame:
        """Kaplan-Meier estimate of the probability that the rank has not yet fallen to `rank` or below.

        Of the chains that began above `rank`; those that never fell so far are censored where their
        observation ends.

        Parameters
        ----------
        rank : int
        level : float
        interval : {"log-log", "linear"}
            See :func:`rankfall.analysis.kaplan_meier`.

        Returns
        -------
        DataFrame
            step, at_risk, events, censored, survival, low, high (Greenwood's interval).
        """
        passage = self.first_passage(rank)
        return kaplan_meier(passage["step"].to_numpy(), passage["fell"].to_numpy(), level, interval)

    @declared
    def refine(self, n_threads: int | None = None) -> Jumps:
        """The jumps as a run recorded at every step would show them, by replaying the steps around each.

        Replayed are the stretches after which a record disagrees with the rank so far, and `dwell` steps
        more. A jump of several ranks may come apart into several. If the rank went back for a moment between
        two records, the jump is dated to when it came back to stay, or is none. What happened and passed
        between two records that agree stays unseen if `dwell` is shorter than their distance.

        Chains recorded with "weights" are replayed from the record before, others from their beginning.

        Parameters
        ----------
        n_threads : int, optional

        Returns
        -------
        Jumps
            With exact steps (``after = step - 1``), and the exposure that belongs to them.

        Raises
        ------
        InputError
            If the jumps were found in arrays: only a trace can be replayed.
        """
        if self._trace is None:
            raise InputError(
                "Only jumps found in a Trace can be dated by replay; these were found in arrays."
            )
        dated = date_jumps(self._trace, self._rule, self.begin, self.dwell, n_threads)
        return replace(self, table=jump_table(dated.rows), exposure=dated.exposure, last_rank=dated.last_rank)

    def _select(self, upward: bool | None, rank_from: int | None) -> DataFrame:
        table = self.table
        if upward is not None:
            table = table[table.kind == ("rise" if upward else "fall")]
        return table if rank_from is None else table[table.rank_from == rank_from]

    def _exposure_at(self, rank: int) -> int:
        """Steps spent at `rank` by all chains, up to where their jumps would have been noticed."""
        table = self.table
        # time at a rank is the sum of departures minus the sum of arrivals
        left = table.loc[table.rank_from == rank, "step"].sum()
        reached = table.loc[table.rank_to == rank, "step"].sum()
        total = left - reached - self.begin * np.count_nonzero(self.first_rank == rank)
        return int(total + (self.begin + self.exposure[self.last_rank == rank]).sum())

    def __repr__(self) -> str:
        falls, rises = self.count(False), self.count(True)
        return (
            f"Jumps({self.n_chains} chains, {self.exposure.sum()} chain-steps, {falls} falls, {rises} rises)"
        )


@declared(source=itself, steps=itself)
def find_jumps(
    source: Trace | ArrayLike,
    *,
    steps: ArrayLike | None = None,
    dwell: int | None = None,
    tolerance: float | Sequence[float] | None = None,
    of: int = 0,
    start: int = 0,
) -> Jumps:
    """Find where the numerical rank fell or rose and stayed.

    A fall to rank r counts at the first record from which on the rank is r or lower for `dwell` steps (a
    rise: r or higher); shorter excursions are ignored. The last `dwell` steps of a run can confirm nothing
    and do not count as observed. Diverged chains are observed up to their last record.

    Parameters
    ----------
    source : Trace or array_like
        A trace; or ranks of shape (n_records,) or (n_chains, n_records), negative or NaN from where on a
        chain is not observed; or, with a `tolerance`, singular values of shape (n_chains, n_records, k).
    steps : array_like of int, shape (n_records,), optional
        Steps of the records of an array; ``0, 1, 2, ...`` by default.
    dwell : int, optional
        Steps (not records: the answer should not depend on how often one looks) for which a change must last.
        By default the usual distance between two records, so that two in a row must show it; 0 takes every
        change.
    tolerance : float or pair of float, optional
        Singular values at most this times the largest are dead. A pair (low, high): a direction dies at or
        below `low` and is alive again above `high`. By default the ranks that the run recorded; for `of` > 0
        ``0.01^(1/L)``, which at balanced weights means the same as 0.01 for A. Whole matrices are dead below
        1e-12 of the data, as in :class:`rankfall.Record`.
    of : int
        0: the rank of A. l = 1, ..., L - 1: of ``Z_l = [W_l | W_{l+1}^T]``, if "hidden_singular_values" were
        recorded.
    start : int
        Ignore what happened before this step.

    Returns
    -------
    Jumps

    Raises
    ------
    InputError
        If the arguments do not fit together, or the trace lacks what is needed.

    Examples
    --------
    >>> jumps = find_jumps([[5, 5, 3, 5, 3, 3, 3, 3]], dwell=2)
    >>> jumps.table
       chain  after  step  rank_from  rank_to  kind
    0      0      3     4          5        3  fall
    """
    dwell, start = optional(whole, "dwell", dwell, least=0), whole("start", start)
    rule, trace = RankRule.checked(source, tolerance, of), None
    if isinstance(source, Trace):
        trace, at = source, source.steps
        fewest, most = trace_bounds(source, rule)
    else:
        fewest, most = array_bounds(source, rule)
        at = _checked_steps(steps, most.shape[1])
    first = int(np.searchsorted(at, start))
    if first == at.size:
        raise InputError(f"There is no record at or after step {start}; the last is at {at[-1]}.")
    at, fewest, most = at[first:], fewest[:, first:], most[:, first:]
    if dwell is None:
        dwell = int(np.median(np.diff(at))) if at.size > 1 else 0
    found = lasting_changes(at, fewest, most, dwell)
    rows = (found.chain, at[found.record - 1], at[found.record], found.rank_from, found.rank_to)
    exposure = np.where(found.judged >= 0, at[found.judged] - at[0], 0)
    return Jumps(
        jump_table(np.stack(rows)), int(at[0]), exposure, found.first_rank, found.last_rank, dwell, trace,
        rule
    )  # fmt: skip


def jump_table(rows: np.ndarray) -> DataFrame:
    """The table of :class:`Jumps` from chain, after, step, rank_from and rank_to, shape (5, n_jumps)."""
    import pandas as pd

    table = pd.DataFrame(dict(zip(("chain", "after", "step", "rank_from", "rank_to"), rows, strict=True)))
    table["kind"] = np.where(table.rank_to < table.rank_from, "fall", "rise")
    return table


def _checked_steps(steps: ArrayLike | None, n_records: int) -> np.ndarray:
    at = np.arange(n_records) if steps is None else np.asarray(steps)
    if at.shape != (n_records,) or at.dtype.kind not in "iu" or (np.diff(at) <= 0).any():
        raise InputError(f"steps must be {n_records} increasing whole numbers, one for each record.")
    return at.astype(np.int64)
