"""Publish events to Kafka, and return when every in-sync replica has them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from spendmeter_events import KafkaConnection, UsageEvent
from spendmeter_events.topics import USAGE
from spendmeter_rollups.problems import Problem

log = logging.getLogger(__name__)

MOST_IN_FLIGHT: Final = 50_000
"""Events that wait for Kafka in this process; beyond it, requests get a 503."""
ACKNOWLEDGE_SECONDS: Final = 15.0
_RECONNECT_SECONDS: Final = 2.0
_BATCH_BYTES: Final = 512 * 1024


class EventPublisher:
    """Publishes the events of a request before its response. No event outlives its request: on an error, the client
    retries."""

    def __init__(self, connection: KafkaConnection, *, most_in_flight: int = MOST_IN_FLIGHT) -> None:
        self._connection = connection
        self._most = most_in_flight
        self._in_flight = 0
        self._producer: AIOKafkaProducer | None = None
        self._connecting: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether Kafka was reached since the start."""
        return self._producer is not None

    async def start(self) -> None:
        """Connect in the background, so that the process starts without Kafka."""
        self._connecting = asyncio.create_task(self._connect(), name="collector-connect")

    async def stop(self) -> None:
        """Disconnect."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._producer is not None:
            with contextlib.suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
                    await self._producer.stop()

    async def publish(self, events: Sequence[UsageEvent]) -> None:
        """Publish all events. Raises `Problem` (503) if Kafka did not acknowledge all of them: a retry is harmless."""
        producer = self._producer
        if producer is None:
            raise _unavailable("Kafka is not reachable")
        if self._in_flight + len(events) > self._most:
            raise _unavailable(f"{self._in_flight} events are waiting for Kafka")
        self._in_flight += len(events)
        try:
            async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
                waiting = [await producer.send(USAGE, event.to_json(), key=event.key) for event in events]
                await asyncio.gather(*waiting)
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("Kafka acknowledged not all of %d events: %s", len(events), type(error).__name__)
            raise _unavailable("Kafka did not acknowledge the events") from None
        except asyncio.CancelledError:
            # A stopping server cancels requests that outlast its grace period: without Kafka, these.
            raise _unavailable("the collector stopped before Kafka acknowledged the events") from None
        finally:
            self._in_flight -= len(events)

    async def _connect(self) -> None:
        while self._producer is None:
            producer = AIOKafkaProducer(
                **self._connection.client_options(),
                acks="all",
                compression_type="lz4",
                linger_ms=5,
                max_batch_size=_BATCH_BYTES,
                request_timeout_ms=int(ACKNOWLEDGE_SECONDS * 1000),
            )
            try:
                await producer.start()
            except BaseException as error:
                # A cancelled start leaves sockets open, too.
                await producer.stop()
                if not isinstance(error, KafkaError | OSError):
                    raise
                log.warning("cannot reach Kafka at %s (%s); retrying", self._connection.bootstrap_servers, error)
                await asyncio.sleep(_RECONNECT_SECONDS)
            else:
                self._producer = producer


class PublisherReadiness:
    """Ready once Kafka was reached. ClickHouse may be down: it is only needed for API keys, which are cached."""

    def __init__(self, publisher: EventPublisher) -> None:
        self._publisher = publisher

    async def check(self) -> None:
        """Raise `Problem` (503) until Kafka was reached."""
        if not self._publisher.connected:
            raise Problem(status=503, kind="not-ready", title="Not ready", detail="Kafka is not reachable")

    def close(self) -> None:
        """Do nothing: the creator of the publisher closes it."""


def _unavailable(detail: str) -> Problem:
    return Problem(
        status=503,
        kind="not-accepted",
        title="Not accepted",
        detail=f"{detail}: send the request again",
        headers={"Retry-After": "2"},
    )
