"""Reset locks, threads and files in a forked child, which has only the thread that forked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TypeVar

_Object = TypeVar("_Object")


def after_fork(reset: Callable[[], None]) -> None:
    """Call `reset` in each child that this process forks. Does nothing on Windows, which has no fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=reset)


def reset_after_fork(objects: Iterable[_Object], reset: Callable[[_Object], None]) -> None:
    """Call `reset` in each forked child with every object that the collection `objects` has then."""

    def reset_all() -> None:
        for each in list(objects):
            reset(each)

    after_fork(reset_all)
