"""Send buffered records until the broker acknowledges or permanently rejects each of them.

One round: connect if necessary, assign new records to the lanes of their partitions, send the first batch of each lane
that is not backing off, and handle each response by its verdict. A failing partition backs off alone. If every request
fails, the connection is closed, and reopened from the bootstrap servers after a back-off.
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

from spendmeter_events._delivery.back_off import back_off
from spendmeter_events._delivery.buffer import Buffer, Record
from spendmeter_events._delivery.lanes import Lane, partition_of
from spendmeter_events._delivery.link import TRANSPORT_ERRORS, ProducerId
from spendmeter_events._delivery.losses import LOG_INTERVAL_S, Losses, logger
from spendmeter_events._delivery.verdict import Verdict, verdict
from spendmeter_events.settings import ProducerSettings
from spendmeter_events.stats import DropReason

_YIELD_EVERY: Final = 500
"""Records assigned between two yields to the event loop, which the application shares (about 4 ms)."""
_RETRIABLE_ID_ERRORS: Final = (
    KafkaConnectionError,
    NodeNotReadyError,
    RequestTimedOutError,
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    NotCoordinatorError,
    OSError,
)


class OpenLink(Protocol):
    """The methods of a connection that `Delivery` calls; implemented by `link.Link`."""

    def partitions(self) -> list[int]: ...
    async def refresh(self) -> None: ...
    async def producer_id(self) -> ProducerId: ...
    async def produce(self, payloads: Mapping[int, bytes]) -> dict[int, Exception | None]: ...
    async def close(self) -> None: ...


class Delivery:
    """Send the buffer from one event loop. Every record taken from the buffer is released exactly once."""

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
        self._producer_id_rejected = False
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
        """Return the seconds until a lane can be sent; None if all lanes are empty. Ignores the buffer."""
        times = [max(lane.retry_at, self._reconnect_at) for lane in self._lanes.values() if lane.groups]
        return max(0.0, min(times) - self._clock()) if times else None

    def seconds_until_reconnect(self) -> float:
        """Return the rest of the back-off after a failed connection, in seconds."""
        return max(0.0, self._reconnect_at - self._clock())

    async def round(self) -> None:
        """Run one round. Never raises, except on cancellation: failed records stay in their lane or in the buffer."""
        try:
            link = self._link or await self._connect()
            await self._assign(link.partitions())
            await self._send_ready(link)
        except Exception as error:
            # No error, not even a bug of this package, may end the loop that empties the buffer.
            await self._disconnect(error)

    def end_back_off(self) -> None:
        """End all current back-offs, because a producer that is closing has little time left."""
        self._outages = 0
        self._reconnect_at = 0.0
        for lane in self._lanes.values():
            lane.failures = 0
            lane.retry_at = 0.0

    async def close(self) -> None:
        """Close the connection if it is open."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def _connect(self) -> OpenLink:
        link = await self._open_link()
        try:
            if self._producer is None and self.idempotent is not False:
                self._producer = await self._request_producer_id(link)
        except BaseException:
            await link.close()
            raise
        if self._outages:
            logger.info("Reconnected to Kafka; sending %d buffered usage events", self._buffer.events)
        self._link = link
        return link

    async def _request_producer_id(self, link: OpenLink) -> ProducerId | None:
        try:
            producer = await link.producer_id()
        except _RETRIABLE_ID_ERRORS:
            raise
        except Exception as error:
            # Without an id, a batch whose acknowledgement was lost is in the topic twice: the worker drops the copies
            # by `event_id`, other consumers see both.
            logger.info("The broker assigned no producer id (%r); sending without idempotence", error)
            self.idempotent = False
            return None
        self.idempotent = True
        return producer

    async def _assign(self, partitions: list[int]) -> None:
        """Move the next records from the buffer to the lanes of their partitions."""
        for removed in self._lanes.keys() - set(partitions):
            # The topic was recreated with fewer partitions: reassign the lane's records.
            self._buffer.reinsert(self._lanes.pop(removed).all_records())
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
            await self._handle_response(self._lanes[partition], error)
        if len(errors) < len(outcome):
            self._outages = 0
        if errors:
            await self._recover(link, errors, all_failed=len(errors) == len(outcome))

    async def _handle_response(self, lane: Lane, error: Exception | None) -> None:
        head = lane.groups[0]
        match verdict(error):
            case Verdict.SENT:
                records = lane.remove_head(stored=True)
                self.sent += len(records)
                self._buffer.release(records)
            case Verdict.REFUSED if len(head.records) > 1:
                lane.split_head()
            case Verdict.REFUSED:
                self._drop(lane.remove_head(stored=False), error)
            case Verdict.NEW_PRODUCER_ID:
                self._producer_id_rejected = True
                self._schedule_retry(lane)
            case Verdict.RETRY:
                self._schedule_retry(lane)

    def _drop(self, records: list[Record], error: Exception | None) -> None:
        self._buffer.release(records)
        self._losses.add(DropReason.REFUSED, len(records), why=f"the broker rejected a record: {error!r}")

    def _schedule_retry(self, lane: Lane) -> None:
        lane.failures += 1
        lane.retry_at = self._clock() + self._back_off(lane.failures)

    async def _recover(self, link: OpenLink, errors: list[Any], *, all_failed: bool) -> None:
        self._record_failure(errors[0])
        if self._producer_id_rejected:
            # After the whole round: its other responses refer to sequence numbers of the old producer id.
            self._producer_id_rejected, self._producer = False, None
            for lane in self._lanes.values():
                lane.reset_sequence()
            self._producer = await self._request_producer_id(link)
        if all_failed and all(_is_transport(error) for error in errors):
            raise errors[0]
        if any(getattr(error, "invalid_metadata", False) for error in errors):
            await link.refresh()

    async def _disconnect(self, error: Exception) -> None:
        self._record_failure(error)
        self._outages += 1
        self._reconnect_at = self._clock() + self._back_off(self._outages)
        await self.close()

    def _back_off(self, failures: int) -> float:
        return back_off(failures, self._settings, jitter=random.random())  # noqa: S311 - not a secret

    def _record_failure(self, error: Exception) -> None:
        self.failed_attempts += 1
        self.last_error = repr(error)
        now = self._clock()
        if now >= self._next_warning:
            self._next_warning = now + LOG_INTERVAL_S
            # A traceback only for unexpected errors: an unreachable broker is not a bug.
            trace = None if isinstance(error, TRANSPORT_ERRORS) else error
            buffered = self._buffer.events
            logger.warning("Cannot send usage events, retrying: %r; %d buffered", error, buffered, exc_info=trace)


def _is_transport(error: Exception) -> bool:
    return isinstance(error, RequestTimedOutError) or not isinstance(error, BrokerResponseError)
