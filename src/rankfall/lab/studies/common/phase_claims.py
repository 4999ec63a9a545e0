"""The claims of the study `phase`. A problem counts once: its chains share their minimum."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ...claims import Claim, verdict
from .intervals import binomial_share, none_seen, paired_signs, poisson_rate

if TYPE_CHECKING:
    import pandas as pd

ERROR = 0.05
MOST = 0.75  # of a problem's chains: 12 of 16
CLAIMED = (0.95, 2.5)  # share of the critical ridge, lr K
_SLACK = 0.05  # of an exponent, in units of 2 lr ridge: log Lambda is looked at 18 times only
_ERRORS = 4.0  # standard errors; over some hundred settings 1% of false alarms
_WIDEST = 3.0

RULES = {
    "falls": (
        "Problems of 10 x 10 and 20 x 20 of rank two and 30 x 30 of rank three, depths 3 to 5, noise 0.5: "
        "share of the problems of which at least three quarters of the chains (12 of 16) end at the true "
        "rank; exact 95% binomial interval over problems. Supported if it lies at or above 0.9, not "
        "supported if below, undecided otherwise."
    ),
    "stays": (
        "The same problems: share of those in which all descents, from the starts of the chains and at "
        "their learning rate, end at the rank of the minimum; exact 95% binomial interval over problems. "
        "Supported if it lies at or above 0.95, not supported if below, undecided otherwise."
    ),
    "back": (
        "Lasting rises of the rank of SGD per step, all chains of all settings (batches of fewer than all "
        "entries) that did not diverge: exact 95% Poisson interval. Supported if none was seen and its "
        "upper end lies below the lower end of the rate of falls, not supported if one was seen, undecided "
        "otherwise."
    ),
    "error": (
        "The same problems as in claim 1: among those that differ, share in which the error of the whole "
        "matrix, without noise, is smaller for SGD than for gradient descent (median over the chains, each "
        "after gradient descent to its minimum at the same ridge; median over the descents); exact 95% "
        "binomial interval (signs). Supported if it lies above 1/2, not supported if below, undecided "
        "otherwise."
    ),
    "band": (
        "10 x 10, ridge 0.95 of the critical one: share of the problems in which the largest lr K up to "
        "which at most a quarter of the chains end at the true rank and the smallest from which on three "
        "quarters do are at most a factor of 3 apart (one of them not in the grid counts as no); exact 95% "
        "binomial interval over problems. Supported if it lies above 1/2, not supported if below, undecided "
        "otherwise."
    ),
    "ridge": (
        "10 x 10, lr K = 2.5: among the problems that differ, share in which more chains end at the true "
        "rank at 0.95 of the critical ridge than at 0.8; exact 95% binomial interval (signs). Supported if "
        "it lies above 1/2, not supported if below, undecided otherwise."
    ),
    "exact": (
        "10 x 10 without noise, half of the entries observed, 0.99 of the critical ridge, lr K = 2.5: of the "
        "problems that have a minimum of one rank too many, share of those of which at least three quarters "
        "of the chains end at the true rank; exact 95% binomial interval over problems. Supported if it "
        "lies above 1/2, not supported if below, undecided otherwise. (A first run, with 0.7 of the entries, "
        "found such a minimum in none of six problems.)"
    ),
    "batch": (
        "10 x 10, 0.95 of the critical ridge, lr K = 2.5: among the problems that differ, share in which "
        "fewer chains end at the true rank with batches of 4 (of different entries) than with single "
        "entries at the same lr; exact 95% binomial interval (signs). Supported if it lies above 1/2, not "
        "supported if below, undecided otherwise."
    ),
    "sign": (
        "10 x 10, all shares and lr K: share of the problems in which, in all settings, the Lyapunov "
        "exponent of the tail at the minimum of the true rank is negative if and only if at least half of "
        "the chains end at the true rank; exact 95% binomial interval over problems. Supported if it lies "
        "above 1/2, not supported if below, undecided otherwise."
    ),
    "jensen": (
        "The same settings, in units of 2 lr ridge: the largest lower end (four standard errors over the "
        "chains) of the exponent minus half the mean of log Lambda. Shown is that setting. Supported if at "
        "most 0.05 (the mean of log Lambda is sampled), not supported if above, undecided if nothing was "
        "measured."
    ),
}  # fmt: skip


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """The claims; see `RULES`."""
    absent = results[results["chains"] == 0]
    results = results[results["chains"] > 0]
    falls, band = claimed(results[results["part"] == "falls"]), results[results["part"] == "band"]
    exact = results[(results["part"] == "noise") & (results["noise"] == 0) & (results["share"] == 0.99)]
    return (
        _reached(
            falls,
            "falls",
            "At 0.95 of the critical ridge and lr K = 2.5 SGD falls to the true rank from the minimum of one "
            "rank too many.",
            above=0.9,
        ),
        _stays(falls),
        _never_back(results[results["batch_size"] < results["n_observed"]]),
        _error(falls),
        _band(band[band["share"] == CLAIMED[0]]),
        _ridge(band[band["relative_lr"] == CLAIMED[1]]),
        _reached(
            exact[exact["relative_lr"] == CLAIMED[1]],
            "exact",
            "Without noise in the data SGD falls to the true rank, too, at 0.99 of the critical ridge.",
            above=0.5,
            more=f" {len(absent[absent['noise'] == 0])} more problems have no such minimum.",
        ),
        _batch(claimed(results[results["part"] == "batch"])),
        _sign(band),
        _jensen(band),
    )  # fmt: skip


def claimed(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows at 0.95 of the critical ridge and lr K = 2.5."""
    return rows[(rows["share"] == CLAIMED[0]) & (rows["relative_lr"] == CLAIMED[1])]


def _share(statement: str, rule: str, yes: int, total: int, note: str, above: float = 0.5) -> Claim:
    share = binomial_share(yes, total, ERROR)
    answer = verdict(share.low, share.high, above=above) if total else "undecided"
    return Claim(statement, RULES[rule], *share, answer, note)


def _signs(statement: str, rule: str, better: pd.Series, worse: pd.Series) -> Claim:
    yes, no = int(better.sum()), int(worse.sum())
    share = paired_signs(yes, no, ERROR)
    answer = verdict(share.low, share.high, above=0.5) if yes + no else "undecided"
    note = f"{yes} problems for, {no} against, {len(better) - yes - no} alike."
    return Claim(statement, RULES[rule], *share, answer, note)


def _reached(rows: pd.DataFrame, rule: str, statement: str, above: float, more: str = "") -> Claim:
    there = int((rows["at_true"] >= MOST * rows["chains"]).sum())
    ends = {name: int(rows[name].sum()) for name in ("at_true", "below", "above", "diverged")}
    note = (
        f"{there} of {len(rows)} problems; of {int(rows['chains'].sum())} chains {ends['at_true']} ended at "
        f"the true rank, {ends['below']} below, {ends['above']} above, {ends['diverged']} diverged.{more}"
    )
    return _share(statement, rule, there, len(rows), note, above)


def _stays(rows: pd.DataFrame) -> Claim:
    stayed = int((rows["gd_stayed"] == rows["gd_chains"]).sum())
    slope = float(rows["gd_gradient"].max()) if len(rows) else math.nan
    note = (
        f"{stayed} of {len(rows)} problems; {int(rows['gd_stayed'].sum())} of {int(rows['gd_chains'].sum())} "
        f"descents. Largest gradient norm in the end: {slope:.1g}."
    )
    return _share(
        "Gradient descent from the same points at the same learning rate stays at the rank of the minimum.",
        "stays",
        stayed,
        len(rows),
        note,
        above=0.95,
    )


def _never_back(rows: pd.DataFrame) -> Claim:
    rises, falls, steps = (int(rows[name].sum()) for name in ("rises", "falls", "steps"))
    up, down = poisson_rate(rises, steps, ERROR), poisson_rate(falls, steps, ERROR)
    answer = "not supported" if rises else "supported" if up.high < down.low else "undecided"
    risen = rows[rows["rises"] > 0]
    settings = f", in {len(risen)} of {len(rows)} settings, lr K at least {risen['relative_lr'].min():g}"
    bound = f"; at most {none_seen(steps):.2g} per step by the 3/n bound"
    note = f"{rises} rises and {falls} falls in {steps:,} steps{settings if rises else bound}."
    return Claim("The rank never rises.", RULES["back"], *up, answer, note)


def _error(rows: pd.DataFrame) -> Claim:
    both = rows.dropna(subset=["sgd_error", "gd_error"])
    return _signs(
        "The completed matrix has a smaller error after SGD than after gradient descent.",
        "error",
        both["sgd_error"] < (1 - 1e-6) * both["gd_error"],
        both["sgd_error"] > (1 + 1e-6) * both["gd_error"],
    )


def edges(rows: pd.DataFrame) -> tuple[float, float]:
    """Of one problem at one ridge: lr K up to which at most a quarter fell, and from which on most do."""
    rows = rows.sort_values("relative_lr")
    lrs, share = rows["relative_lr"].to_numpy(float), (rows["at_true"] / rows["chains"]).to_numpy(float)
    few = np.logical_and.accumulate(share <= 1 - MOST)
    most = np.logical_and.accumulate(share[::-1] >= MOST)[::-1]
    return (
        float(lrs[few].max()) if few.any() else math.nan,
        float(lrs[most].min()) if most.any() else math.nan,
    )


def _band(rows: pd.DataFrame) -> Claim:
    found = [edges(group) for _, group in rows.groupby("problem")]
    narrow = sum(bool(high / low <= _WIDEST) for low, high in found)
    spread = [pair for pair in found if not math.isnan(sum(pair))]
    note = f"{narrow} of {len(found)} problems."
    if spread:
        low, high = np.exp(np.log(np.array(spread)).mean(axis=0))
        note = f"{narrow} of {len(found)} problems; on average from lr K = {low:.2g} to {high:.2g}."
    return _share(
        "At 0.95 of the critical ridge SGD begins to fall within a narrow band of learning rates.",
        "band",
        narrow,
        len(found),
        note,
    )


def _beside(rows: pd.DataFrame, column: str, first: float, second: float) -> tuple[pd.Series, pd.Series]:
    """Chains at the true rank per problem, in the settings with these two values of a column."""
    table = rows[rows[column].isin([first, second])].pivot_table(
        index="problem", columns=column, values="at_true", aggfunc="sum"
    )
    table = table.reindex(columns=[first, second]).dropna()
    return table[first], table[second]


def _ridge(rows: pd.DataFrame) -> Claim:
    near, far = _beside(rows, "share", CLAIMED[0], 0.8)
    return _signs("Nearer to the critical ridge more chains fall.", "ridge", near > far, near < far)


def _batch(rows: pd.DataFrame) -> Claim:
    single, four = _beside(rows, "batch_size", 1, 4)
    return _signs(
        "With batches of four fewer chains fall than with single entries.",
        "batch",
        four < single,
        four > single,
    )


def _sign(band: pd.DataFrame) -> Claim:
    rows = band.dropna(subset=["exponent"])
    agrees = (rows["exponent"] < 0) == (rows["at_true"] >= rows["chains"] / 2)
    whole = agrees.groupby(rows["problem"]).all()
    note = (
        f"In {int(agrees.sum())} of {len(rows)} settings both agree; the exponent is negative in "
        f"{int((rows['exponent'] < 0).sum())}, and in {int((~agrees & (rows['exponent'] < 0)).sum())} of "
        "these fewer than half of the chains are at the true rank."
    )
    return _share(
        "The sign of the tail's Lyapunov exponent at the true rank is the boundary of where SGD falls to it.",
        "sign",
        int(whole.sum()),
        len(whole),
        note,
    )


def _jensen(band: pd.DataFrame) -> Claim:
    rows = band[np.isfinite(band["excess_error"])]
    statement = "The tail shrinks at least as fast as its expected factor Lambda says."
    if rows.empty:
        return Claim(
            statement, RULES["jensen"], math.nan, math.nan, math.nan, "undecided", "Nothing measured."
        )
    worst = rows.loc[(rows["excess"] - _ERRORS * rows["excess_error"]).idxmax()]
    reach = _ERRORS * float(worst["excess_error"])
    low, estimate = float(worst["excess"]) - reach, float(worst["excess"])
    span = f"{rows['exponent'].min():.3f} to {rows['exponent'].max():.3f}"
    return Claim(
        statement,
        RULES["jensen"],
        estimate,
        low,
        estimate + reach,
        "supported" if low <= _SLACK else "not supported",
        f"{len(rows)} settings; exponents {span} in units of 2 lr ridge, shown: {worst['problem']}, "
        f"{worst['share']:g} of the critical ridge, lr K = {worst['relative_lr']:g}.",
    )


def by_problem(results: pd.DataFrame) -> pd.DataFrame:
    """The problems of claim 1, one a row."""
    columns = [
        "problem", "critical", "margin", "lr", "at_true", "below", "above", "diverged", "gd_stayed",
        "sgd_error", "gd_error",
    ]  # fmt: skip
    rows = claimed(results[(results["part"] == "falls") & (results["chains"] > 0)])
    return rows.sort_values(["size", "depth", "problem"])[columns].reset_index(drop=True)
