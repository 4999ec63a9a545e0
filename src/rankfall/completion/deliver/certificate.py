"""Which chain a certificate of the delivered rank is about."""

from __future__ import annotations

from ..descent.certificate_anchors import Anchors
from ..descent.watched_run import WatchedRun


def watched_run(
    rank: int, exact: bool, anchors: Anchors | None, sgd_steps: int, seed: int
) -> WatchedRun | None:
    """The run that a certificate of the delivered rank needs; None where no chain met it."""
    anchor = None if anchors is None or not rank else anchors.of(rank)
    if anchor is None:
        return None
    return WatchedRun(anchor, rank, exact, sgd_steps, seed)
