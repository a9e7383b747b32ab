"""A collector in the test's process, on a real broker, over ASGI or on a loopback port."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi import FastAPI

from spendmeter_clickhouse import Store
from spendmeter_deploy.listening import listen, served, url_of
from spendmeter_events import KafkaConnection
from spendmeter_events.topics import USAGE
from spendmeter_rollups import Credential, ServiceSettings, create_app
from spendmeter_rollups.collect.event_publisher import EventPublisher
from tests.support.kafka.topic import read_topic
from tests.support.service import ADMIN_KEY
from tests.support.until import until

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}


class Writers:
    """Keys `SCOPE,SCOPE/org`."""

    async def authenticate(self, token: str) -> Credential | None:
        scopes, _, org = token.partition("/")
        return Credential(token, frozenset(scopes.split(",")), org or None) if ":" in token else None


def key(*scopes: str, org: str = "") -> dict[str, str]:
    return {"Authorization": f"Bearer {','.join(scopes)}/{org}"}


@asynccontextmanager
async def collector_app(
    store: Store,
    connection: KafkaConnection,
    *,
    ready: bool = True,
    most_in_flight: int = 1000,
    now: datetime | None = NOW,
    settings: ServiceSettings | None = None,
) -> AsyncIterator[FastAPI]:
    """Yield the app; `now` is its clock, None the real one."""
    publisher = EventPublisher(connection, most_in_flight=most_in_flight)
    await publisher.start()
    app = create_app(
        store=store,
        settings=settings or ServiceSettings(admin_key=ADMIN_KEY),
        authenticators=(Writers(),),
        clock=lambda: now or datetime.now(UTC),
        publisher=publisher,
    )
    try:
        if ready:
            await until(lambda: publisher.connected)
        yield app
    finally:
        await publisher.stop()
        app.state.service.close()


@asynccontextmanager
async def collector(store: Store, connection: KafkaConnection, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client with the admin key."""
    async with (
        collector_app(store, connection, **options) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=ADMIN) as http,
    ):
        yield http


@asynccontextmanager
async def listening_collector(store: Store, connection: KafkaConnection) -> AsyncIterator[str]:
    """Yield the URL of a collector with the real clock, for clients of its own process or thread."""
    listener = listen("127.0.0.1", 0, host_setting="")
    async with collector_app(store, connection, now=None) as app, served(app, listener):
        yield url_of(listener)


async def stored(connection: KafkaConnection, count: int) -> list[dict[str, Any]]:
    """Return the first `count` events of the usage topic."""
    records = await read_topic(connection, USAGE, count=count)
    return [json.loads(record.value or b"") for record in records]
