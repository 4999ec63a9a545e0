"""What can go wrong under a command, as one sentence and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from ..errors import InputError, Outcome

BAD_INPUT, NOT_CONVERGED, INTERRUPTED = 2, 3, 130


def exit_code(outcome: Outcome) -> int:
    """0 done, 3 finished without converging, 130 interrupted."""
    if outcome is Outcome.INTERRUPTED:
        return INTERRUPTED
    return 0 if outcome.converged else NOT_CONVERGED


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn what a user can cause into a sentence on stderr and an exit code; bugs keep their traceback."""
    try:
        yield
    except InputError as error:
        raise _stop(str(error), BAD_INPUT) from error
    except MemoryError as error:
        text = "There is not enough memory for a table of this size; ask for some of its cells with --cells."
        raise _stop(text, BAD_INPUT) from error
    except OSError as error:
        if not _reader_has_gone(error):
            raise
        # Python would complain once more when it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        raise _stop(
            "Interrupted; what was not written yet is missing, and no file is half-written. The same command "
            "starts again.",
            INTERRUPTED,
        ) from error


def _reader_has_gone(error: OSError) -> bool:
    """Whether the program that read our output (head, say) has ended.

    Windows calls that an invalid argument.
    """
    if isinstance(error, BrokenPipeError):
        return True
    return sys.platform == "win32" and error.errno == errno.EINVAL and error.filename is None


def _stop(sentence: str, code: int) -> typer.Exit:
    # a line break inside a name or path must not make two sentences of one
    print(f"rankfall: {' '.join(sentence.split())}", file=sys.stderr)
    return typer.Exit(code)
