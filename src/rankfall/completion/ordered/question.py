"""Whether fits that know an order predict the held-out cells better than those that do not."""

from __future__ import annotations

from dataclasses import replace

from ...problem import Problem
from ..clock import Clock, Ending, OutOfTime
from ..noisy.search import NoisyAnswer
from ..options import Options
from .decisions import Decisions
from .evidence import resemble
from .fits import Candidate
from .held_out import gap_rows, gap_splits, in_gaps, on_runs
from .orders import Orders


class OrderQuestion:
    """The question of order to one table: asked early where that may spare a long search, or at the end.

    Parameters
    ----------
    orders : Orders
        The axes whose order may matter.
    """

    def __init__(self, orders: Orders, options: Options, clock: Clock) -> None:
        self._orders, self._options, self._clock = orders, options, clock
        self._early: tuple[Decisions, list[Candidate]] | None = None

    def early(self, answer: NoisyAnswer) -> NoisyAnswer | None:
        """The answer with order, if fits with order lead those of the ranks met by chains of SGD.

        None, too, if cells are to be held out in other ways (in gaps, or of other rows). What was fitted is
        remembered for :meth:`settle`.
        """
        if not self._is_asked or not answer.sample.is_all:
            return None
        tried = _worth_trying(answer, self._orders, self._options.ordered)
        if not tried or gap_splits(answer, self._orders, tried, self._options)[0]:
            return None
        decisions = Decisions(answer, tried, self._options, self._clock)
        self._early = decisions, decisions.candidates()
        found = decisions.answer_of(self._early[1], answer)
        return None if found.order == "none" else self._told(found, self._orders)

    def settle(self, answer: NoisyAnswer) -> NoisyAnswer:
        """The better answer: `answer` as it is unless an order earns its place."""
        if not self._is_asked:
            return answer
        try:
            if self._early is None:
                found, orders = self._found(answer)
            else:
                decisions, candidates = self._early
                found, orders = decisions.answer_of(candidates, answer), self._orders
        except OutOfTime:
            return replace(answer, ending=Ending.OUT_OF_TIME)
        except KeyboardInterrupt:
            return replace(answer, ending=Ending.INTERRUPTED)
        return answer if found.order == "none" else self._told(found, orders)

    @property
    def _is_asked(self) -> bool:
        return self._options.ordered != "none" and self._options.max_rank != 0

    def _found(self, answer: NoisyAnswer) -> tuple[NoisyAnswer, Orders]:
        """The better answer, and the orders of the rows that it is about."""
        orders, options = self._orders, self._options
        tried = _worth_trying(answer, orders, options.ordered)
        if not tried:
            return answer, orders
        if not answer.sample.is_all:
            answer = on_runs(answer, orders, options, self._clock)
            rows = answer.sample.rows
            orders, tried = orders.of_rows(rows), [each.of_rows(rows) for each in tried]
        decisions = Decisions(answer, tried, options, self._clock)
        candidates = decisions.candidates()
        found = decisions.answer_of(candidates, answer)
        if decisions.is_asked_of_gaps(candidates, found):
            plain, gaps = in_gaps(answer, orders, tried, options, self._clock)
            if gaps is not None:
                found = decisions.answer_in_gaps(candidates, plain, gaps)
        return found, orders

    def _told(self, found: NoisyAnswer, orders: Orders) -> NoisyAnswer:
        """With the order of all rows, and the gaps in them."""
        whole = None if self._orders.rows is None else self._orders.rows.chain()
        return replace(found, row_chain=whole, gap_rows=gap_rows(found, orders))


def _worth_trying(answer: NoisyAnswer, orders: Orders, asked: str) -> list[Orders]:
    """The orders that are tried, simple ones first."""
    if asked != "auto":
        wanted = {"rows": Orders(orders.rows), "columns": Orders(None, orders.cols), "both": orders}
        return [wanted[asked]] if asked in wanted else []
    levels, rest = _residuals(answer)
    rows = orders.rows if orders.rows is not None and resemble(levels, orders.rows) else None
    cols = orders.cols if orders.cols is not None and resemble(rest.T, orders.cols) else None
    found = []
    for each in (Orders(rows), Orders(None, cols), Orders(rows, cols)):
        if each.name not in ("none", *(known.name for known in found)):
            found.append(each)
    return found


def _residuals(answer: NoisyAnswer) -> tuple[Problem, Problem]:
    """What column effects leave of the training cells, and what row effects leave of that.

    Of a tall table, what locations and spreads of the columns leave of all cells.
    """
    fold, cells = answer.counting[0][0], answer.sample.whole
    if not answer.sample.is_all:
        at = cells.problem.cols
        rest = cells.problem.with_values((cells.problem.values - cells.center[at]) / cells.spread[at])
        return rest, rest
    rest, unit = fold.effects_residual()
    # levels of rows may follow each other, too
    return rest.with_values(rest.values + fold.row_effects(rest) / (unit or 1.0)), rest
