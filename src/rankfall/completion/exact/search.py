"""The exact question: does some rank with more cells than unknowns fit to machine precision?"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isnan, nan

import numpy as np
from scipy import sparse

from ...geometry import local_uniqueness
from ...problem import Problem
from ..descent.descend import Plan, Stage, descend, plan
from ..rank_path import Visit
from ..session import Session
from ..solvers.least_squares import Polished, polish
from ..solvers.low_rank import products
from .uniqueness import is_isolated

# a quick try: one narrow network, few ridges, and little patience with a start. Most problems need no more
_QUICK = {"n_chains": 1, "effort": 40, "max_width": 32, "rise": 1.42, "first": 0.05, "records": 2}
_QUICK_POLISH = {"max_iter": 16, "patience": 5, "max_inner": 100}
# chains whose misfit is above this have not found the data's directions
_UNFITTED = 0.8
# (chains, steps per ridge in units of m + n): cheap first, then wider nets cast for hard instances
ROUNDS = ((2, 100), (4, 250), (8, 250), (16, 400))
# misfit of an exact fit, relative to the norm of all observed cells and of those of one line
EXACT, EXACT_LINE = 1e-9, 1e-6
# the same for values that were rounded to single precision, by a share of up to 6e-8 each
_EXACT_SINGLE, _EXACT_LINE_SINGLE = 3e-7, 1e-5
_GAP = 2.5
# relative error below which a fit predicts, and oversampling below which exact data are hard
_PREDICTS, _NEAR_LIMIT = 0.5, 1.3
_MAX_PURSUIT_RANK = 30
# floating-point operations that the rounds after the first may spend in SGD, and a pursuit in polishing
_WORK = 4e11
# rounds below this are run to their end even if they look like noise
_CHEAP = 1e11
# chains that never fitted the data better than this, though the ridge was negligible, fit noise
_NOISY = 0.08
# chains on exact data that are above this go on falling fast from one ridge to the next, though it rises; a slower
# fall than by this factor is that of a network that learns the noise by heart
_SLOW = 0.75
_PURSUIT_WORK = 2e10
# fits of a rank that end so often, the middle half of them at misfits so much alike, have found its minimum (wrong
# basins of exact data are scattered); cells times rank squared below which more tries cost nothing
_SEEN, _ALIKE, _TRIFLE = 8, 1.1, 1e5
# from here on each attempt at polishing costs seconds: fewer and shorter ones
_MANY_CELLS = 100_000
# share of the missing cells that may move before an exact fit says nothing
_OPEN = 0.25


@dataclass
class Evidence:
    """What the search for an exact fit saw.

    Attributes
    ----------
    single : bool
        Whether the values have single precision only, and a fit is exact if it agrees to that.
    coarse : bool
        Whether the values have a few digits only: hardly any such table is reproduced by a low rank.
    found : Polished or None
        The exact fit of smallest rank.
    unique : bool
        Whether it is locally the only one of its rank.
    hollow : int
        Rank of an exact fit that was found and dropped because it leaves too much open; 0 if none.
    misfits : dict
        Rank -> residuals of the local minima where polishing settled without an exact fit.
    history : dict of list
        Records of the descent that found the answer (or of the last one).
    visits : list of Visit
        Every rank tried, with errors relative to the data's norm.
    """

    single: bool = False
    coarse: bool = False
    found: Polished | None = None
    unique: bool = False
    hollow: int = 0
    misfits: dict[int, list[float]] = field(default_factory=dict)
    best: dict[int, Polished] = field(default_factory=dict)
    history: list[dict[str, np.ndarray]] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)

    @property
    def tolerance(self) -> float:
        """Misfit of an exact fit, relative to the norm of the observed cells."""
        return _EXACT_SINGLE if self.single else EXACT

    def near_limit(self, problem: Problem) -> bool:
        """Whether the spectra pointed, more than once, at a rank with hardly more cells than unknowns, whose minimum is not known."""
        pointed = [visit.rank for visit in self.visits if not isnan(visit.sgd_train)]
        return any(
            pointed.count(rank) > 1
            and problem.oversampling(rank) < _NEAR_LIMIT
            and not self.knows(problem, rank)
            for rank in set(pointed)
        )

    def knows(self, problem: Problem, rank: int) -> bool:
        """Whether fits of this rank, which are dear, keep ending at one misfit: its minimum, and not exact."""
        misfits = [visit.train for visit in self.visits if visit.rank == rank and not isnan(visit.sgd_train)]
        if len(misfits) < _SEEN or problem.n_observed * rank**2 < _TRIFLE:
            return False
        low, high = np.quantile(misfits, (0.25, 0.75))
        return bool(high <= _ALIKE * low)

    def says_noise(self, problem: Problem) -> bool:
        """Whether an inexact minimum predicts cells that it has not seen.

        In a wrong basin of exact data the fit is good where it was made and worthless elsewhere. A
        minimum that predicts is the right one; what it leaves over is noise, or directions that a pursuit
        from it would have found.
        """
        return any(_predicts(problem, self.best[rank]) for rank in self.misfits if rank in self.best)


def search(
    problem: Problem, max_rank: int | None, seed: int, session: Session, evidence: Evidence
) -> Evidence:
    """Look for an exact fit of rank at most `max_rank` with oversampling above 1.

    Chains fall through the ranks; wherever their spectrum shows a gap the part above it is polished.
    A failed round is followed by a pursuit (rank by rank, adding the leading direction of the misfit),
    then by a round with more chains, unless an inexact minimum predicts cells it has not seen: then the
    data are noisy, and more chains would only meet it again. The widest nets are cast only where the
    spectra pointed at a rank near the information limit (prediction says nothing there) and the values have
    more than a few digits.

    Parameters
    ----------
    problem : Problem
        Values with root mean square 1.
    evidence : Evidence
        Filled in place, so that an interrupted search leaves what it knew.
    """
    top = problem.max_oversampled_rank()
    if max_rank is not None:
        top = min(top, max_rank)
    while top and problem.core_oversampling(top) <= 1:
        top -= 1
    if top < 1:
        return evidence
    # values of a few digits are hardly ever of low rank: a hasty look would be in vain
    if not evidence.coarse and _quick(problem, top, seed, session, evidence):
        return evidence
    for number, (n_chains, effort) in enumerate(ROUNDS):
        settings = plan(problem, effort, n_chains)
        work = _work(settings)
        if work > _WORK and number > 0:
            break
        _one_round(problem, settings, top, seed * len(ROUNDS) + number, session, evidence)
        if evidence.found is None:
            _pursue(problem, top, session, evidence)
        if evidence.found is not None:
            break
        hard = evidence.near_limit(problem) and not (evidence.coarse and number > 0)
        if not hard and (number > 0 or evidence.says_noise(problem)):
            break
    _drop_if_hollow(problem, evidence)
    return evidence


def _quick(problem: Problem, top: int, seed: int, session: Session, evidence: Evidence) -> bool:
    """Whether a hasty round finds a locally unique exact fit of small rank; if not, nothing is made of that."""
    settings = plan(problem, **_QUICK)
    # a start that no later round has
    _one_round(problem, settings, top, seed + 2**31, session, evidence, hasty=True)
    if evidence.found is not None and evidence.unique:
        return True
    evidence.found, evidence.unique = None, False
    for kept in (evidence.visits, evidence.misfits, evidence.best):
        kept.clear()
    return False


def _drop_if_hollow(problem: Problem, evidence: Evidence) -> None:
    """Do not believe an exact fit that leaves much of what it should determine open.

    Data of low rank leave some cells open near the information limit, and where lines have few entries. If more
    than a quarter of the other missing cells can move, there are more unknowns than independent equations (copies
    of a column are none), and a fit of this rank would reproduce anything.
    """
    fit = evidence.found
    if fit is None or evidence.unique:
        return
    local = local_uniqueness(problem, fit.U * fit.s, fit.V)
    if local is None:
        return
    rank = fit.s.size
    row_labels, col_labels = problem.components
    missing = row_labels[:, None] == col_labels
    missing &= (problem.row_counts > rank)[:, None] & (problem.col_counts > rank)
    missing[problem.rows, problem.cols] = False
    if np.count_nonzero(local.free & missing) > _OPEN * np.count_nonzero(missing):
        evidence.found, evidence.hollow = None, rank


def _one_round(
    problem: Problem,
    settings: Plan,
    top: int,
    seed: int,
    session: Session,
    evidence: Evidence,
    hasty: bool = False,
) -> None:
    """Let chains fall once and polish what they show; in a `hasty` round only where they fit."""
    worst = _UNFITTED if hasty else np.inf
    tried: dict[tuple[int, int], int] = {}
    evidence.history.clear()
    lowest = before = np.inf
    attempts = 3 if problem.n_observed < _MANY_CELLS else 1
    for stage in descend(problem, settings, seed, session, "looking for an exact fit"):
        evidence.history.append(stage.history)
        for chain in np.flatnonzero(stage.train_rmse < worst).tolist():
            for rank in _candidates(stage.s[chain], top, settings.width):
                if tried.get((chain, rank), 0) >= attempts or evidence.knows(problem, rank):
                    continue
                tried[chain, rank] = tried.get((chain, rank), 0) + 1
                _try(problem, stage, chain, rank, evidence, hasty)
                session.check()
                if evidence.found is not None:
                    top = evidence.found.s.size - 1  # is a smaller rank enough?
                    if evidence.unique or top == 0:
                        return
        if np.all(stage.train_rmse > 0.9) and np.all(stage.ranks <= 1):
            return
        now = float(stage.train_rmse.min())
        lowest = min(lowest, now)
        costly = not hasty and _work(settings) > _CHEAP
        if costly and lowest > _NOISY and now > min(1.02 * lowest, _SLOW * before):
            return
        before = now


def _work(settings: Plan) -> float:
    """Floating-point operations of the SGD steps of a descent, roughly."""
    return settings.steps * len(settings.ridges) * settings.n_chains * settings.width**2 * 6.0


def _candidates(s: np.ndarray, top: int, width: int) -> list[int]:
    """Ranks at the (at most two) widest gaps of a spectrum.

    The smallest values of a network as wide as its spectrum always trail off; no gap is looked for there. Where dead
    directions were dropped (`width` was that of the network before), the end of the spectrum is no gap.
    """
    top = min(top, int(0.8 * width)) if width > 20 else top
    top = min(top, s.size - 1) if s.size < width else top
    if not s[0] > 0:
        return []
    floor = 1e-12 * s[0]
    ratios = s / np.maximum(np.append(s[1:], 0.0), floor)
    ranks = [k + 1 for k in range(min(top, s.size)) if ratios[k] > _GAP and s[k] > 1e-4 * s[0]]
    return sorted(ranks, key=lambda k: -ratios[k - 1])[:2]


def _try(problem: Problem, stage: Stage, chain: int, rank: int, evidence: Evidence, hasty: bool) -> None:
    U, s, V = stage.U[chain][:, :rank], stage.s[chain][:rank], stage.Vt[chain][:rank].T
    before = _relative_misfit(problem, U, s, V)
    limits = {"patience": 8 if problem.n_observed < _MANY_CELLS else 4}
    fit = polish(problem, U, s, V, **(_QUICK_POLISH if hasty else limits))
    _note(problem, fit, evidence, before=before, ridge=stage.ridge, steps=stage.step)


def _note(
    problem: Problem,
    fit: Polished,
    evidence: Evidence,
    before: float = nan,
    ridge: float = nan,
    steps: float = nan,
) -> None:
    """Enter a polished fit in the evidence."""
    rank = fit.s.size
    if _is_exact(problem, fit, evidence) and rank > 1 and fit.s[-1] < evidence.tolerance * fit.s[0]:
        # a smaller rank was enough: what is left of the last direction is rounding
        kept = int(np.count_nonzero(fit.s >= evidence.tolerance * fit.s[0]))
        smaller = polish(problem, fit.U[:, :kept], fit.s[:kept], fit.V[:, :kept])
        if _is_exact(problem, smaller, evidence):
            fit, rank = smaller, kept
    evidence.visits.append(Visit(rank, fit.residual, sgd_train=before, ridge=ridge, steps=steps))
    if _is_exact(problem, fit, evidence):
        if evidence.found is None or rank < evidence.found.s.size:
            evidence.found = fit
            evidence.unique = is_isolated(problem, fit, evidence.tolerance, evidence.single)
        return
    if fit.settled and not isnan(before):  # pursuits start from a fit of smaller rank and tell nothing
        evidence.misfits.setdefault(rank, []).append(fit.residual)
    if rank not in evidence.best or fit.residual < evidence.best[rank].residual:
        evidence.best[rank] = fit


def _predicts(problem: Problem, fit: Polished) -> bool:
    """Whether a fit, polished again without a twentieth of the cells, is about right at these."""
    rank = fit.s.size
    spare = (problem.row_counts[problem.rows] > rank + 1) & (problem.col_counts[problem.cols] > rank + 1)
    held = spare & (np.random.default_rng(0).random(problem.n_observed) < 0.05)
    if not held.any():
        return False
    again = polish(problem.subset(~held), fit.U, fit.s, fit.V, patience=4)
    return _relative_misfit(problem.subset(held), again.U, again.s, again.V) < _PREDICTS


def _is_exact(problem: Problem, fit: Polished, evidence: Evidence) -> bool:
    """Whether all observed cells are reproduced, judged in all and line by line.

    One huge cell would make any fit of it look exact as a whole.
    """
    if not fit.residual < evidence.tolerance:
        return False
    line = _EXACT_LINE_SINGLE if evidence.single else EXACT_LINE
    fitted = products(problem.rows, problem.cols, fit.U * fit.s, fit.V)
    wrong, right = (fitted - problem.values) ** 2, problem.values**2
    for lines, size in ((problem.rows, problem.n_rows), (problem.cols, problem.n_cols)):
        misfit, norm = np.bincount(lines, wrong, size), np.bincount(lines, right, size)
        # rounding is relative to the whole: a line of zeros cannot be met better than that
        if np.any(misfit > np.maximum(line**2 * norm, 1e-24 * norm.sum())):
            return False
    return True


def _pursue(problem: Problem, top: int, session: Session, evidence: Evidence) -> None:
    """Add the leading direction of the misfit and polish, rank by rank, from the best small fit."""
    start = min(evidence.best, default=0)
    fit = evidence.best.get(start)
    work = 0.0
    m, n = problem.shape
    for rank in range(start + 1, min(top, _MAX_PURSUIT_RANK) + 1):
        session.report("adding directions one by one", rank=rank)
        small = min(m, n) * rank
        work += 15 * (problem.n_observed * rank**2 * 4.0 + min(small, 1200) ** 2 * small / 3)
        if work > _PURSUIT_WORK:
            return
        previous = fit.residual if fit is not None else 1.0
        fit = polish(problem, *_grown(problem, fit))
        _note(problem, fit, evidence)
        if evidence.found is not None or fit.residual > 0.999 * previous:
            return


def _grown(problem: Problem, fit: Polished | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A start of the next rank: the fit plus the leading singular pair of its misfit."""
    m, n = problem.shape
    if fit is None:
        U, s, V = np.empty((m, 0)), np.empty(0), np.empty((n, 0))
    else:
        U, s, V = fit.U, fit.s, fit.V
    error = problem.values - products(problem.rows, problem.cols, U * s, V)
    misfit = problem.with_values(error).to_sparse()
    if min(m, n) > 2:
        # not a vector of ones: centred data would send it to zero, which is an error to ARPACK
        begin = np.random.default_rng(0).standard_normal(min(m, n))
        u, _, vt = sparse.linalg.svds(misfit, k=1, v0=begin)
    else:
        u, _, vt = np.linalg.svd(misfit.toarray())
        u, vt = u[:, :1], vt[:1]
    # the step along u v^T that lowers the misfit most
    direction = u[problem.rows, 0] * vt[0, problem.cols]
    length = float(direction @ error) / float(direction @ direction)
    Ql, Rl = np.linalg.qr(np.hstack([U, u]))
    Qr, Rr = np.linalg.qr(np.hstack([V, vt.T]))
    a, s, bt = np.linalg.svd(Rl @ np.diag(np.append(s, length)) @ Rr.T)
    return Ql @ a, s, Qr @ bt.T


def _relative_misfit(problem: Problem, U: np.ndarray, s: np.ndarray, V: np.ndarray) -> float:
    fitted = products(problem.rows, problem.cols, U * s, V)
    return float(np.linalg.norm(fitted - problem.values) / np.linalg.norm(problem.values))
