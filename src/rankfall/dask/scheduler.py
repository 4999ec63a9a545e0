"""Where tasks run: Dask's threads in this process, or the workers of a cluster.

Results must not depend on it: tasks are functions of files and of results of other tasks, and whatever is
added up is added in a tree whose shape is that of the data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os.path import isdir
from typing import Any, TypeVar

from ..compute.threads import threads
from ..errors import InputError

T = TypeVar("T")


def require_dask() -> None:
    """Raise :class:`~rankfall.errors.InputError` if Dask is not installed."""
    try:
        import dask  # noqa: F401
    except ImportError as error:
        raise InputError(
            "Completions beyond memory need the package dask: pip install 'rankfall[cluster]'."
        ) from error


@dataclass(frozen=True)
class Scheduler:
    """Runs tasks.

    Attributes
    ----------
    client : distributed.Client or None
        None: Dask's threaded scheduler in this process.
    n_threads : int
        How many tasks this process runs at a time.
    """

    client: Any = None
    n_threads: int = 1

    def require_folder(self, folder: str) -> None:
        """Refuse a cluster whose workers do not see a folder.

        Raises
        ------
        InputError
            With the address of the first such worker.
        """
        seen = {} if self.client is None else self.client.run(isdir, folder)
        for worker, found in seen.items():
            if not found:
                raise InputError(
                    f"The worker {worker} does not see the folder {folder}; out must be on a file system "
                    "that all workers share."
                )

    def map(self, function: Callable[..., T], items: Sequence[Any], *more: Any) -> list[T]:
        """``function(item, *more)`` of every item, which may be delayed."""
        return list(self._compute([task(function, item, *more) for item in items]))

    def reduce(
        self,
        function: Callable[..., T],
        merge: Callable[..., T],
        items: Sequence[Any],
        *more: Any,
        merge_more: Sequence[Any] = (),
    ) -> T:
        """The results for all items, merged by two neighbours at a time until one is left.

        The shape of this tree depends on the number of items only.
        """
        level = [task(function, item, *more) for item in items]
        while len(level) > 1:
            pairs = [level[k : k + 2] for k in range(0, len(level), 2)]
            level = [task(merge, *pair, *merge_more) if len(pair) == 2 else pair[0] for pair in pairs]
        return self._compute(level)[0]

    def _compute(self, tasks: Sequence[Any]) -> Sequence[Any]:
        from dask.base import compute

        try:
            if self.client is None:
                return compute(*tasks, scheduler="threads", num_workers=self.n_threads)
            return self.client.gather(self.client.compute(list(tasks)))
        except MemoryError as error:
            raise InputError(
                "There is not enough memory for one task; a smaller max_rank or fewer threads (n_jobs) need "
                "less."
            ) from error
        except Exception as error:
            if type(error).__name__ == "KilledWorker":
                raise InputError(
                    "Workers died several times at the same task, probably for want of memory; give each "
                    "more memory or fewer threads. The same call goes on from the last sweep."
                ) from error
            raise


def task(function: Callable[..., Any], *arguments: Any) -> Any:
    """A delayed call, in one thread: what runs beside it are other tasks."""
    from dask.delayed import delayed

    return delayed(_in_one_thread, pure=False)(function, *arguments)


def _in_one_thread(function: Callable[..., T], *arguments: Any) -> T:
    with threads(1):
        return function(*arguments)
