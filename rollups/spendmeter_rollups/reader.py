"""Asks the store. The only place of the service that waits for it."""

from __future__ import annotations

from typing import Any

from clickhouse_connect.driver.client import Client

from spendmeter_clickhouse import Store
from spendmeter_rollups.queries.query import Query
from spendmeter_rollups.settings import ServiceSettings

Row = dict[str, Any]


class Reader:
    """Runs queries in the read-only login's threads, within limits."""

    def __init__(self, store: Store, settings: ServiceSettings) -> None:
        self.session = store.reader()
        self._limits = {
            "max_execution_time": settings.query_timeout_seconds,
            "max_memory_usage": settings.query_memory_bytes,
        }

    async def rows(self, query: Query) -> list[Row]:
        """All rows of an answer, by column name. Raises `StoreError`."""
        parameters = dict(query.parameters)

        def read(client: Client) -> list[Row]:
            # The driver gives UTC columns without a zone unless told otherwise.
            answer = client.query(query.sql, parameters, settings=self._limits, tz_mode="aware")
            # Only the first block has been read by now: the rest must be read in this thread, not on the event loop.
            return [dict(zip(answer.column_names, row, strict=True)) for row in answer.result_rows]

        return await self.session.run(read)

    def close(self) -> None:
        """Wait for the queries under way."""
        self.session.close()
