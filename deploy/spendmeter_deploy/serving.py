"""The production processes: a worker and a query service, each on its own, against any Kafka and ClickHouse."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

import uvicorn

from spendmeter_clickhouse import Store, StoreSettings
from spendmeter_clickhouse.api_keys import list_keys
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

    :raises StartError: nobody could ask it anything.
    """
    settings = ServiceSettings()
    with Store(StoreSettings()) as store:
        if not await _anybody_may_ask(settings, store):
            raise StartError(
                "the service answers nobody without a key: make one with `spendmeter apikey create`,"
                " set SPENDMETER_OIDC_ISSUER, or set SPENDMETER_ADMIN_KEY to a long random string"
            )
        config = uvicorn.Config(
            create_app(store=store, settings=settings),
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            ws="none",
        )
        await uvicorn.Server(config).serve()


async def _anybody_may_ask(settings: ServiceSettings, store: Store) -> bool:
    if settings.admin_key or settings.oidc_issuer:
        return True
    with store.session("keys") as session:
        return any(key.valid(datetime.now(UTC)) for key in await list_keys(session))
