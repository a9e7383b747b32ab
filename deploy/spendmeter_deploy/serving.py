"""Run a worker or a query service as a production process, with an external Kafka and ClickHouse."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from spendmeter_clickhouse import Store, StoreSettings
from spendmeter_clickhouse.api_keys import list_keys
from spendmeter_deploy.ending import current_ending
from spendmeter_deploy.errors import StartError
from spendmeter_deploy.listening import listen, served, url_of
from spendmeter_deploy.price_desk import BookDesk, following_desk
from spendmeter_rollups import ServiceSettings, create_app
from spendmeter_rollups.app import create_collector
from spendmeter_rollups.collect.event_publisher import EventPublisher
from spendmeter_stream.runtime.start import place_of, wait_for_store
from spendmeter_stream.runtime.version import installed_version
from spendmeter_stream.settings import KafkaSettings, StreamSettings
from spendmeter_stream.stopping import stop_worker
from spendmeter_stream.worker import Worker, create_worker

log = logging.getLogger(__name__)


async def work_forever() -> None:
    """Run one worker until a signal; its open chunks are completed first."""
    settings = StreamSettings()
    with Store(StoreSettings()) as store:
        worker = create_worker(settings=settings, store=store)
        await run_worker(worker, seconds=settings.stop_timeout_seconds)


async def run_worker(worker: Worker, *, seconds: float) -> None:
    """Run `worker` until a signal, then stop it within `seconds`.

    :raises StartError: the worker crashed.
    """
    crashed = asyncio.create_task(worker.crashed())
    stopping = asyncio.create_task(current_ending().stop_requested())
    try:
        starting = asyncio.create_task(worker.app.start())
        await asyncio.wait([starting, stopping, crashed], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            await asyncio.wait([stopping, crashed], return_when=asyncio.FIRST_COMPLETED)
        starting.cancel()
        if crashed.done():
            raise StartError(f"the worker crashed: {crashed.result()}. Check the log, then restart it")
    finally:
        current_ending().begin()
        for left in await stop_worker(worker, seconds=seconds):
            current_ending().add_unfinished(f"not finished: {left}")
        for task in (crashed, stopping):
            task.cancel()


async def serve_forever(host: str, port: int) -> None:
    """Run the query service until a signal.

    :raises StartError: no credentials are configured, the address is unavailable, or the server stopped.
    """
    settings = ServiceSettings()
    listener = listen(host, port, host_setting="--host")
    with contextlib.closing(listener), Store(StoreSettings()) as store:
        log.info(
            "spendmeter %s, query service on %s, store at %s", installed_version(), url_of(listener), place_of(store)
        )
        async with (
            _price_desk() as desk,
            served(create_app(store=store, settings=settings, price_desk=desk), listener) as serving,
        ):
            # /healthz answers from here on, and /readyz reports what is missing.
            starting = asyncio.create_task(_wait_until_ready(settings, store))
            try:
                await asyncio.wait([serving, starting], return_when=asyncio.FIRST_COMPLETED)
                await starting
                # Not `await serving`: cancelling it would cancel the server instead of stopping it.
                await asyncio.wait([serving])
                raise StartError("the query service stopped unexpectedly. Check the log, then restart it")
            finally:
                starting.cancel()


@contextlib.asynccontextmanager
async def _price_desk() -> AsyncIterator[BookDesk | None]:
    """Yield the price book if SPENDMETER_BOOTSTRAP is set: queries need no Kafka."""
    settings = StreamSettings()
    if "bootstrap" not in settings.model_fields_set:
        yield None
        return
    async with following_desk(settings) as desk:
        yield desk


async def collect_forever(host: str, port: int) -> None:
    """Run the collector until a signal.

    :raises StartError: the address is unavailable, or the server stopped.
    """
    settings, connection = ServiceSettings(), KafkaSettings().connection()
    listener = listen(host, port, host_setting="--host")
    with contextlib.closing(listener), Store(StoreSettings()) as store:
        log.info(
            "spendmeter %s, collector on %s, Kafka at %s",
            installed_version(),
            url_of(listener),
            connection.bootstrap_servers,
        )
        publisher = EventPublisher(connection)
        await publisher.start()
        try:
            app = create_collector(store=store, settings=settings, publisher=publisher)
            async with served(app, listener) as serving:
                await asyncio.wait([serving])
                raise StartError("the collector stopped unexpectedly. Check the log, then restart it")
        finally:
            await publisher.stop()


async def _wait_until_ready(settings: ServiceSettings, store: Store) -> None:
    await wait_for_store(store, schema=True)
    if not await _has_credentials(settings, store):
        raise StartError(
            "no credentials are configured: create a key with `spendmeter apikey create`, set SPENDMETER_OIDC_ISSUER,"
            " or set SPENDMETER_ADMIN_KEY to a long random string"
        )
    log.info("ready")


async def _has_credentials(settings: ServiceSettings, store: Store) -> bool:
    if settings.admin_key or settings.oidc_issuer:
        return True
    with store.session("keys") as session:
        return any(key.valid(datetime.now(UTC)) for key in await list_keys(session))
