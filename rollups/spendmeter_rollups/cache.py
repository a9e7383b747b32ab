"""Answers kept for a moment, so that a board of many panels and viewers asks the store once."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

_MAX_ENTRIES: Final = 1000


@dataclass(frozen=True, slots=True)
class Cached:
    """A finished answer: its bytes, and a tag that stays the same while its figures do."""

    body: bytes
    etag: str


class AnswerCache:
    """By credential and question. Askers of a question under way wait for the one that is working on it."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._entries: OrderedDict[str, tuple[float, asyncio.Task[Cached]]] = OrderedDict()

    async def get(self, key: str, compute: Callable[[], Awaitable[Cached]]) -> Cached:
        """The answer to `key`, at most `seconds` old. Failures are not kept."""
        if not self._seconds:
            return await compute()
        now = time.monotonic()
        entry = self._entries.get(key)
        if entry is None or now - entry[0] > self._seconds or _failed(entry[1]):
            entry = (now, asyncio.ensure_future(_run(compute)))
            self._entries[key] = entry
            self._entries.move_to_end(key)
            while len(self._entries) > _MAX_ENTRIES:
                self._entries.popitem(last=False)
        # One asker that hangs up must not take the answer from the others.
        return await asyncio.shield(entry[1])


async def _run(compute: Callable[[], Awaitable[Cached]]) -> Cached:
    return await compute()


def _failed(task: asyncio.Task[Cached]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
