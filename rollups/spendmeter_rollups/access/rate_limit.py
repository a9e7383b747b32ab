"""Requests per minute of each credential."""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from spendmeter_rollups.access.auth import Credential
from spendmeter_rollups.problems import Problem


class RateLimit:
    """A sliding-window counter in this process. Behind a load balancer, each process allows the full rate."""

    def __init__(self, *, per_minute: int) -> None:
        self._per_minute = per_minute
        self._limiter: SlidingWindowCounterRateLimiter | None = None

    async def count(self, credential: Credential) -> None:
        """Count one request. Raises `Problem` (429) above the limit, with the seconds to wait."""
        most = credential.limits.requests_per_minute or self._per_minute
        if not most:
            return
        if self._limiter is None:
            # Created on first use: it needs a running event loop.
            self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        limit = RateLimitItemPerMinute(most)
        owner = (credential.name, credential.org_id or "")
        if await self._limiter.hit(limit, *owner):
            return
        stats = await self._limiter.get_window_stats(limit, *owner)
        seconds = max(1, math.ceil(stats.reset_time - time.time()))
        raise Problem(
            status=429,
            kind="too-many-requests",
            title="Too many requests",
            detail=f"this credential is limited to {most} requests per minute: retry in {seconds} s",
            headers={"Retry-After": str(seconds)},
        )
