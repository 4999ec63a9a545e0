"""Choosing for data with noise, by cells that were held out before anything was fitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from ...problem import Problem
from ..rank_path import Visit, combined
from ..session import Session
from ..solvers.low_rank import both_errors, rms
from ..solvers.variational import Posterior, Refitter
from .data_model import DataModel, candidates, fit_model

MIN_CELLS = 20
_PILOT_RANK, _PILOT_SWEEPS = 8, 15
# share of the held-out error by which a more elaborate data model must be better
_EARNED = 0.005
_MOST_HELD = 50_000
# held-out cells without which lines are not given noise shares of their own: in small tables a factor may
# otherwise make one column its own, as if that had no noise
_LINES_NEED = 200
# noise models: cells by which a line's own share of the noise is drawn towards 1 (infinite: alike in all lines)
NOISES = (np.inf, 200.0, 20.0)
# errors of a visit at the held-out cells
_HELD = ("validation", "validation_mae")
# relative difference of held-out errors that is not worth a larger rank
_AS_GOOD = 0.002


@dataclass(frozen=True)
class Wishes:
    """What the caller of :func:`rankfall.complete` settled for the noisy case."""

    max_rank: int | None = None
    effects: str = "auto"
    scaling: str = "auto"
    rule: str = "one-se"
    folds: int | None = None


@dataclass
class Split:
    """One split of the cells into training and held-out ones, under one data model; filled in place.

    Attributes
    ----------
    training, held : Problem
        Standardised values.
    line_cells : float
        Noise model of new fits: one of :data:`NOISES`.
    pilot_noise : float
        Noise variance that a first small fit found.
    fits : dict
        Rank -> refit on the training cells; rank 0 is the effects alone.
    starts : dict
        Rank -> column factors of the chain where the rank was met, shape (n, rank).
    begun : set
        Numbers of factors with which fits were begun under the present noise model; some may have died.
    check : callable
        Called between sweeps; raises when the time is over.
    """

    model: DataModel
    training: Problem
    held: Problem
    refitter: Refitter
    line_cells: float = np.inf
    pilot_noise: float = 1.0
    fits: dict[int, Posterior] = field(default_factory=dict)
    starts: dict[int, np.ndarray] = field(default_factory=dict)
    begun: set[int] = field(default_factory=lambda: {0})
    check: Callable[[], None] = lambda: None

    def misfits(self, fit: Posterior, cells: Problem) -> np.ndarray:
        """Errors of a fit at some cells, in the units that the model was made for."""
        return (fit.at(cells.rows, cells.cols) - cells.values) * self.model.scale[cells.cols]

    def held_errors(self, fit: Posterior) -> tuple[float, float]:
        """Root mean square and mean absolute error at the held-out cells."""
        return both_errors(self.misfits(fit, self.held), self.held.weights)

    def held_error(self, fit: Posterior) -> float:
        """What fits are compared by: both errors at the held-out cells combined."""
        return combined(*self.held_errors(fit))

    @property
    def may_differ(self) -> bool:
        """Whether there are cells enough to give lines noise shares of their own."""
        return self.held.n_observed >= _LINES_NEED

    def start_fit(self, V: np.ndarray, noise: float) -> Posterior:
        """A fit of new column factors, rows folded in."""
        return self.refitter.start(np.ascontiguousarray(V), noise, self.line_cells, self.fits.get(0))


@dataclass
class Choice:
    """What the search for the best rank knows; filled in place.

    Attributes
    ----------
    splits : list of Split
        One, or one for every fold.
    plain : list of Split
        The same cells under the data model whose effects alone do best: what rank 0 means.
    pooled : bool
        Whether all splits have been fitted with all ranks; until then the first one judges alone.
    visits : list of Visit
        Every rank visited; the first is rank 0, the effects alone.
    facts : dict
        Rank -> what is known of the chain of SGD that led there.
    mixtures : dict
        Rank -> noise models over whose chains its fit is the mean, where that is more than one.
    """

    splits: list[Split]
    plain: list[Split]
    wishes: Wishes
    pooled: bool = False
    visits: list[Visit] = field(default_factory=list)
    history: list[dict[str, np.ndarray]] = field(default_factory=list)
    facts: dict[int, dict[str, float]] = field(default_factory=dict)
    mixtures: dict[int, tuple[float, ...]] = field(default_factory=dict)

    @property
    def first(self) -> Split:
        return self.splits[0]

    @property
    def judges(self) -> list[Split]:
        """The splits whose held-out cells count at present."""
        return self.splits if self.pooled else self.splits[:1]

    def judges_of(self, rank: int) -> list[Split]:
        """The same, under the data model that a rank goes with."""
        return self.judges if rank else self.plain[: len(self.judges)]

    def enter(self, fit: Posterior, **facts: float) -> Visit:
        """Note a fit on the first split; the better one of a rank is kept, and what is known of the rank."""
        first, rank = self.first, fit.rank
        if rank == 0:  # all factors died: these are the effects alone
            return self.visits[0]
        known = first.fits.get(rank)
        if known is not None and known.line_cells == fit.line_cells:
            fit = min(known, fit, key=first.held_error)
        first.fits[rank] = fit
        facts = self.facts.setdefault(rank, {}) | facts
        self.facts[rank] = facts
        train = rms(first.misfits(fit, first.training), first.training.weights)
        visit = Visit(rank, train, *first.held_errors(fit), refit_ridge=fit.ridge, **facts)
        self.visits = [other for other in self.visits if other.rank != rank] + [visit]
        return visit

    def forget(self, but: set[int]) -> None:
        """Drop the fits of all ranks except 0 and some: they were made under another noise model."""
        self.visits = [visit for visit in self.visits if visit.rank in but | {0}]
        self.first.fits = {rank: fit for rank, fit in self.first.fits.items() if rank in but | {0}}

    def best(self) -> Visit:
        """The visit with the smallest held-out error; the smaller rank among equals."""
        return min(self.visits, key=lambda visit: (visit.merit, visit.rank))

    def chosen(self) -> Visit:
        """The rank with the smallest held-out error, or the smallest that is as good.

        As good: in squared as in absolute errors within one standard error, or a five-hundredth. (A few bad
        cells make the standard error of squared errors so large that it excuses much.) The comparison is
        paired: the standard error is that of the mean difference, cell by cell, between a rank and the best.
        """
        best = self.best()
        if self.wishes.rule == "min":
            return best
        reference = self.squares(best.rank)
        for visit in sorted(self.visits, key=lambda visit: visit.rank):
            squares = self.squares(visit.rank)
            if _as_good(squares, reference, 2 * _AS_GOOD) and _as_good(
                np.sqrt(squares), np.sqrt(reference), _AS_GOOD
            ):
                return visit
        return best

    def squares(self, rank: int) -> np.ndarray:
        """Squared errors at all held-out cells, times their weights."""
        return np.concatenate([squares(split, split.fits[rank]) for split in self.judges_of(rank)])

    def held_errors(self, rank: int) -> tuple[float, float]:
        """Root mean square and mean absolute error at all held-out cells."""
        judges = self.judges_of(rank)
        misfit = np.concatenate([split.misfits(split.fits[rank], split.held) for split in judges])
        given = [split.held.weights for split in judges if split.held.weights is not None]
        return both_errors(misfit, np.concatenate(given) if given else None)

    def pool(self) -> None:
        """Held-out errors over all folds from now on."""
        self.pooled = True
        self.visits = [
            replace(visit, **dict(zip(_HELD, self.held_errors(visit.rank), strict=True)))
            for visit in self.visits
        ]

    @property
    def n_held(self) -> int:
        return sum(split.held.n_observed for split in self.judges)


def squares(split: Split, fit: Posterior) -> np.ndarray:
    """Squared errors at the held-out cells, times their weights."""
    errors = split.misfits(fit, split.held) ** 2
    return errors if split.held.weights is None else errors * split.held.weights


def _as_good(errors: np.ndarray, reference: np.ndarray, share: float) -> bool:
    """Whether errors are no larger on average, up to a standard error or this share of the mean."""
    worse = errors - reference
    return bool(worse.mean() <= max(worse.std() / np.sqrt(worse.size), share * reference.mean()))


def hold_out(problem: Problem, seed: int) -> tuple[Problem, Problem]:
    """Split off validation cells: 10%, at most 50,000, at most half of any line, no line emptied."""
    wanted = min(max(problem.n_observed // 10, 1), _MOST_HELD)
    order = np.random.default_rng([seed, 1]).permutation(problem.n_observed)
    row_left, col_left = problem.row_counts // 2, problem.col_counts // 2
    held = np.zeros(problem.n_observed, bool)
    taken = 0
    for cell in order:
        i, j = problem.rows[cell], problem.cols[cell]
        if row_left[i] and col_left[j]:
            row_left[i] -= 1
            col_left[j] -= 1
            held[cell] = True
            taken += 1
            if taken == wanted:
                break
    return problem.subset(~held), problem.subset(held)


def parts(problem: Problem, seed: int, folds: int | None) -> list[tuple[Problem, Problem]]:
    """(training, held-out) cells: one split, or `folds` of them in which every cell is held out once."""
    if folds is None:
        return [hold_out(problem, seed)]
    label = np.random.default_rng([seed, 1]).permutation(problem.n_observed) % folds
    return [(problem.subset(label != fold), problem.subset(label == fold)) for fold in range(folds)]


def start(
    problem: Problem, seed: int, session: Session, wishes: Wishes, mixed: bool = False
) -> Choice | None:
    """Hold cells out and choose the data model; None when there are too few cells to hold any out."""
    if problem.n_observed < MIN_CELLS:
        return None
    both = parts(problem, seed, wishes.folds)
    if min(held.n_observed for _, held in both) < 2:
        return None
    session.report("choosing the data model")
    first, plain = _choose_model(*both[0], seed, session, wishes, mixed)
    first.check = session.check
    choice = Choice([first], [plain], wishes)
    for train, held in both[1:]:
        other = split_under(first.model.effects, first.model.scaling, train, held)
        other.line_cells, other.pilot_noise = first.line_cells, first.pilot_noise
        alone = split_under(plain.model.effects, plain.model.scaling, train, held)
        other.check = session.check
        choice.splits.append(other)
        choice.plain.append(alone)
        for split in (other, alone):
            split.fits[0] = effects_alone(split)
    misfit = plain.misfits(plain.fits[0], plain.training)
    choice.visits.append(Visit(0, rms(misfit, plain.training.weights), *plain.held_errors(plain.fits[0])))
    return choice


def split_under(effects: str, scaling: str, train: Problem, held: Problem) -> Split:
    """A split standardised by a data model that is fitted to its training cells."""
    model = fit_model(train, effects, scaling)
    refitter = model.refitter(train)
    return Split(model, refitter.problem, model.standardise(held), refitter)


def effects_alone(split: Split) -> Posterior:
    """The fit of rank 0."""
    return split.refitter.improve(split.start_fit(np.zeros((split.training.n_cols, 0)), 1.0), 20)


def _choose_model(
    train: Problem, held: Problem, seed: int, session: Session, wishes: Wishes, mixed: bool
) -> tuple[Split, Split]:
    """The data models under which a small fit, and effects alone, predict the held-out cells best."""
    rank = max(1, min(_PILOT_RANK, min(train.shape) - 1, train.max_oversampled_rank(2.0)))
    if wishes.max_rank is not None:
        rank = min(rank, wishes.max_rank)
    V = 0.3 * np.random.default_rng([seed, 2]).standard_normal((train.n_cols, rank))
    best: tuple[Split, Posterior] | None = None
    plain: tuple[float, Split] | None = None
    for effects, scaling in candidates(train, mixed, wishes.effects, wishes.scaling):
        session.check()
        split = split_under(effects, scaling, train, held)
        split.fits[0] = effects_alone(split)
        alone = split.held_error(split.fits[0])
        # without any effect nothing would be left but zeros
        if plain is None or plain[1].model.effects == "none" or (alone < plain[0] and effects != "none"):
            plain = (alone, split)
        fit = split.refitter.improve(split.start_fit(V, 1.0), _PILOT_SWEEPS)
        split.pilot_noise = fit.noise
        fit = min(fit, split.fits[0], key=split.held_error)
        if best is None or earns_its_place(squares(*best), squares(split, fit)):
            best = (split, fit)
    assert best is not None and plain is not None
    split, fit = best
    session.check()
    if not split.may_differ:
        return split, plain[1]
    settled = split.line_cells
    for cells in NOISES[1:]:
        split.line_cells = cells
        lines = split.refitter.improve(split.start_fit(V, 1.0), _PILOT_SWEEPS)
        if earns_its_place(squares(split, fit), squares(split, lines)):
            fit, settled = lines, cells
    split.line_cells = settled
    return split, plain[1]


def earns_its_place(simple: np.ndarray, elaborate: np.ndarray) -> bool:
    """Whether squared errors of a more elaborate model are smaller, noticeably and by a standard error."""
    gain = simple - elaborate
    least = max(2 * _EARNED * simple.mean(), gain.std() / np.sqrt(gain.size))
    return bool(gain.mean() > least)
