"""What can go wrong under a command, as one sentence and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import typer

from ..errors import InputError, Outcome, shortened, visible

BAD_INPUT, NOT_CONVERGED, INTERRUPTED = 2, 3, 130
# as shells say of a program that a broken pipe has ended
READER_GONE = 141


def exit_code(outcome: Outcome) -> int:
    """0 done, 3 finished without converging, 130 interrupted."""
    if outcome is Outcome.INTERRUPTED:
        return INTERRUPTED
    return 0 if outcome.converged else NOT_CONVERGED


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn what a user or the system can cause into a sentence on stderr and an exit code; bugs keep their
    traceback.
    """
    try:
        try:
            yield
        finally:
            # a full disk shows here and not when Python ends, where nobody could say so
            sys.stdout.flush()
    except InputError as error:
        raise _stop(str(error), BAD_INPUT) from error
    except MemoryError as error:
        text = "There is not enough memory for a table of this size; ask for some of its cells with --cells."
        raise _stop(text, BAD_INPUT) from error
    except OSError as error:
        gone, where = _reader_has_gone(error), f"{error.filename}: " if error.filename else ""
        if gone or not where:
            # stdout may be what fails: Python would complain once more when it closes it
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if gone:
            raise typer.Exit(READER_GONE) from error
        raise _stop(f"The system refuses to go on: {where}{_reason(error)}.", BAD_INPUT) from error
    except KeyboardInterrupt as error:
        raise _stop(
            "Interrupted; what was not written yet is missing, and no file is half-written. The same command "
            "starts again.",
            INTERRUPTED,
        ) from error


def say(sentence: str) -> None:
    """One line on stderr; a line break inside a name or path does not make two sentences of one."""
    print(f"rankfall: {shortened(visible(' '.join(sentence.split())))}", file=sys.stderr)


def _reason(error: OSError) -> str:
    try:
        os.getcwd()
    except OSError:
        return "the working folder has been deleted; change to another one"
    return error.strerror or str(error)


def _reader_has_gone(error: OSError) -> bool:
    """Whether the program that read our output (head, say) has ended.

    Windows calls that an invalid argument.
    """
    if isinstance(error, BrokenPipeError):
        return True
    return sys.platform == "win32" and error.errno == errno.EINVAL and error.filename is None


def _stop(sentence: str, code: int) -> typer.Exit:
    say(sentence)
    return typer.Exit(code)
