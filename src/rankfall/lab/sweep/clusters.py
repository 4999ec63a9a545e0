"""Dask distributed as the place where cells are computed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from ...declared_arguments import declared
from ...errors import InputError
from ...version import __version__
from .worker import versions

_PATIENCE = 30


@contextmanager
def connected(address: str, timeout: float = 10.0) -> Iterator[Any]:
    """A client of a running Dask cluster whose workers have the same version of rankfall.

    Raises
    ------
    InputError
        As :func:`cluster`.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(
            "A Dask scheduler needs the package distributed: pip install 'rankfall[cluster]'."
        ) from error
    # what it has to say comes as an exception too, and then as one sentence
    log = logging.getLogger("distributed.client")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=timeout, set_as_default=False)
    except (OSError, ValueError) as error:
        log.setLevel(level)
        raise InputError(f"No Dask scheduler answers at {address} ({_first_line(error)}).") from error
    try:
        _check_workers(client, address)
        yield client
    finally:
        client.close()
        log.setLevel(level)


@contextmanager
@declared
def cluster(address: str, timeout: float = 10.0) -> Iterator[Executor]:
    """An executor for :func:`~rankfall.lab.sweep.run.run_sweep` on a running Dask cluster.

    Give workers one thread each (``dask worker ADDRESS --nthreads 1 --nworkers N``): cells do not share a
    process well. A cell whose worker dies is computed by another one. The time limit of a cell holds to
    within its longest call that does not return to Python; a worker stuck in such a call stays so.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``tcp://10.0.0.1:8786``.
    timeout : float
        Seconds to wait for an answer.

    Yields
    ------
    Executor

    Raises
    ------
    InputError
        If `distributed` is not installed, the scheduler does not answer or has no workers, or a worker has
        another version of rankfall (or none).
    """
    with connected(address, timeout) as client:
        yield client.get_executor(pure=False)


def _check_workers(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except (OSError, TimeoutError) as error:
        raise InputError(
            f"The Dask scheduler at {address} had no workers for {_PATIENCE} seconds."
        ) from error
    try:
        theirs = client.run(versions)
    except Exception as error:
        raise InputError(
            f"The workers at {address} cannot run rankfall {__version__} ({_first_line(error)})."
        ) from error
    for worker, found in theirs.items():
        if found["rankfall"] != __version__:
            raise InputError(
                f"The worker {worker} has rankfall {found['rankfall']}, not {__version__}: results would mix."
            )


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
