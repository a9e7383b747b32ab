"""The production processes: a worker and a query service, each on its own, against any Kafka and ClickHouse."""

from __future__ import annotations

import asyncio
import logging

import uvicorn

from spendmeter_clickhouse import Store, StoreSettings
from spendmeter_deploy.errors import StartError
from spendmeter_rollups import ServiceSettings, create_app
from spendmeter_stream.settings import StreamSettings
from spendmeter_stream.topic_admin import ensure_topics
from spendmeter_stream.worker import create_worker

log = logging.getLogger(__name__)


async def work_forever() -> None:
    """Run one worker until it is told to stop; its last chunks are finished first."""
    settings = StreamSettings()
    with Store(StoreSettings()) as store:
        await ensure_topics(
            settings.client_options(), usage_partitions=settings.usage_partitions, replication=settings.replication
        )
        worker = create_worker(settings=settings, store=store)
        await worker.app.start()
        try:
            await asyncio.Event().wait()
        finally:
            await worker.app.stop()


async def serve_forever(host: str, port: int) -> None:
    """Run the query service until it is told to stop.

    :raises StartError: no admin key is configured.
    """
    settings = ServiceSettings()
    if not settings.admin_key:
        raise StartError("set SPENDMETER_ADMIN_KEY to a long random string: the service answers nobody without a key")
    with Store(StoreSettings()) as store:
        config = uvicorn.Config(
            create_app(store=store, settings=settings), host=host, port=port, log_config=None, access_log=False
        )
        await uvicorn.Server(config).serve()
