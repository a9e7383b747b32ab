"""How many requests may be under way at once: of one credential, and of all together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary

from spendmeter_rollups.access.auth import Credential
from spendmeter_rollups.problems import Problem


class Admission:
    """Counts in this process. What is admitted ends within its time limits, so refusals are short."""

    def __init__(self, *, per_credential: int, overall: int) -> None:
        self._per_credential = per_credential
        self._overall = overall
        self._under_way: Counter[tuple[str, str | None]] = Counter()

    @contextmanager
    def admit(self, credential: Credential) -> Iterator[None]:
        """Raises `Problem`: 429 for a credential with too many requests under way, 503 where all together have."""
        who = (credential.name, credential.org_id)
        if self._under_way[who] >= self._per_credential:
            raise _too_many(429, f"this credential may have {self._per_credential} requests under way")
        if self._under_way.total() >= self._overall:
            raise _too_many(503, f"the service answers {self._overall} requests at once")
        self._under_way[who] += 1
        try:
            yield
        finally:
            self._under_way[who] -= 1
            # A credential that asks no more must not stay in memory.
            if not self._under_way[who]:
                del self._under_way[who]


def _too_many(status: int, detail: str) -> Problem:
    return Problem(
        status=status,
        kind="too-many-at-once",
        title="Too many requests at once",
        detail=f"{detail}: try again in 1 s",
        headers={"Retry-After": "1"},
    )


class Turns:
    """How many queries of one credential run at once; the others wait in order. For one event loop."""

    def __init__(self, *, per_credential: int) -> None:
        self._per_credential = per_credential
        # Kept while a request refers to it.
        self._of: WeakValueDictionary[Hashable, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, who: Hashable) -> asyncio.Semaphore:
        """The turn of a credential, to be taken around each query."""
        return self._of.setdefault(who, asyncio.Semaphore(self._per_credential))
