"""Answers while calls are stored."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from spendmeter_clickhouse import Store
from spendmeter_rollups.query.reader import Reader, Row
from spendmeter_rollups.query.statement import Query
from tests.support.service import answer, service
from tests.support.usage import insert_usage, usage_row

HOUR = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.mark.parametrize(("number", "dimension"), [(0, "feature"), (1, "user")])
def test_a_grouped_series_ranks_the_figures_that_it_shows(
    store: Store, monkeypatch: pytest.MonkeyPatch, number: int, dimension: str
) -> None:
    """Two reads, one to rank and one to add up, put a top key into the rest when calls were stored in between."""
    start = HOUR - timedelta(days=number)
    costs = {"ann": 3, "bob": 2, "eve": 1}
    rows = [
        usage_row(10 * number + each, start, user_id=name, feature=name, input_cost=Decimal(cost))
        for each, (name, cost) in enumerate(costs.items(), start=1)
    ]
    insert_usage(store, rows)
    # After a read, eve has the highest cost.
    new = [usage_row(10 * number, start, user_id="eve", feature="eve", input_cost=Decimal(9))]
    read = Reader.rows

    async def read_then_store(self: Reader, query: Query, *, threads: int = 0) -> list[Row]:
        found = await read(self, query, threads=threads)
        if new and "AS cost" in query.sql:
            await asyncio.to_thread(insert_usage, store, [new.pop()])
        return found

    monkeypatch.setattr(Reader, "rows", read_then_store)
    window = {"from": start.isoformat(), "to": (start + timedelta(hours=1)).isoformat(), "granularity": "hour"}
    with service(store) as client:
        for expected in ({"ann": 3, "bob": 2, "other": 1}, {"eve": 10, "ann": 3, "other": 2}):
            series = answer(client, "/v1/usage/timeseries", group_by=dimension, limit=2, **window)["series"]
            shown = [
                ("other" if each["other"] else list(each["key"].values())[-1], int(Decimal(each["points"][0]["cost"])))
                for each in series
            ]
            assert shown == list(expected.items())
    assert not new
