"""What can go wrong, and how a run can end."""

from __future__ import annotations

from enum import Enum


class RankfallError(Exception):
    """Base class of every error that rankfall raises on purpose."""


class InputError(RankfallError, ValueError):
    """The input cannot be used; the message says why in one sentence (command line: exit code 2)."""


class Outcome(str, Enum):
    """How a completion ended; ``advice`` says what to do about it.

    The value is the word that is printed and saved.
    """

    EXACT = "exact"
    CHOSEN = "chosen"
    EFFECTS_ONLY = "effects only"
    NOT_CONVERGED = "not converged"
    UNDECIDED = "undecided"
    TIME_LIMIT = "time limit"
    INTERRUPTED = "interrupted"

    @property
    def advice(self) -> str:
        """One sentence for the user."""
        return _ADVICE[self]

    @property
    def converged(self) -> bool:
        """Whether the procedure ran to its end and its answer is the one it was looking for."""
        return self in (Outcome.EXACT, Outcome.CHOSEN, Outcome.EFFECTS_ONLY)


_ADVICE = {
    Outcome.EXACT: "The observed cells are reproduced to machine precision by a matrix of this rank.",
    Outcome.CHOSEN: "No exact fit of low rank; the rank was chosen by the error on held-out cells.",
    Outcome.EFFECTS_ONLY: (
        "Only row and column effects were fitted: no low-rank part lowered the error on held-out cells "
        "(low rank is probably the wrong model for these data), or there were too few cells to tell."
    ),
    Outcome.NOT_CONVERGED: "The last fit was still moving; raise max_time or try another seed.",
    Outcome.UNDECIDED: (
        "The data look exact, but no exact fit was found: more time (max_time) or another seed may find one; "
        "the best completion with noise was delivered."
    ),
    Outcome.TIME_LIMIT: "max_time was reached; the best completion found so far was delivered.",
    Outcome.INTERRUPTED: "Interrupted; the best completion found so far was delivered.",
}
