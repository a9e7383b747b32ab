"""Run the queries of answers in ClickHouse."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.budgets.snapshot import BudgetStates
from spendmeter_rollups.access.auth import Limits
from spendmeter_rollups.query.statement import Query
from spendmeter_rollups.settings import ServiceSettings

Row = dict[str, Any]
MOST_RESULT_ROWS: Final = 200_000
MOST_RESULT_BYTES: Final = 64 * 2**20
_SERVICE: Final = Limits()


class Reader:
    """Run queries with the read-only login, within limits."""

    def __init__(
        self,
        session: Session,
        settings: ServiceSettings,
        limits: Limits = _SERVICE,
        turn: AbstractAsyncContextManager[object] | None = None,
        budgets: BudgetStates | None = None,
    ) -> None:
        self.session = session
        self.budgets = budgets or BudgetStates(session)
        """States of budgets, shared by all credentials."""
        self._settings = settings
        self._turn = turn or nullcontext()
        self._limits = {
            "max_execution_time": limits.query_seconds or settings.query_timeout_seconds,
            "max_memory_usage": limits.query_memory_bytes or settings.query_memory_bytes,
            "max_rows_to_read": limits.query_rows or settings.query_rows,
            # Result rows stay in memory until the answer is encoded.
            "max_result_rows": MOST_RESULT_ROWS,
            "max_result_bytes": MOST_RESULT_BYTES,
        }

    def within(self, limits: Limits, turn: AbstractAsyncContextManager[object]) -> Reader:
        """Return this reader with one credential's limits, and `turn` acquired around each of its queries."""
        return Reader(self.session, self._settings, limits, turn, self.budgets)

    async def rows(self, query: Query, *, threads: int = 0) -> list[Row]:
        """Return all rows of `query` by column name. Raises `StoreError`.

        :param threads: threads of ClickHouse for the query; 0 is the server's default.
        """
        parameters = dict(query.parameters)
        settings = {**self._limits, "max_threads": threads} if threads else self._limits

        def read(client: Client) -> list[Row]:
            # By default the driver returns UTC columns as naive datetimes.
            answer = client.query(query.sql, parameters, settings=settings, tz_mode="aware")
            # Only the first block has arrived: read the others in this thread, not on the event loop.
            return [dict(zip(answer.column_names, row, strict=True)) for row in answer.result_rows]

        async with self._turn:
            return await self.session.run(read)

    def close(self) -> None:
        """Wait for running queries, then close the session."""
        self.session.close()
