"""The embedded stack: broker, store, worker and query service in one process tree, on one data folder."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Callable, Set
from dataclasses import dataclass
from functools import partial

from prometheus_client import REGISTRY

from spendmeter_clickhouse import Store, StoreSettings, migrate
from spendmeter_deploy.embedded.broker import TansuBroker
from spendmeter_deploy.embedded.folder import DataFolder
from spendmeter_deploy.embedded.saved_rows import restore_rows, saving_rows
from spendmeter_deploy.embedded.stack_end import stop_stack, watched
from spendmeter_deploy.ending import current_ending
from spendmeter_deploy.listening import listen, served, url_of
from spendmeter_deploy.price_desk import BookDesk
from spendmeter_deploy.settings import StackSettings
from spendmeter_rollups import ServiceSettings, SignInLinks, create_app
from spendmeter_rollups.collect.event_publisher import EventPublisher
from spendmeter_stream.journal.group_owner import adopt_group
from spendmeter_stream.kafka.topic_admin import ensure_topics
from spendmeter_stream.pricing import PriceBookWatcher
from spendmeter_stream.settings import StreamSettings
from spendmeter_stream.worker import Worker, create_worker


@dataclass(frozen=True, slots=True)
class StackKey:
    """The admin key of the query service."""

    value: str
    generated: bool


class EmbeddedStack:
    """A running stack: its parts, addresses and admin key."""

    def __init__(
        self, *, folder: DataFolder, broker: TansuBroker, store: Store, worker: Worker, url: str, key: StackKey
    ):
        self.folder = folder
        self.broker = broker
        self.store = store
        self.worker = worker
        self.url = url
        self.key = key.value
        self.key_generated = key.generated
        """Whether the key was generated for this run because SPENDMETER_ADMIN_KEY is empty."""
        self.links = SignInLinks()
        """Secrets that sign in to the page once."""
        self.announced = False
        """Whether the addresses were published, so that clients may have sent events."""
        self.failure = ""
        """Reason of an unexpected stop."""

    async def caught_up(self, *, timeout: float) -> bool:
        """Wait until everything in the broker is stored. Return False after `timeout` seconds."""
        # Fetches answered before now do not know of records that were published a moment ago.
        since_ms = round(time.time() * 1000)
        return await _becomes_true(lambda: self.worker.ingest.caught_up(since_ms=since_ms), timeout=timeout)

    async def has_users(self, users: Set[tuple[str, str]], *, timeout: float) -> bool:
        """Wait until the worker's directory has these users. Return False after `timeout` seconds."""
        return await _becomes_true(lambda: users <= self.worker.directory.users.keys(), timeout=timeout)


async def _becomes_true(condition: Callable[[], bool], *, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


@contextlib.asynccontextmanager
async def embedded_stack(settings: StackSettings) -> AsyncIterator[EmbeddedStack]:
    """Start all parts in order; stop them in reverse order, the broker last.

    :raises StartError: a part cannot start.
    """
    async with contextlib.AsyncExitStack() as stack:
        folder = DataFolder(settings.data_dir)
        folder.acquire()
        stack.callback(folder.release)
        listener = listen(settings.host, settings.port, host_setting="SPENDMETER_HOST")
        stack.callback(listener.close)
        broker = await _start_broker(folder, stack)
        store = Store(StoreSettings(store_dsn=folder.store_dsn))
        stack.callback(store.close)
        # The engine stops with its last client: without this one, each step of the start would restart it.
        await store.admin().query("SELECT 1")
        stream = _stream_settings(broker)
        worker = await _prepare_worker(stream, store, folder)
        service = ServiceSettings()
        key = StackKey(service.admin_key or secrets.token_urlsafe(32), generated=not service.admin_key)
        running = EmbeddedStack(folder=folder, broker=broker, store=store, worker=worker, url=url_of(listener), key=key)
        stack.push_async_callback(
            partial(stop_stack, running, drain_seconds=settings.drain_seconds, seconds=stream.stop_timeout_seconds)
        )
        await worker.app.start()
        # Only now the rows of the topic are in force.
        await stack.enter_async_context(saving_rows(folder.price_rows, worker.prices))
        publisher = EventPublisher(stream.connection())
        await publisher.start()
        stack.push_async_callback(publisher.stop)
        app = create_app(
            store=store,
            settings=service.model_copy(update={"admin_key": key.value}),
            registry=REGISTRY,
            failures=worker.health.failures,
            links=running.links,
            publisher=publisher,
            price_desk=BookDesk(worker.prices, stream.client_options()),
        )
        serving = await stack.enter_async_context(served(app, listener))
        await stack.enter_async_context(watched(running, serving))
        folder.announce(broker.bootstrap, running.url)
        running.announced = True
        yield running


async def _start_broker(folder: DataFolder, stack: contextlib.AsyncExitStack) -> TansuBroker:
    """Start the broker; an abort kills it and unlocks the folder."""
    broker = TansuBroker(log_file=folder.broker_log)
    await broker.start()
    stack.push_async_callback(broker.stop)
    ending = current_ending()
    ending.at_abort(broker.kill)
    ending.at_abort(folder.release)
    return broker


def _stream_settings(broker: TansuBroker) -> StreamSettings:
    return StreamSettings(
        bootstrap=broker.bootstrap,
        # The memory broker reuses offsets, so each start is a new topic epoch.
        topic_id=uuid.uuid4().hex,
        rebalance_timeout_ms=2000,
        # Tansu answers a join after half of this timeout. It never removes a member for late heartbeats.
        session_timeout_ms=2000,
    )


async def _prepare_worker(stream: StreamSettings, store: Store, folder: DataFolder) -> Worker:
    """Migrate the store, create the topics, and return the worker."""
    prices, *_ = await asyncio.gather(
        # Compiling the book takes as long as most of the migrations, which run in the engine's threads.
        asyncio.to_thread(PriceBookWatcher, directory=stream.prices_path),
        migrate(store),
        ensure_topics(stream.client_options(), usage_partitions=stream.usage_partitions),
    )
    await restore_rows(folder.price_rows, stream.client_options())
    # The folder is locked, so no other group is running; the offsets of an earlier one are gone.
    with store.session("group") as session:
        await adopt_group(session, stream.group)
    return create_worker(settings=stream, store=store, web=False, prices=prices)
