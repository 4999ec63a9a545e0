"""What the report of a trace, a study or a sweep shows, as plain arrays and strings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .tables import JumpMarks, TextTable


@dataclass(frozen=True, eq=False)
class Chains:
    """Singular values of several chains.

    Attributes
    ----------
    steps : ndarray of int, shape (n,)
        Steps, increasing.
    singular_values : ndarray, shape (c, n, k)
        Of the chains that are drawn, largest first; NaN after a chain has diverged.
    number : ndarray of int, shape (c,)
        Their numbers.
    total : int
        How many chains there are.
    """

    steps: np.ndarray
    singular_values: np.ndarray
    number: np.ndarray
    total: int


@dataclass(frozen=True, eq=False)
class Raster:
    """All changes of the rank in all chains.

    Attributes
    ----------
    jumps : JumpMarks
        The changes.
    begin, end : int
        First and last step that was looked at.
    chains : tuple of int
        Numbers of all chains, from bottom to top.
    dwell : int
        Steps for which a change must last to count.
    """

    jumps: JumpMarks
    begin: int
    end: int
    chains: tuple[int, ...]
    dwell: int


@dataclass(frozen=True, eq=False)
class SurvivalCurve:
    """Share of chains whose rank has not yet fallen to `rank`: a step function that starts at 1.

    Attributes
    ----------
    rank : int
        The rank that is waited for.
    begin : int
        First step that was looked at.
    step, survival, low, high : ndarray, shape (n,)
        The curve from each step on, and its interval.
    at_risk : ndarray of int, shape (n,)
        Chains still above `rank` and watched.
    events : int
        Chains that fell.
    """

    rank: int
    begin: int
    step: np.ndarray
    survival: np.ndarray
    low: np.ndarray
    high: np.ndarray
    at_risk: np.ndarray
    events: int


@dataclass(frozen=True, eq=False)
class TraceTables:
    """Everything on the page of a trace.

    Attributes
    ----------
    title, subtitle, found : str
        Name, one line about the run, and what was found in one sentence.
    headline : tuple of (str, str)
        The few numbers that matter most.
    warnings : tuple of str
        One sentence each.
    chains : Chains, optional
        Singular values.
    raster : Raster, optional
        Jumps of all chains.
    survival : tuple of SurvivalCurve
        One for each rank.
    rates : TextTable, optional
        Jumps per step.
    repeat, settings, versions : tuple of (str, str)
        As in :class:`ReportTables`.
    """

    title: str
    subtitle: str
    found: str
    headline: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...] = ()
    chains: Chains | None = None
    raster: Raster | None = None
    survival: tuple[SurvivalCurve, ...] = ()
    rates: TextTable | None = None
    repeat: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    versions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ClaimText:
    """One claim of a study, ready to print.

    Attributes
    ----------
    statement, estimate, interval, verdict : str
        The claim, and what came of it.
    rule, note : str
        How the verdict follows; what else a reader must know.
    """

    statement: str
    estimate: str
    interval: str
    verdict: str
    rule: str
    note: str = ""


@dataclass(frozen=True, eq=False)
class StudyTables:
    """Everything on the page of a study or a sweep.

    Attributes
    ----------
    title, subtitle, found : str
        Name, one line about it, and what was found in one sentence.
    headline : tuple of (str, str)
        The few numbers that matter most.
    warnings : tuple of str
        One sentence each.
    claims : tuple of ClaimText
        None for a sweep.
    picture : bytes or None
        A PNG or SVG file.
    picture_dark : bytes or None
        The same for dark screens.
    picture_text : str
        What a reader who does not see it should know.
    results : TextTable, optional
        Results, all or the first.
    results_total : int
        How many rows there are in all.
    source : str
        The study's own text (JSON or TOML).
    repeat, settings, versions : tuple of (str, str)
        As in :class:`ReportTables`.
    """

    title: str
    subtitle: str
    found: str
    headline: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    claims: tuple[ClaimText, ...] = ()
    picture: bytes | None = None
    picture_dark: bytes | None = None
    picture_text: str = ""
    results: TextTable | None = None
    results_total: int = 0
    source: str = ""
    repeat: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
