"""What a completed table with kinds says of itself, most of it by its latent table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import Outcome
from ...problem import Problem
from ..result.completion import Completion
from .columns import KindsTable

if TYPE_CHECKING:
    import pandas as pd


class Facts:
    """The facts of a :class:`~.mixed_completion.MixedCompletion`."""

    latent: Completion
    table: KindsTable

    def __getattr__(self, name: str) -> Any:
        """Whatever else a completion has is asked for in vain, and the sentence says where it is."""
        kind = type(self).__name__
        if name.startswith("_") or not (hasattr(Completion, name) or name in Completion.__annotations__):
            raise AttributeError(f"{kind!r} object has no attribute {name!r}")
        raise AttributeError(
            f"{name} is not there for tables with columns of several kinds; that of the latent table is "
            f"latent.{name}.",
            name=name,
            obj=self,
        )

    @property
    def shape(self) -> tuple[int, int]:
        return self.table.problem.shape

    @property
    def rank(self) -> int:
        """Number of factors of the latent table."""
        return self.latent.rank

    @property
    def outcome(self) -> Outcome:
        """How the run ended."""
        return self.latent.outcome

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence each."""
        return self.latent.warnings

    @property
    def settings(self) -> dict[str, object]:
        """What was asked for and what was chosen, of the latent table."""
        return self.latent.settings

    @property
    def path(self) -> pd.DataFrame:
        """The ranks tried, of the latent table."""
        return self.latent.path

    @property
    def seconds(self) -> float:
        """Wall-clock time of the run."""
        return self.latent.seconds

    @property
    def problem(self) -> Problem:
        """The observed cells, levels counted from 0."""
        return self.table.problem

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of every column, by its label as text or its position."""
        return dict(zip(self.table.names, (one.kind for one in self.table.kinds), strict=True))

    @property
    def row_names(self) -> tuple[str, ...] | None:
        """Row labels as text, if there are any."""
        layout = self.table.problem.layout
        return None if layout is None else layout.row_names

    @property
    def col_names(self) -> tuple[str, ...] | None:
        """Column labels as text, if there are any."""
        layout = self.table.problem.layout
        return None if layout is None else layout.col_names
