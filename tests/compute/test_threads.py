"""All chunks of a loop are done, once, by whatever thread, whatever happens meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from rankfall.compute import threads

needs_two = pytest.mark.skipif(
    threads.max_threads() < 2, reason="threads share work on two processors or more"
)


def tally(begin, end, counts):
    for k in range(begin, end):
        counts[k] += 1


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 9, 1000])
@pytest.mark.parametrize("n_threads", [1, 2, None])
def test_every_place_is_visited_once(size, n_threads):
    counts = np.zeros(size)
    with threads.threads(n_threads):
        threads.parallel_for(tally, size, counts)
    assert np.all(counts == 1)


def test_the_number_of_threads_is_that_of_the_block_and_of_this_thread_only():
    most = threads.count()
    assert most == threads.max_threads()
    with threads.threads(1):
        assert threads.count() == 1
        elsewhere = []
        other = threading.Thread(target=lambda: elsewhere.append(threads.count()))
        other.start()
        other.join()
        assert elsewhere == [most]
        with threads.threads(None):
            assert threads.count() == 1
        with threads.threads(10**6):
            assert threads.count() == most
    assert threads.count() == most
    with threads.threads(0):
        assert threads.count() == 1


@needs_two
def test_chunks_are_done_by_no_more_threads_than_allowed_and_than_there_are_places():
    for size, n_threads, expected in ((3, 2, 2), (50, 2, 2), (50, 1, 1), (1, 2, 1)):
        seen, waiting = set(), threading.Barrier(expected, timeout=20)

        def work(begin, end, seen=seen, waiting=waiting):
            if begin < end and threading.get_ident() not in seen:
                seen.add(threading.get_ident())
                waiting.wait()  # passes only when the others have come too

        with threads.threads(n_threads):
            threads.parallel_for(work, size)
        assert len(seen) == expected


@needs_two
def test_an_error_is_raised_when_all_have_stopped():
    running = []

    def fails(begin, end):
        running.append(begin)
        time.sleep(0.01)
        running.remove(begin)
        if begin < end:
            raise ZeroDivisionError("chunk")

    with pytest.raises(ZeroDivisionError, match="chunk"), threads.threads(2):
        threads.parallel_for(fails, 100)
    assert not running


@needs_two
def test_loops_may_be_called_from_many_threads():
    counts = [np.zeros(997) for _ in range(6)]

    def call(own):
        for _ in range(50):
            threads.parallel_for(tally, own.size, own)

    callers = [threading.Thread(target=call, args=(own,)) for own in counts]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert all(np.all(own == 50) for own in counts)


INTERRUPTED = """
import faulthandler, random, signal, time
import numpy as np
from rankfall.compute import threads

def tally(begin, end, counts):
    for k in range(begin, end):
        counts[k] += 1

faulthandler.dump_traceback_later(50, exit=True)  # it hangs
signal.signal(signal.SIGALRM, signal.default_int_handler)
random.seed(0)
threads.parallel_for(tally, 64, np.zeros(64))
began = time.perf_counter()
for _ in range(100):
    threads.parallel_for(tally, 64, np.zeros(64))
usual = (time.perf_counter() - began) / 100
heard = 0
for attempt in range(4000):
    counts = np.zeros(64)
    try:
        signal.setitimer(signal.ITIMER_REAL, max(1e-6, 1.1 * random.random() * usual))
        threads.parallel_for(tally, 64, counts)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        heard += 1
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        heard += 1
    assert counts.min() == counts.max(), attempt
assert heard > 400, heard
"""


@needs_two
@pytest.mark.skipif(
    not hasattr(signal, "setitimer"),
    reason="this system has no interval timers, which interrupt the threads here",
)
def test_an_interrupt_at_any_moment_loses_no_chunk_and_hangs_nothing():
    """All places are visited or, where it came before the first, none."""
    run(INTERRUPTED)


@needs_two
def test_a_chunk_that_calls_parallel_for_does_the_work_alone():
    counts = np.zeros(40)

    def outer(begin, end):
        for k in range(begin, end):
            threads.parallel_for(tally, 10, counts[10 * k : 10 * k + 10])

    threads.parallel_for(outer, 4)
    assert np.all(counts == 1)


AFTER_THE_END = """
import atexit, threading, time
import numpy as np
from rankfall.compute import threads

def tally(begin, end, counts):
    counts[begin:end] += 1

def late():
    time.sleep(0.2)
    counts = np.zeros(40)
    threads.parallel_for(tally, 40, counts)
    print("done" if np.all(counts == 1) else "lost", flush=True)

if {first}:
    threads.parallel_for(tally, 40, np.zeros(40))
{how}
"""


@pytest.mark.parametrize("how", ["atexit.register(late)", "threading.Thread(target=late).start()"])
@pytest.mark.parametrize("first", [True, False])
def test_loops_work_while_a_program_ends(how, first):
    assert run(AFTER_THE_END.format(how=how, first=first)) == "done"


def run(script):
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout.strip()


@pytest.mark.skipif(
    not hasattr(os, "fork"), reason="this system cannot fork, so that there is nothing to survive"
)
def test_a_forked_process_has_threads_of_its_own():
    script = (
        "import os, numpy as np\n"
        "from rankfall.compute import threads\n"
        "def tally(a, b, counts): counts[a:b] += 1\n"
        "def all_done():\n"
        "    counts = np.zeros(40)\n"
        "    threads.parallel_for(tally, 40, counts)\n"
        "    return bool(np.all(counts == 1))\n"
        "assert all_done()\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(0 if all_done() else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
    )
    run(script)


def test_threads_that_wait_do_not_keep_a_program_from_ending():
    run("from rankfall.compute import threads; threads.parallel_for(lambda begin, end: None, 40)")
