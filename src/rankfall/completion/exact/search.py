"""The exact question: does some rank with more cells than unknowns fit to machine precision?"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ...geometry import local_uniqueness
from ...problem import Problem
from ..clock import Clock, Ending, OutOfTime
from ..descent.certificate_anchors import Anchors
from ..descent.descend import Stage, descend
from ..descent.plan import DEPTH, Plan, plan
from ..descent.tried_ranks import Source, TriedRank
from ..seeds import quick_round_seed, round_seed
from ..solvers.least_squares import LeastSquaresFit, fit_least_squares
from ..solvers.ridge_path import fit_along_ridge, ridge_of_network
from .evidence import NEAR_LIMIT, Evidence, OpenQuestion
from .exactness import relative_misfit
from .information import largest_rank, without_copies
from .noise_test import QUICK_FIT, judge_misfits
from .precision import Precision
from .pursuit import pursue
from .rank_bound import least_rank

PHASE = "looking for an exact fit"
# a quick try: one narrow network, few ridges, and little patience with a start. Most problems need no more
_QUICK = {"n_chains": 1, "effort": 40, "max_width": 32, "rise": 1.42, "first": 0.05, "records": 2}
# chains whose misfit is above this have not found the data's directions
_UNFITTED = 0.8
# (chains, steps per ridge in units of m + n): cheap first, then longer chains for hard instances, which meet
# the rank at smaller ridges. On nine instances (100 x 100, rank 5, rho 1.05) a chain of 400, 1600 and 6400
# led to the exact fit 17 times of 72, 23 of 36, and 11 of 18
ROUNDS = ((2, 100), (2, 400), (4, 1600), (4, 6400))
# rounds of long chains begin where spectra begin to have gaps
_FIRST_OF_LONG = 1e-2
# ratio of neighbouring singular values that is a gap
_GAP = 2.5
# floating-point operations that the rounds after the first may spend in SGD, if layers stayed as wide as they
# begin (they do not: it is a fifth of that, or less)
_WORK = 4e12
# rounds below this are run to their end even if they look like noise
_CHEAP = 1e11
# a first round below this takes less than half a second
_TRIFLING = 3e10
# chains that never fitted the data better than this, though the ridge was negligible, fit noise
_NOISY = 0.08
# chains on exact data that are above this go on falling fast from one ridge to the next, though it rises; a
# slower fall than by this factor is that of a network that learns the noise by heart
_SLOW = 0.75
# from here on each least-squares fit costs seconds: fewer and shorter ones
_MANY_CELLS = 100_000
# fraction of the missing cells that may move before an exact fit says nothing
_OPEN = 0.25

Steps = Generator[Evidence, None, Evidence]


@dataclass(frozen=True, eq=False)
class ExactAnswer:
    """What the exact question found.

    Attributes
    ----------
    fit : LeastSquaresFit or None
        The exact fit of smallest rank; None if there is none, or none was found.
    unique : bool
        Whether it is locally the only one of its rank.
    underdetermined_rank : int or None
        Rank of an exact fit that was found and dropped because it leaves too much open.
    open_question : OpenQuestion or None
        The data look exact, but no fit was found.
    tried : tuple of TriedRank
        Every fit, with errors relative to the data's norm.
    history : tuple of dict
        Records of the descent that found the answer (or of the last one).
    anchors : Anchors or None
        The chains of that descent that a certificate can be about.
    sgd_steps : int
        Of all chains.
    ending : Ending
    """

    fit: LeastSquaresFit | None = None
    unique: bool = False
    underdetermined_rank: int | None = None
    open_question: OpenQuestion | None = None
    tried: tuple[TriedRank, ...] = ()
    history: tuple[dict[str, np.ndarray], ...] = ()
    anchors: Anchors | None = None
    sgd_steps: int = 0
    ending: Ending = Ending.COMPLETE


def search(
    problem: Problem, precision: Precision, max_rank: int | None, seed: int, clock: Clock
) -> ExactAnswer:
    """Look for an exact fit of rank at most `max_rank` with oversampling above 1.

    A complete submatrix bounds the rank from below (:mod:`.rank_bound`), one quick chain finds most exact
    matrices, and random signs tell noise from structure (:mod:`.noise_test`). What none of these decides is
    searched in rounds: chains fall through the ranks; wherever their spectrum shows a gap the part above it
    is fitted by least squares; near the information limit also along a ridge that falls to nothing
    (:mod:`..solvers.ridge_path`). A failed round is followed by a pursuit (rank by rank, adding the leading
    direction of the misfit), then by a round of longer chains, unless an inexact minimum predicts cells it
    has not seen: then the data are noisy, and more chains would only meet it again. The rounds of the longest
    chains are made only where the spectra pointed at a rank near the information limit (prediction says
    nothing there), the misfit falls at that rank as no noise does, and the values have more than a few
    digits. Where they fail the question is left open (:class:`.evidence.OpenQuestion`).

    Parameters
    ----------
    problem : Problem
        Values with root mean square 1.

    Returns
    -------
    ExactAnswer
        Ctrl-C and the end of the time are part of the answer, which then holds what was known.
    """
    without = without_copies(problem)
    if without is not problem:
        # how far a rank is from the information limit is not known then: no long search begins
        precision = replace(precision, coarse=True)
    evidence, ending, dropped = Evidence(precision), Ending.COMPLETE, None
    top = largest_rank(problem, max_rank) if precision.tells else 0
    least = least_rank(problem, precision)
    try:
        for latest in _search(problem, least, top, seed, clock, evidence):
            evidence = latest
    except OutOfTime:
        ending = Ending.OUT_OF_TIME
    except KeyboardInterrupt:
        ending = Ending.INTERRUPTED
    if evidence.found is not None and (
        leaves_too_much_open(problem, evidence)
        or (without is not problem and evidence.found.s.size > largest_rank(without, max_rank))
    ):
        dropped = evidence.found.s.size
        evidence = replace(evidence, found=None)
    return ExactAnswer(
        fit=evidence.found,
        unique=evidence.unique,
        underdetermined_rank=dropped,
        open_question=(
            None
            if dropped
            else evidence.open_question(problem, max(least - 1, 0), ending is Ending.OUT_OF_TIME)
        ),
        tried=evidence.tried,
        history=evidence.history,
        anchors=evidence.anchors,
        sgd_steps=evidence.sgd_steps,
        ending=ending,
    )


def _search(problem: Problem, least: int, top: int, seed: int, clock: Clock, evidence: Evidence) -> Steps:
    """What is quick, then rounds and pursuits; yields what is known after every step."""
    if top < max(least, 1):
        return evidence  # there is no exact fit, or none that would mean anything
    # values of a few digits are hardly ever of low rank: a quick look would be in vain
    may_be_noise = True
    if not evidence.precision.coarse:
        quick = yield from _one_round(
            problem, plan(problem, **_QUICK), least, top, quick_round_seed(seed), clock, evidence, quick=True
        )
        if quick.found is not None and quick.unique:
            return quick
        # nothing is made of a quick round that failed, but of the question that it leaves open
        may_be_noise = quick.found is None
        evidence = replace(evidence, sgd_steps=quick.sgd_steps, glimpse=quick)
        yield evidence
    elif _settings(problem, 0).work < _TRIFLING:
        may_be_noise = False  # one round follows, which takes no longer than the test
    if may_be_noise:
        judgement = judge_misfits(problem, top, evidence.precision, clock)
        if judgement.exact is not None:
            evidence = evidence.with_fit(problem, judgement.exact, Source.PURSUIT)
            yield evidence
        if judgement.is_noise or (evidence.found is not None and evidence.unique):
            return evidence
    for number in range(len(ROUNDS)):
        settings = _settings(problem, number)
        if settings.work > _WORK and number > 0:
            break
        chains_seed = round_seed(seed, number, len(ROUNDS))
        aimed_at = evidence.hard_ranks(problem)[:1] if number else []
        evidence = yield from _one_round(
            problem, settings, least, top, chains_seed, clock, evidence, end=aimed_at[0] if aimed_at else 0
        )
        is_hard = evidence.near_limit(problem)
        if evidence.found is not None or (evidence.precision.coarse and (number > 0 or not is_hard)):
            break
        evidence = yield from pursue(problem, top, clock, evidence)
        if evidence.found is not None:
            break
        if not is_hard and (number > 0 or evidence.says_noise(problem)):
            break
        if is_hard and not evidence.looks_exact(problem):
            break
    return evidence


def _settings(problem: Problem, number: int) -> Plan:
    """Settings of a round."""
    n_chains, effort = ROUNDS[number]
    return plan(problem, effort, n_chains, first=_FIRST_OF_LONG if number else None)


def leaves_too_much_open(problem: Problem, evidence: Evidence) -> bool:
    """Whether an exact fit leaves so much of what it should determine open that it says nothing.

    Data of low rank leave some cells open near the information limit, and where rows or columns have few
    entries. If more than a quarter of the other missing cells can move, there are more unknowns than
    independent equations (copies of a column are none), and a fit of this rank would reproduce anything.
    """
    fit = evidence.found
    if fit is None or evidence.unique:
        return False
    rank = fit.s.size
    # other rows and columns determine nothing but themselves, and make the null space large
    rows, cols = np.flatnonzero(problem.row_counts > rank), np.flatnonzero(problem.col_counts > rank)
    part = problem.of(rows, cols)
    local = local_uniqueness(part, (fit.U * fit.s)[rows], fit.V[cols])
    if local is None:
        return False
    row_labels, col_labels = problem.components
    missing = row_labels[rows, None] == col_labels[cols]
    missing[part.rows, part.cols] = False
    return bool(np.count_nonzero(local.free & missing) > _OPEN * np.count_nonzero(missing))


def _one_round(
    problem: Problem,
    settings: Plan,
    least: int,
    top: int,
    seed: int,
    clock: Clock,
    evidence: Evidence,
    quick: bool = False,
    end: int = 0,
) -> Steps:
    """Let chains fall once and fit what they show by least squares.

    In a `quick` round only where they fit. The round is over when all chains have fallen to rank `end` and
    were fitted there.
    """
    worst = _UNFITTED if quick else np.inf
    tried: dict[tuple[int, int], int] = {}
    evidence = replace(evidence, history=(), anchors=None)
    lowest = before = np.inf
    attempts = (2 if end else 3) if problem.n_observed < _MANY_CELLS else 1
    for stage in descend(problem, settings, seed, clock, PHASE):
        evidence = evidence.with_stage(stage)
        yield evidence
        for chain in np.flatnonzero(stage.train_rmse < worst).tolist():
            for rank in _ranks_at_gaps(stage.s[chain], least, top, settings.width):
                if tried.get((chain, rank), 0) >= attempts or evidence.knows_minimum(problem, rank):
                    continue
                tried[chain, rank] = tried.get((chain, rank), 0) + 1
                for latest in _fit_chain(problem, stage, chain, rank, evidence, quick):
                    evidence = latest
                    yield evidence
                    clock.check()
                if evidence.found is not None:
                    top = evidence.found.s.size - 1  # is a smaller rank enough?
                    if evidence.unique or top == 0:
                        return evidence
        if np.all(stage.train_rmse > 0.9) and np.all(stage.ranks <= 1):
            return evidence
        met = (tried.get((chain, end), 0) >= attempts for chain in range(settings.n_chains))
        if end and np.all((stage.ranks < end) | np.fromiter(met, bool)):
            return evidence
        now = float(stage.train_rmse.min())
        lowest = min(lowest, now)
        is_expensive = not quick and settings.work > _CHEAP
        if is_expensive and lowest > _NOISY and now > min(1.02 * lowest, _SLOW * before):
            return evidence
        before = now
    return evidence


def _ranks_at_gaps(s: np.ndarray, least: int, top: int, width: int) -> list[int]:
    """Ranks from `least` to `top` at the (at most two) widest gaps of a spectrum.

    The smallest values of a network as wide as its spectrum always trail off; no gap is looked for there.
    Where dead directions were dropped (`width` was that of the network before), the end of the spectrum is no
    gap.
    """
    top = min(top, int(0.8 * width)) if width > 20 else top
    top = min(top, s.size - 1) if s.size < width else top
    if not s[0] > 0:
        return []
    floor = 1e-12 * s[0]
    ratios = s / np.maximum(np.append(s[1:], 0.0), floor)
    lowest = max(least, 1) - 1
    ranks = [k + 1 for k in range(lowest, min(top, s.size)) if ratios[k] > _GAP and s[k] > 1e-4 * s[0]]
    return sorted(ranks, key=lambda k: -ratios[k - 1])[:2]


def _fit_chain(
    problem: Problem, stage: Stage, chain: int, rank: int, evidence: Evidence, quick: bool
) -> Iterator[Evidence]:
    """Fit the leading part of a chain's matrix by least squares, and near the limit along a falling ridge."""
    U, s, V = stage.U[chain][:, :rank], stage.s[chain][:rank], stage.Vt[chain][:rank].T
    before = relative_misfit(problem, U, s, V)
    limits = {"patience": 8 if problem.n_observed < _MANY_CELLS else 4}
    known = {"before": before, "ridge": stage.ridge, "steps": stage.step}
    fit = fit_least_squares(problem, U, s, V, **(QUICK_FIT if quick else limits))
    evidence = evidence.with_fit(problem, fit, Source.CHAIN, **known)
    yield evidence
    if not quick and not fit.settled and problem.oversampling(rank) < NEAR_LIMIT:
        ridge = ridge_of_network(stage.ridge, s, problem.n_observed, DEPTH)
        fit = fit_along_ridge(problem, U, s, V, ridge)
        yield evidence.with_fit(problem, fit, Source.RIDGE, **known)
