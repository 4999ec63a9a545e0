"""The options of a completion: each is declared once, with its default, its check and a sentence about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from math import inf
from typing import Any, Literal

from ..argument_checks import check_fields, checked, one_of, positive, whole
from ..bounds import BoundsLike
from ..errors import InputError
from ..scale import SCALES

EFFECTS_IN_WORDS: Mapping[str, str] = {
    "none": "",
    "mean": "a mean",
    "columns": "column effects",
    "both": "row and column effects",
}
EFFECTS = tuple(EFFECTS_IN_WORDS)
SCALINGS = ("all", "columns")
TAILS = ("normal", "student")
ORDERS = ("none", "rows", "columns", "both")
# where rows and columns stand in their order: one entry for each of them
PLACES = ("row_positions", "column_positions", "groups")
# how the rank is chosen among the candidates
RULES: Mapping[str, str] = {
    "one-se": "smallest rank within one standard error (paired), or 0.2% (0.5% with few cells or many "
    "factors), of the smallest error at held-out cells",
    "min": "rank with the smallest error at held-out cells",
}


def _seconds(name: str, value: object) -> float | None:
    """A positive number of seconds; infinitely many are no limit."""
    return None if value == inf else positive(name, value, unit="seconds")


def _option(help: str, check: Callable[..., Any] | None, *rest: Any, default: Any, **settings: Any) -> Any:
    """A field with its default, its check, and one sentence for command lines and reports."""
    made = field(default=default) if check is None else checked(check, *rest, default=default, **settings)
    allowed = rest[0] if check is one_of else None
    return field(default=default, metadata={**made.metadata, "help": help, "allowed": allowed})


@dataclass(frozen=True)
class Options:
    """What the caller of :func:`rankfall.complete` settled; its docstring has the whole story.

    Raises
    ------
    InputError
        If a value is not allowed. (Bounds are checked where the data are known.)
    """

    seed: int = _option("Seed; the same seed gives the same result.", whole, least=0, default=0)
    max_rank: int | None = _option("Largest rank to consider.", whole, least=0, default=None)
    max_time: float | None = _option(
        "Stop after so many seconds and deliver the best completion so far.", _seconds, default=None
    )
    n_jobs: int | None = _option(
        "Threads; by default all. Does not change the result.", whole, least=1, default=None
    )
    fill: Literal["effects"] | None = _option(
        "Fill cells that cannot be determined with row and column effects; else they stay empty.",
        one_of,
        (None, "effects"),
        default=None,
    )
    scale: Literal["linear", "log", "log1p"] = _option(
        "Scale on which everything is fitted: log for positive data, log1p for skewed data from 0.",
        one_of,
        SCALES,
        default="linear",
    )
    bounds: BoundsLike | None = _option(  # noqa: RUF009 (a field, as all others are)
        "Range in which predictions are kept: observed (each column its own), LOW,HIGH of which one may be "
        "empty, or COLUMN=LOW,HIGH for one column; may be repeated.",
        None,
        default=None,
    )
    effects: Literal["auto", "none", "mean", "columns", "both"] = _option(
        "Beside the low-rank part: nothing, a mean, column effects, or row and column effects.",
        one_of,
        ("auto", *EFFECTS),
        default="auto",
    )
    scaling: Literal["auto", "all", "columns"] = _option(
        "One scale for all cells, or one for every column.", one_of, ("auto", *SCALINGS), default="auto"
    )
    noise: Literal["auto", "normal", "student"] = _option(
        "Noise that is normal, or has the heavy tails of Student's t, under which gross errors cost little; "
        "auto finds out.",
        one_of,
        ("auto", *TAILS),
        default="auto",
    )
    rule: Literal["one-se", "min"] = _option(
        "Take the smallest rank whose held-out error is as good as the smallest, or the best rank.",
        one_of,
        tuple(RULES),
        default="one-se",
    )
    folds: int | None = _option(
        "Hold out every cell once, in so many folds, instead of a tenth of them (of small tables several "
        "tenths): steadier, and as many times the work.",
        whole,
        least=2,
        default=None,
    )

    ordered: Literal["auto", "none", "rows", "columns", "both"] = _option(
        "Whether rows, or columns, that follow each other resemble each other; auto finds out.",
        one_of,
        ("auto", *ORDERS),
        default="auto",
    )
    row_positions: object = _option("Where each row stands: numbers or times.", None, default=None)
    column_positions: object = _option("Where each column stands.", None, default=None)
    groups: object = _option("The series that each row belongs to.", None, default=None)

    def __post_init__(self) -> None:
        check_fields(self)

    @classmethod
    def of(cls, arguments: Mapping[str, object]) -> Options:
        """Options from the arguments of a function that has them, among others, as parameters."""
        return cls(**{name: arguments[name] for name in names() if name in arguments})  # type: ignore[arg-type]

    def asked(self) -> dict[str, object]:
        """What bears on the question with noise, as plain values; of positions and groups, that they were
        given.
        """
        asked = ("max_rank", "effects", "scaling", "noise", "rule", "folds", "ordered")
        given = {name: True for name in PLACES if getattr(self, name) is not None}
        return {**{name: getattr(self, name) for name in asked}, **given}


def without_order(options: Options, what: str) -> Options:
    """The options of a completion that knows no order of rows or columns; `what` is the reason.

    Raises
    ------
    InputError
        If an order was asked for.
    """
    given = [name for name in PLACES if getattr(options, name) is not None]
    asked = [f'ordered="{options.ordered}"'] if options.ordered not in ("auto", "none") else given
    if asked:
        raise InputError(f"{what} cannot be used with an order of rows or columns yet: leave out {asked[0]}.")
    return replace(options, ordered="none")


def with_normal_noise(options: Options, what: str) -> Options:
    """The options of a completion that knows no heavy tails; `what` is the reason.

    Raises
    ------
    InputError
        If heavy tails were asked for.
    """
    if options.noise == "student":
        raise InputError(f'{what} cannot be used with noise="student" yet: leave it at "auto".')
    return replace(options, noise="normal")


def names() -> tuple[str, ...]:
    """Names of all options, in the order of the signature of :func:`rankfall.complete`."""
    return tuple(option.name for option in fields(Options))


def help_of(name: str) -> str:
    """One sentence about an option."""
    return _option_field(name).metadata["help"]


def allowed_of(name: str) -> tuple[str, ...]:
    """The words that an option may be."""
    return tuple(value for value in _option_field(name).metadata["allowed"] if value is not None)


def default_of(name: str) -> Any:
    """Its default."""
    return _option_field(name).default


def _option_field(name: str) -> Any:
    return next(option for option in fields(Options) if option.name == name)
