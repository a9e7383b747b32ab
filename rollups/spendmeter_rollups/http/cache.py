"""A short-lived cache of answers, so that dashboards with many panels and viewers query ClickHouse once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cachetools import TTLCache

_LARGEST_SHARE: Final = 4
"""An answer larger than 1/4 of the cache is not cached: it would evict everything else."""
_OVERHEAD: Final = 1024
"""Bytes of an entry besides its body: key, ETag and objects."""


@dataclass(frozen=True, slots=True)
class Cached:
    """An encoded answer, and an ETag that changes with its data only."""

    body: bytes
    etag: str
    next_page: Mapping[str, str] = field(default_factory=dict)
    """Parameters that differ on the next page."""


class AnswerCache:
    """Answers by credential and query, bounded by bytes and age. Concurrent requests share one computation."""

    def __init__(self, *, seconds: float, most_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._most = most_bytes
        self._answers: TTLCache[Hashable, Cached] = TTLCache(most_bytes, seconds, timer=clock, getsizeof=_size)
        self._pending: dict[Hashable, asyncio.Task[Cached]] = {}

    @property
    def size(self) -> int:
        """Bytes cached now."""
        self._answers.expire()
        return int(self._answers.currsize)

    async def get(self, key: Hashable, compute: Callable[[], Awaitable[Cached]]) -> Cached:
        """Return the answer for `key`, at most `seconds` old. Failures are not cached."""
        if not self._seconds:
            return await compute()
        # TTLCache expires on writes only: free expired answers on reads, too.
        self._answers.expire()
        found = self._answers.get(key)
        if found is not None:
            return found
        task = self._pending.get(key)
        if task is None:
            task = self._pending[key] = asyncio.create_task(self._computed(key, compute))
        # A client that disconnects must not cancel the computation that others wait for.
        return await asyncio.shield(task)

    async def _computed(self, key: Hashable, compute: Callable[[], Awaitable[Cached]]) -> Cached:
        try:
            answer = await compute()
        finally:
            del self._pending[key]
        if _size(answer) * _LARGEST_SHARE <= self._most:
            self._answers[key] = answer
        return answer


def _size(answer: Cached) -> int:
    return len(answer.body) + _OVERHEAD
