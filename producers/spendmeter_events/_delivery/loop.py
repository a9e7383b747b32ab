"""Send buffered records until the broker acknowledges or permanently rejects each of them.

One round: connect if need be, deal new records to their partitions' lanes, send the head of each lane that
is not pausing, and settle each answer by its verdict. A failing partition pauses alone; only when nothing
succeeds is the connection closed and reopened, from the bootstrap servers, after a back-off.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from aiokafka.errors import (
    BrokerResponseError,
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    KafkaConnectionError,
    NodeNotReadyError,
    NotCoordinatorError,
    RequestTimedOutError,
)

from spendmeter_events._delivery.buffer import Buffer, Record
from spendmeter_events._delivery.lanes import Lane, partition_of
from spendmeter_events._delivery.link import TRANSPORT_ERRORS, ProducerId
from spendmeter_events._delivery.losses import LOG_INTERVAL_S, Losses, logger
from spendmeter_events._delivery.verdict import Verdict, verdict
from spendmeter_events.settings import ProducerSettings
from spendmeter_events.stats import DropReason

_YIELD_EVERY: Final = 500
"""Records dealt between two chances for the service's other work on this loop (about 4 ms)."""
_TRY_AGAIN_FOR_ID: Final = (
    KafkaConnectionError,
    NodeNotReadyError,
    RequestTimedOutError,
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    NotCoordinatorError,
    OSError,
)


class OpenLink(Protocol):
    """What a round needs of a connection; `_link.Link` is the one in use."""

    def partitions(self) -> list[int]: ...
    async def refresh(self) -> None: ...
    async def producer_id(self) -> ProducerId: ...
    async def produce(self, payloads: Mapping[int, bytes]) -> dict[int, Exception | None]: ...
    async def close(self) -> None: ...


def back_off(failures: int, settings: ProducerSettings, *, jitter: float) -> float:
    """Seconds to wait after this many failures in a row; `jitter` in 0 … 1 spreads producers apart."""
    full = min(settings.retry_backoff_max_s, settings.retry_backoff_s * 2.0 ** min(failures - 1, 32))
    return full * (0.5 + jitter / 2)


class Delivery:
    """Lives in one event loop. Every record taken from the buffer is released exactly once."""

    def __init__(
        self,
        *,
        settings: ProducerSettings,
        buffer: Buffer,
        losses: Losses,
        open_link: Callable[[], Awaitable[OpenLink]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._buffer = buffer
        self._losses = losses
        self._open_link = open_link
        self._clock = clock
        self._link: OpenLink | None = None
        self._lanes: dict[int, Lane] = {}
        self._producer: ProducerId | None = None
        self._identity_lost = False
        self._outages = 0
        self._reconnect_at = 0.0
        self._next_warning = 0.0
        self.idempotent: bool | None = None
        self.sent = 0
        self.failed_attempts = 0
        self.last_error = ""

    @property
    def connected(self) -> bool:
        return self._link is not None

    def seconds_until_ready(self) -> float | None:
        """0 when a lane may be sent now, None when nothing waits in a lane; the buffer is not looked at."""
        moments = [max(lane.retry_at, self._reconnect_at) for lane in self._lanes.values() if lane.groups]
        return max(0.0, min(moments) - self._clock()) if moments else None

    def seconds_until_reconnect(self) -> float:
        """0 unless the back-off after a failed connection is still running."""
        return max(0.0, self._reconnect_at - self._clock())

    async def round(self) -> None:
        """Never raises but for cancellation: what fails is paused and stays in its lane or in the buffer."""
        try:
            link = self._link or await self._connect()
            await self._deal(link.partitions())
            await self._send_ready(link)
        except Exception as error:
            # Nothing may end the loop that empties the buffer, a fault of ours included.
            await self._lose_connection(error)

    def hurry(self) -> None:
        """Ends all pauses once: a closing producer has no time for a long back-off."""
        self._outages = 0
        self._reconnect_at = 0.0
        for lane in self._lanes.values():
            lane.failures = 0
            lane.retry_at = 0.0

    async def close(self) -> None:
        """Closes the connection, if there is one."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def _connect(self) -> OpenLink:
        link = await self._open_link()
        try:
            if self._producer is None and self.idempotent is not False:
                self._producer = await self._ask_for_identity(link)
        except BaseException:
            await link.close()
            raise
        if self._outages:
            logger.info("Connected to Kafka again; %d usage events wait", self._buffer.events)
        self._link = link
        return link

    async def _ask_for_identity(self, link: OpenLink) -> ProducerId | None:
        try:
            identity = await link.producer_id()
        except _TRY_AGAIN_FOR_ID:
            raise
        except Exception as error:
            # With an id, the topic has each event once, which every consumer of it sees. Without one, a batch whose
            # acknowledgement was lost is in the topic twice, and the worker drops the copies by `event_id`.
            logger.info("The broker gives no producer id (%r): sending without idempotence", error)
            self.idempotent = False
            return None
        self.idempotent = True
        return identity

    async def _deal(self, partitions: list[int]) -> None:
        """Moves the next records from the buffer to the lanes of their partitions."""
        for gone in self._lanes.keys() - set(partitions):
            # The topic was recreated with fewer partitions: reassign the lane's records.
            self._buffer.reinsert(self._lanes.pop(gone).all_records())
        batch_bytes = self._settings.batch_bytes
        for number, record in enumerate(self._buffer.take(batch_bytes), start=1):
            partition = partition_of(record.key, partitions)
            lane = self._lanes.get(partition)
            if lane is None:
                lane = self._lanes[partition] = Lane(partition)
            lane.add(record, batch_bytes=batch_bytes)
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)

    async def _send_ready(self, link: OpenLink) -> None:
        now = self._clock()
        payloads: dict[int, bytes] = {}
        for lane in self._lanes.values():
            if lane.groups and lane.retry_at <= now:
                payloads[lane.partition] = lane.head_payload(self._producer)
                await asyncio.sleep(0)
        if not payloads:
            return
        outcome = await link.produce(payloads)
        errors = [error for error in outcome.values() if error is not None]
        for partition, error in outcome.items():
            await self._settle(self._lanes[partition], error)
        if len(errors) < len(outcome):
            self._outages = 0
        if errors:
            await self._recover(link, errors, all_failed=len(errors) == len(outcome))

    async def _settle(self, lane: Lane, error: Exception | None) -> None:
        head = lane.groups[0]
        match verdict(error):
            case Verdict.SENT:
                records = lane.settle_head(stored=True)
                self.sent += len(records)
                self._buffer.release(records)
            case Verdict.REFUSED if len(head.records) > 1:
                lane.split_head()
            case Verdict.REFUSED:
                self._refuse(lane.settle_head(stored=False), error)
            case Verdict.NEW_IDENTITY:
                self._identity_lost = True
                self._pause(lane)
            case Verdict.RETRY:
                self._pause(lane)

    def _refuse(self, records: list[Record], error: Exception | None) -> None:
        self._buffer.release(records)
        self._losses.add(DropReason.REFUSED, len(records), why=f"the broker says {error!r}")

    def _pause(self, lane: Lane) -> None:
        lane.failures += 1
        lane.retry_at = self._clock() + back_off(lane.failures, self._settings, jitter=random.random())  # noqa: S311

    async def _recover(self, link: OpenLink, errors: list[Any], *, all_failed: bool) -> None:
        self._note_failure(errors[0])
        if self._identity_lost:
            # Only now: what this round stored was settled by the old identity's sequence numbers.
            self._identity_lost, self._producer = False, None
            for lane in self._lanes.values():
                lane.forget_identity()
            self._producer = await self._ask_for_identity(link)
        if all_failed and all(_is_transport(error) for error in errors):
            raise errors[0]
        if any(getattr(error, "invalid_metadata", False) for error in errors):
            await link.refresh()

    async def _lose_connection(self, error: Exception) -> None:
        self._note_failure(error)
        self._outages += 1
        pause = back_off(self._outages, self._settings, jitter=random.random())  # noqa: S311
        self._reconnect_at = self._clock() + pause
        await self.close()

    def _note_failure(self, error: Exception) -> None:
        self.failed_attempts += 1
        self.last_error = repr(error)
        now = self._clock()
        if now >= self._next_warning:
            self._next_warning = now + LOG_INTERVAL_S
            # A traceback only for unexpected errors: an unreachable broker is not a bug.
            trace = None if isinstance(error, TRANSPORT_ERRORS) else error
            waiting = self._buffer.events
            logger.warning("Cannot send usage events, trying on: %r; %d wait", error, waiting, exc_info=trace)


def _is_transport(error: Exception) -> bool:
    return isinstance(error, RequestTimedOutError) or not isinstance(error, BrokerResponseError)
