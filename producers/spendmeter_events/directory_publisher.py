"""`DirectoryPublisher`: publish directory entries, awaiting the acknowledgement."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from spendmeter_events import topics
from spendmeter_events.connection import KafkaConnection
from spendmeter_events.directory import Entry
from spendmeter_events.errors import DeliveryFailed

_LINGER_MS: Final = 5


class DirectoryPublisher:
    """Publish entries to the compacted directory topic; the last entry of a key is current.

    `async with DirectoryPublisher(connection=...) as directory: await directory.publish(OrgEntry(...))`
    """

    def __init__(self, *, connection: KafkaConnection, topic: str = topics.DIRECTORY, timeout_s: float = 10.0) -> None:
        self._connection = connection
        self._topic = topic
        self._timeout_s = timeout_s
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect. Raises `DeliveryFailed` if no broker answers, `OSError` for a missing `ssl_cafile`."""
        producer = AIOKafkaProducer(
            acks="all",
            compression_type="lz4",
            linger_ms=_LINGER_MS,
            request_timeout_ms=int(self._timeout_s * 1000),
            **self._connection.client_options(),
        )
        try:
            await producer.start()
        except KafkaError as error:
            await producer.stop()
            raise DeliveryFailed(f"cannot connect to Kafka to publish the directory: {error!r}") from error
        self._producer = producer

    async def publish(self, *entries: Entry) -> None:
        """Publish `entries`; return when every in-sync replica has all of them.

        Entries of one key keep their order. Raises `DeliveryFailed` otherwise; publish all of them again.
        """
        await self._send([(entry.key, entry.model_dump_json().encode()) for entry in entries])

    async def remove(self, *entries: Entry) -> None:
        """Remove the entries with the keys of `entries`, until one with a later `updated_at` is published.

        Only the ids count: `remove(UserEntry(org_id="school-17", user_id="u-4821"))`. Returns and raises as `publish`.
        """
        await self._send([(entry.key, None) for entry in entries])

    async def _send(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        if self._producer is None:
            raise DeliveryFailed("the directory publisher is not started; call start() first")
        try:
            sent = [await self._producer.send(self._topic, key=key, value=value) for key, value in records]
            await asyncio.gather(*sent)
        except (KafkaError, TimeoutError) as error:
            raise DeliveryFailed(f"directory entries were not acknowledged; publish them again: {error!r}") from error

    async def close(self) -> None:
        """Disconnect. Closing twice is harmless."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
