"""Answers kept for a moment, so that a board of many panels and viewers asks the store once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Final

from cachetools import TTLCache

_LARGEST_SHARE: Final = 4
"""An answer larger than this part of the cache is not kept: it would drive out everything else."""
_OVERHEAD: Final = 1024
"""Bytes that an entry takes besides its body: its question, its tag and the objects around them."""


@dataclass(frozen=True, slots=True)
class Cached:
    """A finished answer: its bytes, and a tag that stays the same while its figures do."""

    body: bytes
    etag: str


class AnswerCache:
    """By credential and question. Bounded by bytes and by age; requests for an answer under way share it."""

    def __init__(self, *, seconds: float, most_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._most = most_bytes
        self._kept: TTLCache[Hashable, Cached] = TTLCache(most_bytes, seconds, timer=clock, getsizeof=_size)
        self._under_way: dict[Hashable, asyncio.Task[Cached]] = {}

    @property
    def size(self) -> int:
        """Bytes that are kept now."""
        self._kept.expire()
        return int(self._kept.currsize)

    async def get(self, key: Hashable, compute: Callable[[], Awaitable[Cached]]) -> Cached:
        """The answer to `key`, at most `seconds` old. Failures are not kept."""
        if not self._seconds:
            return await compute()
        # Also when nothing is added: what is too old must not stay in memory.
        self._kept.expire()
        found = self._kept.get(key)
        if found is not None:
            return found
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._computed(key, compute))
        # A client that disconnects must not cancel the answer of the others.
        return await asyncio.shield(task)

    async def _computed(self, key: Hashable, compute: Callable[[], Awaitable[Cached]]) -> Cached:
        try:
            answer = await compute()
        finally:
            del self._under_way[key]
        if _size(answer) * _LARGEST_SHARE <= self._most:
            self._kept[key] = answer
        return answer


def _size(answer: Cached) -> int:
    return len(answer.body) + _OVERHEAD
