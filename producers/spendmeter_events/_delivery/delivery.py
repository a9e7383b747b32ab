"""Select how events are delivered: to Kafka, or to the collector over HTTP. aiokafka is imported only for Kafka."""

from __future__ import annotations

from typing import Protocol

from spendmeter_events._delivery.buffer import Buffer
from spendmeter_events._delivery.losses import Losses
from spendmeter_events.connection import HttpConnection, KafkaConnection
from spendmeter_events.settings import ProducerSettings


class Delivers(Protocol):
    """What a producer uses of `loop.Delivery` and `http_delivery.HttpDelivery`."""

    idempotent: bool | None
    sent: int
    failed_attempts: int
    last_error: str

    @property
    def connected(self) -> bool: ...
    def seconds_until_ready(self) -> float | None: ...
    def seconds_until_reconnect(self) -> float: ...
    async def round(self) -> None: ...
    def end_back_off(self) -> None: ...
    async def close(self) -> None: ...


def open_delivery(
    connection: KafkaConnection | HttpConnection, *, settings: ProducerSettings, buffer: Buffer, losses: Losses
) -> Delivers:
    """Return the delivery for this connection. It connects at its first round."""
    if isinstance(connection, HttpConnection):
        from spendmeter_events._delivery.http_delivery import HttpDelivery

        return HttpDelivery(connection=connection, settings=settings, buffer=buffer, losses=losses)
    from spendmeter_events._delivery.link import Link
    from spendmeter_events._delivery.loop import Delivery

    async def open_link() -> Link:
        return await Link.open(connection, topic=settings.topic, timeout_s=settings.request_timeout_s)

    return Delivery(settings=settings, buffer=buffer, losses=losses, open_link=open_link)
