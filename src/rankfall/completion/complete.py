"""The one verb: complete a matrix, with no knobs to turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Literal, cast

from ..argument_checks import one_of
from ..bounds import BoundsLike, read_bounds
from ..compute.first_compile import announced
from ..compute.threads import threads_without_blas
from ..errors import InputError
from ..files.missing_marks import as_missing_values, equals_any
from ..limits import read_limits, require_within
from ..measurements import require_entries
from ..problem import Problem
from ..progress_display import shown_progress
from . import exact, noisy
from .clock import Clock, Ending, OutOfTime, Progress
from .deliver.absurd_cells import without_absurd
from .deliver.assemble import Answers, Request, assemble
from .deliver.fit_models import Delivered
from .exact import Precision
from .kinds import read_kinds
from .kinds.deliver import decode, prepared
from .noisy.first_values import standardised_with_limits
from .options import Options, without_order
from .ordered import OrderQuestion, Orders
from .result.completion import Completion
from .standardise import Standardisation


def complete(
    X: object,
    *,
    seed: int = 0,
    max_rank: int | None = None,
    max_time: float | None = None,
    n_jobs: int | None = None,
    fill: Literal["effects"] | None = None,
    callback: Callable[[Progress], None] | None = None,
    progress: bool = False,
    weights: object = None,
    missing_values: float | Sequence[float] | None = None,
    scale: Literal["linear", "log", "log1p"] = "linear",
    bounds: BoundsLike | None = None,
    effects: Literal["auto", "none", "mean", "columns", "both"] = "auto",
    scaling: Literal["auto", "all", "columns"] = "auto",
    noise: Literal["auto", "normal", "student"] = "auto",
    rule: Literal["one-se", "min"] = "one-se",
    folds: int | None = None,
    ordered: Literal["auto", "none", "rows", "columns", "both"] = "auto",
    row_positions: object = None,
    column_positions: object = None,
    groups: object = None,
    censored: object = None,
    kinds: object = "auto",
) -> Completion:
    """Complete a matrix from some of its entries without being told its rank.

    First the exact question, on all cells: does a matrix of some rank r with more observed cells than
    unknowns, ``N > r (m + n - r)``, reproduce them to machine precision? Chains of SGD on a deep linear
    network (depth 3) fall through the ranks as the ridge rises; wherever a spectrum shows a gap, what lies
    above it is improved by least squares (Levenberg-Marquardt on matrices of fixed rank). If so, the smallest
    such rank is the answer. Otherwise a tenth of the cells is held out before anything is fitted, the data
    model (mean, row and column effects, column scales, noise that differs between rows and columns or not)
    is chosen on them, chains fall again, and every rank met is refitted from the chain's directions by a
    Bayesian model of that rank: quickly (variational, or a few draws), and where it may be chosen by the mean
    of draws from the posterior (Gibbs sampling), cut to the rank, and averaged over noise models (equal
    everywhere, or different between rows and columns) where that predicts better. The smallest rank whose
    held-out error is within one standard error (or 0.2%; 0.5% if at most 2,000 cells are held out, or the
    rank is large) of the smallest, in squared and in absolute errors, is fitted once more on all cells.
    Whatever is chosen is chosen on errors relative to the spread of each column. Where neighbouring rows or
    columns seem to resemble each other, fits in which the factors of each follow those of the one before are
    judged on held-out cells, too, and the better answer is returned; where sweeps take long they are tried
    before larger ranks, which are left out if they are behind.

    Parameters
    ----------
    X : array, data frame, masked array, scipy.sparse (stored = observed), or Problem
        The matrix, shape (m, n), with NaN (or what the container has for it) where a cell is missing. Data
        frames are those of pandas and polars, and tables of pyarrow. A cell ten thousand times as far from
        the others of its column as these are apart is a slip: it is left out, filled like a missing one, and
        named in a warning.
    seed : int
        The same seed gives the same result.
    max_rank : int, optional
        Largest rank considered. The networks are at most 100 wide, so exact fits of rank above 80 are not
        looked for; larger ranks of noisy data are, from refits.
    max_time : float, optional
        Seconds after which the best completion so far is returned (outcome "time limit"). At most half
        of it goes to the exact question. The search stops between two pieces of work and then fits what
        it has, in fewer sweeps; on large tables of large rank that may take a minute.
    n_jobs : int, optional
        Threads; all by default. Does not change the result.
    fill : {None, "effects"}
        What to put in cells that the data do not determine: NaN, or row and column effects.
    callback : callable, optional
        Called now and then with a :class:`~rankfall.completion.Progress`.
    progress : bool
        Show what is being done: on stderr, or in a notebook as a bar.
    weights : array, data frame or scipy.sparse, optional
        How much each observed cell counts, in proportion to the inverse of its noise variance: of the
        shape of `X`, or one number per entry of a Problem. Cells of weight 0 are treated as missing. The
        chains of SGD do not use them; refits, choice and errors do.
    missing_values : number or sequence of numbers, optional
        What stands for a missing value beside NaN, -999 for example. Such cells are filled, also in new rows
        (`Completion.transform`).
    scale : {"linear", "log", "log1p"}
        Scale on which everything is fitted: "log" for positive, "log1p" for non-negative skewed data. Results
        come back in the data's own units (what was the mean on the scale of the fit is then rather the
        median), errors on the scale of the fit. "log1p" reaches down to -1: say ``bounds=(0, None)`` for
        counts.
    bounds : "observed", (low, high), mapping or None
        Range in which predictions and intervals are kept, in the data's own units. "observed": each column
        within the range of its observed cells. A pair: two numbers of which either may be None, the same for
        all columns, or sequences of length n with a number (or None) for each column. A mapping gives single
        columns their pair, or "observed": by label, or by position where there are no labels. Observed cells
        come back as given in any case.
    effects : {"auto", "none", "mean", "columns", "both"}
        What is fitted beside the low-rank part: nothing, a mean, column effects, or row and column effects;
        "auto" takes what predicts held-out cells best.
    scaling : {"auto", "all", "columns"}
        One scale for all cells, or one for every column: then no unit and no offset of a column changes what
        is filled in the others. "auto" takes what predicts held-out cells better; a column whose size is far
        from that of all others has a scale of its own in any case.
    noise : {"auto", "normal", "student"}
        Noise that is normal, or has the heavy tails of Student's t with four degrees of freedom: a few gross
        errors then cost little, and `Completion.suspects` lists them. "auto" takes heavy tails where these
        make the absolute errors at held-out cells noticeably smaller and the squared ones no larger;
        otherwise the result is that of "normal", bit for bit.
    rule : {"one-se", "min"}
        Take the smallest rank within one standard error, or 0.2% (0.5% if at most 2,000 cells are held
        out, or the rank is large), of the best held-out error; or the best.
    folds : int, optional
        Hold out every cell once, in this many folds: as many times the work, and steadier choices. By
        default a tenth of the cells is held out; of tables with fewer than 4,000 cells another tenth, until
        1,500 cells were held out, ten times at most.
    ordered : {"auto", "none", "rows", "columns", "both"}
        Along which axes neighbours resemble each other, as in time series ("rows") and pictures ("both").
        "auto" decides on held-out cells, and uses an order only if their errors are smaller by more than one
        per cent and a standard error; otherwise the result is that of "none", bit for bit. Other words are
        taken as given. An exact fit uses no order.
    row_positions : sequence of numbers or times, optional
        Where each row stands, in any order, shape (m,): the farther rows are apart, the less they resemble
        each other. By default positions are the labels of a data frame, if these are times, ISO dates or
        numbers that rise; where they begin again, a new series begins. Otherwise the order is that of the
        table, and neighbours are one step apart.
    column_positions : sequence of numbers or times, optional
        The same for columns, shape (n,).
    groups : sequence of labels, optional
        The series that each row belongs to, shape (m,): rows of different series are no neighbours.
    censored : (lower, upper), optional
        Limits of detection: arrays or frames of the shape of `X` that say above and below which numbers a
        cell lies which `X` leaves empty, NaN where nothing is known; one of the two may be None. In the
        data's own units, on every scale. Such a cell is filled with the mean of its posterior draws, which
        respects the limit, and so does its interval. Then no order is used, and no exact fit looked for.
    kinds : "auto" or mapping
        What columns are, by label (by position where there are no labels): "number", "boolean", "ordinal"
        (grades, from low to high), "category" or "count". Columns that are not named, and all with "auto",
        are what their type says: booleans, ordered categories ("ordinal"), unordered ones and text with few
        different values ("category"). Numbers are never guessed to be grades or counts.

    Returns
    -------
    Completion
        Where a column is no number a :class:`~rankfall.completion.kinds.MixedCompletion`, which also gives
        probabilities of levels, and has neither draws nor new rows.

    Raises
    ------
    InputError
        If the data cannot be used (no observed entry, infinities, something that is not a number), an
        argument is out of range, no observed value of some column lies within its bounds, positions or
        groups are not one for each row (column), or limits contradict each other, the bounds, or a value.

    Notes
    -----
    Ctrl-C returns the best completion so far with the outcome "interrupted".

    The first completion on a computer compiles the kernels. It says so: to the callback, or on stderr.

    References
    ----------
    Z. Wang and A. Jacot, "Implicit bias of SGD in L2-regularized linear DNNs: One-way jumps from high to
    low rank", ICLR 2024. R. Salakhutdinov and A. Mnih, "Bayesian probabilistic matrix factorization using
    Markov chain Monte Carlo", ICML 2008. R. H. Shumway and D. S. Stoffer, "An approach to time series
    smoothing and forecasting using the EM algorithm", Journal of Time Series Analysis 3 (1982).
    """
    started = time.perf_counter()
    options = Options.of(locals())  # every option is an argument of this function
    progress = one_of("progress", progress, (False, True))
    mixed = read_kinds(require_entries(X, "A completion is"), kinds)
    if mixed is not None:
        if weights is not None:
            raise InputError("weights cannot be used with columns of several kinds yet: leave them out.")
        options = without_order(options, "Columns of several kinds")
        encoded, latent, bounds = prepared(mixed, options, censored, as_missing_values(missing_values))
        found = _answered(latent, progress, callback, started)
        return cast("Completion", decode(encoded, *found, bounds, options))
    given = Problem.coerce(require_entries(X, "A completion is"))
    if weights is not None:
        given = given.with_weights(weights)
    missing = as_missing_values(missing_values)
    given = _without(given, missing)
    if options.folds is not None and options.folds > given.n_observed:
        raise InputError(
            f"folds must not be more than the {given.n_observed} observed cells, not {options.folds}."
        )
    given, absurd = without_absurd(given, options.scale)
    names = None if given.layout is None else given.layout.col_names
    bounds = read_bounds(options.bounds, given, names)
    limits = read_limits(censored, given, names, None if given.layout is None else given.layout.row_names)
    if limits is not None:
        require_within(limits, bounds, names)
        options = without_order(options, "Limits (censored)")
    standardisation = standardised_with_limits(given, limits, options)
    if standardisation.mixed_units and options.effects == "both":
        raise InputError(
            'The columns have very different units, and row effects have none: effects="both" means nothing.'
        )
    orders = Orders.of(given, options)
    proposed = isinstance(kinds, str)
    request = Request(standardisation, options, bounds, missing, orders, limits, proposed, absurd)
    return _answered(request, progress, callback, started)[0]


def _answered(
    request: Request, progress: bool, callback: Callable[[Progress], None] | None, started: float
) -> tuple[Completion, Delivered]:
    """Ask, and put the result together."""
    standardisation, options = request.standardisation, request.options
    with threads_without_blas(options.n_jobs), shown_progress(progress, callback) as tell:
        clock = Clock(options.max_time, tell, standardisation.unit, started)
        with announced(None if tell is None else clock.tell):
            # an import that Ctrl-C breaks off cannot be repeated, and what is delivered needs pandas
            import_module("pandas")
            answers = Answers()
            try:
                answers, ending = _ask(standardisation, options, request.orders, clock)
                return assemble(request, answers, ending, clock)
            except KeyboardInterrupt:
                # nothing is lost: what was found is fitted once more (a second Ctrl-C ends it)
                return assemble(request, answers, Ending.INTERRUPTED, clock)


def _ask(
    standardisation: Standardisation, options: Options, orders: Orders, clock: Clock
) -> tuple[Answers, Ending]:
    """Ask exactly, then with noise; what was answered, and how it ended."""
    answers = Answers()
    if standardisation.is_zero:
        return answers, Ending.COMPLETE
    try:
        if standardisation.augmentation is not None:
            chosen = noisy.search(standardisation.noisy, options, clock)
            return Answers(None, chosen), Ending.COMPLETE if chosen is None else chosen.ending
        precision = Precision.of(standardisation.fitted, standardisation.given, standardisation.problem)
        with clock.part(0.5):
            found = exact.search(standardisation.problem, precision, options.max_rank, options.seed, clock)
        answers = Answers(found)
        if found.fit is not None or found.ending is Ending.INTERRUPTED:
            return answers, found.ending
        if found.ending is Ending.OUT_OF_TIME:
            clock.check()  # was it half of the time, or all of it?
        question = OrderQuestion(orders, options, clock)
        chosen = noisy.search(standardisation.noisy, options, clock, question.early)
        answers = Answers(found, chosen)
        if chosen is not None and chosen.ending is Ending.COMPLETE and chosen.order == "none":
            chosen = question.settle(chosen)
        answers = Answers(found, chosen)
        if chosen is None or chosen.ending is not Ending.COMPLETE:
            return answers, found.ending if chosen is None else chosen.ending
        if found.ending is Ending.COMPLETE and chosen.rank:
            clock.report("refitting on all cells")
        return answers, found.ending
    except OutOfTime:
        return answers, Ending.OUT_OF_TIME
    except KeyboardInterrupt:
        return answers, Ending.INTERRUPTED


def _without(given: Problem, missing: Sequence[float]) -> Problem:
    """The entries whose values do not stand for missing ones."""
    kept = ~equals_any(given.values, missing)
    if kept.all():
        return given
    if not kept.any():
        marks = " or ".join(f"{x:g}" for x in missing)
        raise InputError(
            f"Every observed cell holds {marks}, which stands for a missing value: there is nothing to "
            "complete the matrix from."
        )
    rest = given.subset(kept)
    return rest if rest.weights is None else rest.with_weights(rest.weights)
