"""When the rolling certificate fires, how often it looks, and what it costs: the runs of theory.md, 3.7.

    python benchmarks/rolling.py            # width 30, under a minute
    python benchmarks/rolling.py --wide     # width 100

Square problems of rank 3 (width 30, 560 cells) or 5 (width 100, 3200 cells) with entries of unit variance,
one cell a step, a full-rank Gaussian start, budget 1e-3. For every setting:

- monitor: the epoch from which `rankfall.analysis.monitor` certifies the final rank (Theorem 3, evidence
  between its looks).
- fires: the epoch of the first trusted look at that rank (Theorem 6): the charge and the later ones,
  extrapolated, sum to at most half of the budget that is left.
- in the 50 epochs after that: looks per epoch, smallest, median and largest radius and steps between looks,
  sum of the charges; and the extrapolated sum at the last look.
- gaps: steps in these 50 epochs that are not trusted.
- time: processor time of the whole run with the certificate over that of the run without it, the smallest of
  three each; and microseconds per step without it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import rankfall as rf
from rankfall.theory import RollingCertificate

FURTHER = 50
BUDGET = 1e-3


@dataclass(frozen=True)
class Setting:
    """One run; `epochs` is long enough for firing and `FURTHER` epochs more."""

    ridge: float
    lr: float
    epochs: int
    depth: int = 3
    noise: float = 0.0
    width: int = 30
    rank: int = 3
    observed: float = 560 / 900

    @property
    def name(self) -> str:
        noise = f" noise {self.noise}" if self.noise else ""
        return f"{self.width},{self.depth}{noise} {self.ridge:g} {self.lr:g}"


NARROW = (
    Setting(3e-3, 1e-2, 320),
    Setting(3e-3, 3e-2, 150),
    Setting(3e-3, 1e-1, 85),
    Setting(1e-3, 1e-1, 150),
    Setting(6e-3, 3e-2, 120),
    Setting(3e-3, 3e-2, 150, depth=4),
    Setting(5e-3, 1e-1, 90, noise=0.3),
)
WIDE = (
    Setting(1e-3, 3e-2, 110, width=100, rank=5, observed=0.32),
    Setting(1e-3, 1e-1, 70, width=100, rank=5, observed=0.32),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--wide", action="store_true", help="width 100 in place of 30")
    print(
        f"{'d,L ridge lr':22} rank monitor fires looks/epoch {'radius':>17} {'steps':>15} "
        f"{'charges':>8} {'later':>8}  gaps  time  us/step"
    )
    for setting in WIDE if parser.parse_args().wide else NARROW:
        print(row(setting), flush=True)


def row(setting: Setting) -> str:
    """One line of the table."""
    problem, network = start(setting)
    n = problem.n_observed
    sgd = rf.SGD(lr=setting.lr, ridge=setting.ridge, n_steps=setting.epochs * n)
    certificate = RollingCertificate(budget=BUDGET)
    record = rf.Record(every=setting.epochs * n, what=("rank",))
    # compiles what is to be timed
    first = rf.SGD(lr=setting.lr, ridge=setting.ridge, n_steps=10)
    rf.train(problem, network, first, record=record, certificate=certificate)

    def run(watched: bool) -> rf.Trace:
        return rf.train(problem, network, sgd, record=record, certificate=certificate if watched else None)

    ledger = run(True).certificates[0]
    seen = rf.analysis.monitor(problem, network, sgd, p_fail=BUDGET)
    plain, watched = (seconds(lambda on=on: run(on)) for on in (False, True))
    looks = ledger.looks
    rank = int(looks["rank"][-1])
    at_rank = looks["trusted"] & (looks["rank"] == rank)
    head = f"{setting.name:22} {rank:4}"
    monitored = seen.certificate.values["step"] / n if seen.certificate.holds else np.nan
    if not at_rank.any():
        return f"{head} {monitored:7.1f} never"
    fires = int(looks["start"][at_rank][0])
    end = fires + FURTHER * n
    within = (looks["start"] >= fires) & (looks["start"] < end)
    trusted = within & at_rank
    steps = (looks["stop"] - looks["start"])[trusted]
    gaps = int(np.count_nonzero(ledger.promised(np.arange(fires, min(end, ledger.n_steps) + 1)) < 0))
    radius = "/".join(f"{x:.2f}" for x in np.percentile(looks["radius"][trusted], [0, 50, 100]))
    lasting = "/".join(f"{x:.0f}" for x in np.percentile(steps, [0, 50, 100]))
    return (
        f"{head} {monitored:7.1f} {fires / n:5.1f} {within.sum() / FURTHER:11.2f} {radius:>17} {lasting:>15} "
        f"{looks['charge'][trusted].sum():8.1e} {looks['extrapolated'][trusted][-1]:8.1e} {gaps:5} "
        f"{watched / plain:5.1f} {plain / sgd.n_steps * 1e6:8.2f}"
    )


def start(setting: Setting) -> tuple[rf.Problem, rf.Network]:
    """The data, scaled to unit variance, and a start of full rank."""
    shape = (setting.width, setting.width)
    problem, _ = rf.datasets.low_rank(
        shape, rank=setting.rank, observed=setting.observed, noise=setting.noise, seed=0
    )
    widths = (setting.width,) * (setting.depth + 1)
    return problem.with_values(problem.values / problem.values.std()), rf.Network.gaussian(widths, seed=0)


def seconds(run: Callable[[], object]) -> float:
    """Processor time, the smallest of three."""
    times = []
    for _ in range(3):
        began = time.process_time()
        run()
        times.append(time.process_time() - began)
    return min(times)


if __name__ == "__main__":
    main()
