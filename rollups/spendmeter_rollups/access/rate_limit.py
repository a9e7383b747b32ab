"""How many requests a credential may make in a minute."""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from spendmeter_rollups.access.auth import Credential
from spendmeter_rollups.problems import Problem


class RateLimit:
    """Counts in this process: behind a balancer each process lets the same number through."""

    def __init__(self, *, per_minute: int) -> None:
        self._per_minute = per_minute
        self._limiter: SlidingWindowCounterRateLimiter | None = None

    async def count(self, credential: Credential) -> None:
        """Raises `Problem` (429) where the last minute is used up, with the seconds until it is not."""
        most = credential.limits.requests_per_minute or self._per_minute
        if not most:
            return
        if self._limiter is None:
            # It needs the event loop, which an app that is only being put together does not have yet.
            self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        limit = RateLimitItemPerMinute(most)
        who = (credential.name, credential.org_id or "")
        if await self._limiter.hit(limit, *who):
            return
        stats = await self._limiter.get_window_stats(limit, *who)
        seconds = max(1, math.ceil(stats.reset_time - time.time()))
        raise Problem(
            status=429,
            kind="too-many-requests",
            title="Too many requests",
            detail=f"this credential may make {most} requests a minute: try again in {seconds} s",
            headers={"Retry-After": str(seconds)},
        )
