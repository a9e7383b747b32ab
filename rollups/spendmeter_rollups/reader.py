"""Asks the store. The only place of the service that waits for it."""

from __future__ import annotations

from typing import Any, Final

from clickhouse_connect.driver.client import Client

from spendmeter_clickhouse import Session
from spendmeter_rollups.auth import Limits
from spendmeter_rollups.queries.query import Query
from spendmeter_rollups.settings import ServiceSettings

Row = dict[str, Any]
_SERVICE: Final = Limits()


class Reader:
    """Runs queries in the read-only login's threads, within limits."""

    def __init__(self, session: Session, settings: ServiceSettings, limits: Limits = _SERVICE) -> None:
        self.session = session
        self._settings = settings
        self._limits = {
            "max_execution_time": limits.query_seconds or settings.query_timeout_seconds,
            "max_memory_usage": limits.query_memory_bytes or settings.query_memory_bytes,
            "max_rows_to_read": limits.query_rows or settings.query_rows,
        }

    def within(self, limits: Limits) -> Reader:
        """The same reader, for a credential with limits of its own."""
        return self if limits == _SERVICE else Reader(self.session, self._settings, limits)

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
