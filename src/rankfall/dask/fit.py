"""The fit: sweeps at one rank until the held-out error no longer falls, and the choice between ranks.

Every state is written down before the next sweep begins, under the name of its rank; a run that was stopped
goes on with the last one, and nothing depends on whether it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from ..completion.clock import Progress
from .blocks import Layout
from .sample import more_factors
from .scheduler import Scheduler
from .state import Judged, State, read_state, write_state
from .sweep import Source, Sums, add, group_sums
from .update import advance, singular_values, with_rank

# sweeps of one rank at most; relative fall of the held-out error in a sweep below which ranks are compared,
# and below which the chosen one is done: in runs of benchmarks/beyond_memory.py with 1 and 10 million cells
# the error then fell by less than one in ten thousand more
CONVERGED, _COMPARED, _DONE = 40, 1e-3, 1e-4
# sweeps at least: of fits that begin with another one's factors, and of those with new ones, whose error may
# stay the same before it falls
_LEAST, _LEAST_NEW = 2, 5
# error over the smallest one above which a fit is given up if it hardly falls
_HOPELESS = 1.02
# sweeps over all cells, the held-out ones included, that end the fit
FINAL_SWEEPS = 3
# ranks above and below the sample's that are compared, and by how much a larger rank must be better
BESIDE, _GAIN = 2, 2e-3


@dataclass
class Fit:
    """Sweeps over one layout of blocks.

    Attributes
    ----------
    folder : Path
        Of the completion; states are in its folder ``work``.
    scheduler : Scheduler
    source : Source
        For the blocks; its state is set for every sweep.
    n_bytes : int
        What a sweep reads.
    callback : callable or None
    started : float
    """

    folder: Path
    scheduler: Scheduler
    source: Source
    n_bytes: int
    callback: Callable[[Progress], None] | None = None
    started: float = field(default_factory=time.perf_counter)
    sweeps: int = 0
    seconds: float = 0.0

    @property
    def layout(self) -> Layout:
        return self.source.layout

    def path(self, name: str) -> Path:
        """Where a state of this name is."""
        return self.folder / "work" / f"{name}.npz"

    def write(self, name: str, judged: Judged) -> Source:
        """Keep a state, and say where tasks find it."""
        path = self.path(name)
        write_state(path, judged)
        return replace(self.source, state=str(path), stamp=path.stat().st_mtime_ns)

    def visit(self, name: str, state: State, everything: bool = False) -> tuple[Judged, Sums]:
        """A state with its held-out errors, and the sums that lead to the next one."""
        began = time.perf_counter()
        groups = self.layout.groups()
        blank = Judged(state, np.zeros((len(groups), 3)), np.zeros(state.rank))
        source = self.write(name, blank)
        items = [(k, blocks, len(groups)) for k, blocks in enumerate(groups)]
        sums = self.scheduler.reduce(group_sums, add, items, source, everything)
        judged = Judged(state, sums.by_group, singular_values(state, sums))
        self.sweeps += 1
        self.seconds = time.perf_counter() - began
        self.report(judged, everything)
        return judged, sums

    def report(self, judged: Judged, everything: bool) -> None:
        """Tell how far it is."""
        if self.callback is None:
            return
        rank, done = judged.state.rank, len(judged.state.history)
        phase = "last sweeps, over all cells" if everything else f"rank {rank}: comparing on held-out cells"
        size = f"{self.n_bytes / 1e9:.1f} GB" if self.n_bytes >= 1e9 else f"{self.n_bytes / 1e6:.0f} MB"
        self.callback(
            Progress(
                f"{phase} ({size} a sweep)",
                rank=rank,
                validation_rmse=None if everything else judged.rmse * self.source.scale,
                fraction=min((done + 1) / CONVERGED, 1.0),
                seconds=time.perf_counter() - self.started,
                time_left=_sweeps_left(judged) * self.seconds,
            )
        )

    def at_rank(
        self,
        begin: Callable[[], State],
        tol: float,
        name: str,
        least: int = _LEAST,
        hopeless: float = np.inf,
    ) -> Judged:
        """The fit of a rank, swept until the held-out error no longer falls by `tol`; from the folder if it
        is there.

        The state of smallest error is kept: with few cells the error may rise again. A fit whose error is
        above `hopeless`, and falls so slowly that it stays there, is left as it is.
        """
        final, current, best_at = (self.path(f"{name}{end}") for end in ("", "-now", "-best"))
        if final.exists():
            return read_state(final)
        state = read_state(current).state if current.exists() else begin()
        best = read_state(best_at) if best_at.exists() and state.history else None
        while True:
            judged, sums = self.visit(f"{name}-now", state)
            errors = (*state.history, judged.error)
            if state.known.all() and (best is None or judged.error <= best.error):
                best = judged
                write_state(best_at, best)
            done = len(errors) >= least and (_settled(errors, tol) or _stays_above(errors, hopeless))
            if best is not None and (done or len(errors) > CONVERGED):
                break
            state = replace(advance(state, sums), history=errors)
        write_state(final, best)
        for path in (current, best_at):
            path.unlink(missing_ok=True)
        return best

    def tell(self, phase: str) -> None:
        """Say what is being done."""
        if self.callback is not None:
            self.callback(Progress(phase, seconds=time.perf_counter() - self.started))

    def chosen(self, judged: Judged) -> Judged:
        """The fit that was chosen, swept on."""
        return self.at_rank(lambda: replace(judged.state, history=()), _DONE, "chosen")

    def on_everything(self, judged: Judged) -> Judged:
        """The chosen fit, swept over the held-out cells, too."""
        final, current = self.path("final"), self.path("final-now")
        if final.exists():
            return read_state(final)
        state = read_state(current).state if current.exists() else replace(judged.state, history=())
        while len(state.history) < FINAL_SWEEPS:
            _, sums = self.visit("final-now", state, everything=True)
            state = replace(advance(state, sums), history=(*state.history, 0.0))
        out = Judged(state, judged.by_group, judged.singular_values)
        write_state(final, out)
        current.unlink(missing_ok=True)
        return out


def _settled(errors: tuple[float, ...], tol: float) -> bool:
    """Whether the last two sweeps lowered the error by less than `tol` each, together."""
    return len(errors) > 2 and errors[-3] - errors[-1] < 2 * tol * errors[-1]


def _stays_above(errors: tuple[float, ...], limit: float) -> bool:
    """Whether twenty more falls like the last one would not lead below a limit."""
    return len(errors) > 1 and errors[-1] - 20 * max(errors[-2] - errors[-1], 0.0) > limit


def _sweeps_left(judged: Judged) -> int:
    """A guess from how the falls of the error shrink."""
    errors = (*judged.state.history, judged.error)
    if len(errors) < 4:
        return 6
    falls = -np.diff(errors[-3:]) / errors[-1]
    if falls[1] <= _COMPARED or falls[0] <= falls[1]:
        return 1
    return int(min(np.ceil(np.log(falls[1] / _COMPARED) / np.log(falls[0] / falls[1])) + 1, CONVERGED))


def search(fit: Fit, start: State, seed: int, rule: str, most: int) -> dict[int, Judged]:
    """Fits of the sample's rank, and of two above and below; further ones while the best is the last."""
    sample_rank = min(start.rank, most)
    start = with_rank(start, sample_rank)
    tried: dict[int, Judged] = {}

    def above(rank: int, judged: State) -> None:
        tried[rank] = fit.at_rank(
            lambda: more_factors(judged, rank, seed) if rank > judged.rank else judged,
            _COMPARED,
            f"rank-{rank}",
            _LEAST_NEW,
        )

    def below(rank: int) -> None:
        limit = _HOPELESS * min(each.error for each in tried.values())
        begin = partial(with_rank, tried[rank + 1].state, rank)
        tried[rank] = fit.at_rank(begin, _COMPARED, f"rank-{rank}", hopeless=limit)

    above(min(sample_rank + BESIDE, most), start)
    while True:
        chosen, top = choose(tried, rule), max(tried)
        around = range(max(chosen - BESIDE, 0), min(chosen + BESIDE, most) + 1)
        missing = [rank for rank in around if rank not in tried]
        if not missing:
            return tried
        inside = [rank for rank in missing if rank < top]
        if inside:
            below(min(rank for rank in tried if rank > inside[-1]) - 1)
        else:
            above(min(top + BESIDE, most), tried[top].state)


def choose(tried: dict[int, Judged], rule: str) -> int:
    """The smallest rank within one standard error, or 0.2%, of the smallest held-out error; or the best."""
    best = min(tried, key=lambda rank: tried[rank].error)
    if rule == "min":
        return best
    within = [rank for rank in tried if _as_good(tried[rank], tried[best])]
    return min(within)


def _as_good(judged: Judged, best: Judged) -> bool:
    if judged.error <= (1 + _GAIN) * best.error:
        return True
    # paired: sums of both fits over the same groups of blocks
    n, here, there = judged.by_group[:, 0], judged.by_group[:, 1], best.by_group[:, 1]
    differences = here - there
    mean = differences.sum() / n.sum()
    k = np.count_nonzero(n)
    if k < 2:
        return False
    scatter = np.sum((differences - mean * n) ** 2) * k / (k - 1)
    return mean <= np.sqrt(scatter) / n.sum()
