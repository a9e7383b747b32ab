"""Validate each event of a request, and publish the accepted ones before the answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from traceback import format_tb
from typing import Any, Final

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from spendmeter_events import UsageEvent
from spendmeter_events.normalize.record import InvalidRecord, check_time
from spendmeter_events.telemetry.errors import NotCounted
from spendmeter_rollups.access.auth import Credential
from spendmeter_rollups.collect.event_publisher import EventPublisher
from spendmeter_rollups.collect.metrics import CollectorMetrics
from spendmeter_rollups.problems import Problem

log = logging.getLogger(__name__)

_MOST_RECENT: Final = 50_000


class RecentKeys:
    """The last keys that were added, in the memory of this process."""

    def __init__(self, most: int = _MOST_RECENT) -> None:
        self._most = most
        self._keys: dict[tuple[str, ...], None] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def add(self, keys: Iterable[tuple[str, ...]]) -> None:
        """Add keys, and drop the oldest ones."""
        self._keys |= dict.fromkeys(keys)
        for key in list(islice(self._keys, max(0, len(self._keys) - self._most))):
            del self._keys[key]


class RecentEvents:
    """The last events that Kafka acknowledged to this process. Only a report: the worker decides what is counted."""

    def __init__(self) -> None:
        self._keys = RecentKeys()

    def __contains__(self, event: UsageEvent) -> bool:
        return key_of(event) in self._keys

    def add(self, events: Iterable[UsageEvent]) -> None:
        """Add acknowledged events."""
        self._keys.add(key_of(event) for event in events)


def key_of(event: UsageEvent) -> tuple[str, str]:
    """Return org and id, which identify an event."""
    return event.org_id, event.event_id.hex


@dataclass(slots=True)
class BatchResult:
    """The events of one request to publish, and the result of each in the order of the body."""

    events: list[UsageEvent] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    refused: int = 0
    ignored: int = 0

    def refuse(self, index: int, error: InvalidRecord) -> None:
        """Add the result of a refused event."""
        self.refused += 1
        reason = {"code": error.code, "field": error.field, "reason": error.message}
        self.results.append({"index": index, "status": "refused", **reason})

    @property
    def duplicates(self) -> int:
        """Events that repeat an event of this body, or one that was accepted just now."""
        return len(self.results) - len(self.events) - self.refused - self.ignored

    @property
    def counts(self) -> dict[str, int]:
        """Number of events by outcome."""
        return {"accepted": len(self.events), "duplicates": self.duplicates, "refused": self.refused}


@dataclass(frozen=True, slots=True)
class BatchContext:
    """Context of a request: its credential, its time, and the events that this process accepted before it."""

    credential: Credential
    now: datetime
    recent: RecentEvents

    @property
    def org_id(self) -> str:
        """The only org of the credential; empty for one of all orgs."""
        return self.credential.org_id or ""

    def checked(self, event: UsageEvent) -> UsageEvent:
        """Return the event. Raises `InvalidRecord` for a time or an org that the credential may not write."""
        check_time(event, now=self.now)
        if self.credential.org_id is not None and event.org_id != self.credential.org_id:
            raise InvalidRecord("forbidden_org", "org_id: this credential may only write its own org", field="org_id")
        return event


def validate(contents: Iterable[Any], read: Callable[[Any], UsageEvent], batch: BatchContext) -> BatchResult:
    """Read each event with `read`, which raises `InvalidRecord`, or `NotCounted` for one that must not be counted."""
    result, seen = BatchResult(), set[tuple[str, str]]()
    for index, content in enumerate(contents):
        try:
            event = batch.checked(read(_readable(content)))
        except InvalidRecord as error:
            result.refuse(index, error)
            continue
        except NotCounted as error:
            result.ignored += 1
            result.results.append({"index": index, "status": "ignored", "reason": str(error)})
            continue
        except Exception as error:
            # The other events of the request must not be lost with this one. The error's message may have values.
            log.error("cannot read an event: %s\n%s", type(error).__name__, "".join(format_tb(error.__traceback__)))
            result.refuse(index, InvalidRecord("invalid_field", "the event cannot be read"))
            continue
        key = key_of(event)
        repeated = key in seen or event in batch.recent
        seen.add(key)
        status = "duplicate" if repeated else "accepted"
        result.results.append({"index": index, "status": status, "event_id": str(event.event_id)})
        if not repeated:
            result.events.append(event)
    return result


def _readable(content: Any) -> Any:
    """Return the content. Raises the `InvalidRecord` that a line has which is not JSON."""
    if isinstance(content, InvalidRecord):
        raise content
    return content


async def publish(app: FastAPI, result: BatchResult) -> None:
    """Return once Kafka acknowledged the events, and count them. Raises `Problem` (503)."""
    publisher: EventPublisher = app.state.publisher
    metrics: CollectorMetrics = app.state.collector_metrics
    if result.events:
        try:
            await publisher.publish(result.events)
        except Problem:
            metrics.count(unacknowledged=len(result.events))
            raise
        recent: RecentEvents = app.state.recent_events
        recent.add(result.events)
    metrics.count(**result.counts)


def answer(result: BatchResult) -> JSONResponse:
    """Return the response: 200 nothing refused, 207 some refused, 422 all refused."""
    status = 200 if not result.refused else 422 if result.refused == len(result.results) else 207
    ignored = {"ignored": result.ignored} if result.ignored else {}
    return JSONResponse({**result.counts, **ignored, "results": result.results}, status_code=status)
