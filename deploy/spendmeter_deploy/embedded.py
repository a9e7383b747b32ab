"""The embedded stack: broker, store, worker and query service, one process tree on one data folder."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import signal
import time
import uuid
from collections.abc import AsyncIterator

from prometheus_client import REGISTRY

from spendmeter_clickhouse import Store, StoreSettings, migrate
from spendmeter_deploy.broker import TansuBroker
from spendmeter_deploy.errors import StartError
from spendmeter_deploy.folder import DataFolder
from spendmeter_deploy.listening import listen, served, url_of
from spendmeter_deploy.settings import StackSettings
from spendmeter_rollups import ServiceSettings, create_app
from spendmeter_stream.group_owner import adopt_group
from spendmeter_stream.settings import StreamSettings
from spendmeter_stream.topic_admin import ensure_topics
from spendmeter_stream.worker import Worker, create_worker

log = logging.getLogger(__name__)


class EmbeddedStack:
    """A running stack: where it can be reached, and what of it a command may ask."""

    def __init__(self, *, folder: DataFolder, broker: TansuBroker, store: Store, worker: Worker, url: str, key: str):
        self.folder = folder
        self.broker = broker
        self.store = store
        self.worker = worker
        self.url = url
        self.key = key

    async def caught_up(self, *, timeout: float) -> bool:
        """Wait until all that the broker has is stored; False if that takes longer than `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not self.worker.ingest.caught_up():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True


@contextlib.asynccontextmanager
async def embedded_stack(settings: StackSettings) -> AsyncIterator[EmbeddedStack]:
    """Start everything, in order; stop everything in the opposite order, the broker last.

    :raises StartError: one line that says what stands in the way.
    """
    async with contextlib.AsyncExitStack() as stack:
        folder = DataFolder(settings.data_dir)
        folder.acquire()
        stack.callback(folder.release)
        listener = listen(settings.host, settings.port)
        stack.callback(listener.close)
        broker = TansuBroker(log_file=folder.broker_log)
        await broker.start()
        stack.push_async_callback(broker.stop)
        store = Store(StoreSettings(store_dsn=f"chdb://{folder.store}"))
        stack.callback(store.close)
        await migrate(store)
        stream = StreamSettings(
            bootstrap=broker.bootstrap,
            # Offsets of a memory broker mean nothing after it: each start is a new life of the topic.
            incarnation=uuid.uuid4().hex,
            rebalance_timeout_ms=2000,
            # Tansu answers a join after half of this, and two groups are joined one after the other at each start.
            session_timeout_ms=5000,
        )
        await ensure_topics(stream.client_options(), usage_partitions=stream.usage_partitions)
        # The folder is locked, so no other group can be at work: whatever its name was, its offsets are gone.
        with store.session("group") as session:
            await adopt_group(session, stream.group)
        worker = create_worker(settings=stream, store=store, web=False)
        key, service = _service_settings()
        running = EmbeddedStack(folder=folder, broker=broker, store=store, worker=worker, url=url_of(listener), key=key)
        await worker.app.start()
        stack.push_async_callback(worker.app.stop)
        stack.push_async_callback(_drain, running, settings.drain_seconds)
        await stack.enter_async_context(served(create_app(store=store, settings=service, registry=REGISTRY), listener))
        folder.announce(broker.bootstrap, running.url)
        yield running


async def until_told_to_stop(stack: EmbeddedStack) -> None:
    """Return at Ctrl-C or SIGTERM.

    :raises StartError: the broker ended by itself, so that nothing can arrive any more.
    """
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    died = asyncio.create_task(stack.broker.died())
    waiting = asyncio.create_task(told.wait())
    try:
        await asyncio.wait([died, waiting], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (died, waiting):
            task.cancel()
    if not told.is_set():
        raise StartError(f"the broker ended by itself: see {stack.folder.broker_log}, then start again")


async def _drain(stack: EmbeddedStack, seconds: float) -> None:
    """Store what the broker has taken and the worker has not: the broker forgets it when it stops."""
    if not await stack.caught_up(timeout=seconds):
        log.error("stopped before all events were stored: raise SPENDMETER_DRAIN_SECONDS, now %s", seconds)


def _service_settings() -> tuple[str, ServiceSettings]:
    settings = ServiceSettings()
    if settings.admin_key:
        return "", settings
    key = secrets.token_urlsafe(32)
    return key, settings.model_copy(update={"admin_key": key})
