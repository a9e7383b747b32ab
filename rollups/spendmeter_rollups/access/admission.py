"""Concurrency limits: requests in progress per credential and overall, and queries per credential."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary

from spendmeter_rollups.access.auth import Credential
from spendmeter_rollups.problems import Problem


class Admission:
    """Limit the requests in progress in this process. Each request has a time limit, so rejections do not last."""

    def __init__(self, *, per_credential: int, overall: int) -> None:
        self._per_credential = per_credential
        self._overall = overall
        self._in_progress: Counter[tuple[str, str | None]] = Counter()

    @contextmanager
    def admit(self, credential: Credential) -> Iterator[None]:
        """Count a request while it runs. Raises `Problem`: 429 above the credential's limit, 503 above the overall."""
        owner = (credential.name, credential.org_id)
        if self._in_progress[owner] >= self._per_credential:
            raise _too_many(429, f"this credential already has {self._per_credential} requests in progress")
        if self._in_progress.total() >= self._overall:
            raise _too_many(503, f"the service already has {self._overall} requests in progress")
        self._in_progress[owner] += 1
        try:
            yield
        finally:
            self._in_progress[owner] -= 1
            # Do not keep idle credentials in memory.
            if not self._in_progress[owner]:
                del self._in_progress[owner]


def _too_many(status: int, detail: str) -> Problem:
    return Problem(
        status=status,
        kind="too-many-at-once",
        title="Too many concurrent requests",
        detail=f"{detail}: retry in 1 s",
        headers={"Retry-After": "1"},
    )


class QueryLimits:
    """Limit the concurrent queries of each credential; further ones wait in order. For use in one event loop."""

    def __init__(self, *, per_credential: int) -> None:
        self._per_credential = per_credential
        # An entry lives as long as a request refers to it.
        self._semaphores: WeakValueDictionary[Hashable, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, owner: Hashable) -> asyncio.Semaphore:
        """Return the semaphore of a credential, to be acquired around each query."""
        return self._semaphores.setdefault(owner, asyncio.Semaphore(self._per_credential))
