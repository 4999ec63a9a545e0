"""What a user of a result should beware of, one sentence each."""

from __future__ import annotations

import numpy as np

from ...errors import Outcome
from ..exact import ExactAnswer
from ..noisy import NoisyAnswer
from ..options import Options
from ..result.completion import Completion
from ..result.determined import components
from ..standardise import Standardisation
from .low_values import low_values_missing
from .unlike_observed import unlike_observed

# the local-uniqueness check is made without being asked up to this many unknowns
_CHEAP_UNKNOWNS = 2500
# a low rank that gains less than this share of the error over effects alone is probably the wrong model
_GAIN = 0.01
# gaps that are longer than those that could be held out by this factor are mentioned
_MUCH_LONGER = 1.5


def warnings_of(
    result: Completion,
    standardisation: Standardisation,
    options: Options,
    exact: ExactAnswer | None,
    noisy: NoisyAnswer | None,
) -> tuple[str, ...]:
    """One sentence for everything that the user should beware of."""
    problem, rank, outcome = standardisation.fitted, result.rank, result.outcome
    max_rank, fill = options.max_rank, options.fill
    out = []
    if standardisation.mixed_units:
        out.append(
            "The columns have very different units: errors are given in standard deviations of the columns."
        )
    if max_rank is not None and outcome is not Outcome.EXACT:
        out.append(f"Only ranks up to {max_rank} were considered.")
    row_labels, col_labels = components(problem, result.model.posterior)
    empty_rows, empty_cols = (int(np.count_nonzero(labels < 0)) for labels in (row_labels, col_labels))
    fate = "filled with effects only" if fill == "effects" else "left empty"
    if empty_rows or empty_cols:
        out.append(f"{_rows_and_columns(empty_rows, empty_cols)} without any entry: their cells are {fate}.")
    if outcome is Outcome.EXACT and result.model.posterior.has_order:
        count = int(np.count_nonzero(problem.row_counts == 0))
        out.append(
            f"{_rows_and_columns(count, 0)} without any entry: filled between their neighbours, which is not "
            "exact, and nothing says how well."
        )
    n_components = np.unique(row_labels[row_labels >= 0]).size
    if n_components > 1:
        out.append(
            f"The observed cells fall into {n_components} blocks that share no row or column; "
            f"cells between blocks cannot be determined and are {fate}."
        )
    if exact is not None and exact.underdetermined_rank is not None:
        out.append(
            f"A matrix of rank {exact.underdetermined_rank} reproduces all observed cells, but leaves so "
            "many missing cells open that it says nothing about them; the rank was chosen by held-out cells."
        )
    if exact is not None and outcome is Outcome.UNDECIDED:
        out += _left_open(exact)
    out += _order_not_used(options.ordered, str(result.settings["ordered"]), outcome)
    out += _gaps_not_imitated(noisy)
    out += _wrong_model(noisy, standardisation.unit, rank, outcome)
    if not rank and result.settings["effects"] == "none" and np.any(problem.values):
        out.append("Neither a low-rank part nor effects were fitted: every cell that was filled in is zero.")
    if noisy is None and outcome is Outcome.EFFECTS_ONLY:
        out.append("Too few observed cells to hold any out: only effects were fitted.")
    if rank:
        short = [
            int(np.count_nonzero((counts > 0) & (counts < rank))) * (side.chain is None)
            for counts, side in (
                (problem.row_counts, result.model.posterior.rows),
                (problem.col_counts, result.model.posterior.cols),
            )
        ]
        if any(short):
            out.append(
                f"{_rows_and_columns(*short)} with fewer entries than the rank {rank}: their predictions "
                "lean on the ridge (or the least norm) and are uncertain."
            )
    # the search knows already whether the fit is the only one near by; which cells move is another question
    open_ended = outcome is Outcome.EXACT and rank and exact is not None and not exact.unique
    if open_ended and rank * sum(problem.shape) <= _CHEAP_UNKNOWNS:
        out += _uniqueness_warning(result)
    if standardisation.augmentation is None or result.limits is not None:  # else the table is a latent one
        out += unlike_observed(result)
        out += low_values_missing(result)
    return tuple(out)


def _left_open(exact: ExactAnswer) -> list[str]:
    """What is known of an exact fit that was not found."""
    question = exact.open_question
    if question is None:
        return []
    ranks = f"ranks up to {question.excluded} are excluded" if question.excluded else "no rank is excluded"
    return [
        f"The data look exact at rank {question.rank} (misfit still falling at {question.misfit:.1e}), but "
        f"no exact fit was found; more time may find one (max_time), or another seed; {ranks}."
    ]


def _order_not_used(asked: str, used: str, outcome: Outcome) -> list[str]:
    """Whether an order was asked for in vain."""
    if asked in ("auto", used):
        return []
    if outcome is Outcome.EXACT:
        return [f'ordered="{asked}" was not used: a matrix of low rank fits exactly, without any order.']
    return [f'ordered="{asked}" was not used: there were too few cells, or too little time.']


def _gaps_not_imitated(noisy: NoisyAnswer | None) -> list[str]:
    """Whether gaps are much longer than all runs of held-out cells."""
    longest, imitated = (0, 0) if noisy is None else noisy.gap_rows
    if longest <= _MUCH_LONGER * imitated:
        return []
    return [
        f"The longest gap has {longest:,} rows, but no gap of more than {imitated:,} could be imitated by "
        "held-out cells: intervals inside longer ones are not calibrated."
    ]


def _wrong_model(noisy: NoisyAnswer | None, unit: float, rank: int, outcome: Outcome) -> list[str]:
    """Whether a low-rank part predicts hardly better than effects alone."""
    if noisy is None or outcome not in (Outcome.CHOSEN, Outcome.EFFECTS_ONLY, Outcome.NOT_CONVERGED):
        return []
    if len(noisy.tried) < 2:
        return []
    alone, chosen = noisy.effects_alone.validation, noisy.chosen.validation
    if rank and chosen < (1 - _GAIN) * alone:
        return []
    return [
        f"Low rank is probably the wrong model for these data: at the held-out cells its error is "
        f"{chosen * unit:.4g}, that of effects alone {alone * unit:.4g}."
        if rank
        else "Low rank is probably the wrong model for these data: no rank predicted the held-out cells "
        "better "
        "than effects alone."
    ]


def _uniqueness_warning(result: Completion) -> list[str]:
    local = result.identifiability.local
    if local is None or local.unique:
        return []
    text = (
        f"The exact fit is not locally unique: {local.n_free_cells} missing cells can move while all "
        "observed ones stay; see identifiability."
    )
    return [text]


def _rows_and_columns(rows: int, cols: int) -> str:
    parts = [
        f"{count} {name}{'s' if count > 1 else ''}"
        for count, name in ((rows, "row"), (cols, "column"))
        if count
    ]
    return " and ".join(parts)
