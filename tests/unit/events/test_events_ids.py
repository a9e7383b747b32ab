"""Event ids sort by time, and a forked process can create ids."""

from __future__ import annotations

import os
import signal

from spendmeter_events import _uuid7
from spendmeter_events._uuid7 import uuid7


def test_ids_increase_and_are_of_version_7() -> None:
    ids = [uuid7() for _ in range(10_000)]
    assert ids == sorted(set(ids))
    assert {made.version for made in ids} == {7}


def test_a_forked_child_does_not_wait_for_a_thread_that_it_lacks() -> None:
    """Given a thread of the parent inside `uuid7` during the fork, then the child has a new lock."""
    with _uuid7._lock:  # noqa: SLF001 - a lock that another thread has
        child = os.fork()
        if child == 0:
            signal.alarm(30)  # ends a child that hangs
            uuid7()
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
