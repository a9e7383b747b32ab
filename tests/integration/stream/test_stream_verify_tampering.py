"""`verify` detects every change of a rollup, and names the day, org, table and measure."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spendmeter_clickhouse import Session, Store
from spendmeter_stream.errors import RebuildError
from spendmeter_stream.maintenance.rebuild import rebuild
from spendmeter_stream.verify import Days, Difference, Surroundings, verify
from spendmeter_stream.verify.compare import compare_days
from spendmeter_stream.verify.measures import PLACEMENT, ROLLUPS
from tests.support.chunks import value
from tests.support.usage import insert_usage, usage_row

FIRST = date(2026, 10, 30)
DAYS = [FIRST + timedelta(days=index) for index in range(4)]
"""Two months, so that no test depends on one partition."""
ORGS = ("acme", "beta")
MEASURES = {rollup.table: rollup.sums for rollup in ROLLUPS}
ALONE = Surroundings(moving=False)


@pytest.fixture(scope="module")
def session(store: Store) -> Iterator[Session]:
    insert_usage(store, [_row(day, org, number) for day in DAYS for org in ORGS for number in range(3)])
    with store.session("test") as session:
        yield session


def _row(day: date, org: str, number: int) -> dict[str, Any]:
    at = datetime(day.year, day.month, day.day, 4 * number + 1, 20, tzinfo=UTC)
    identity = DAYS.index(day) * 100 + ORGS.index(org) * 10 + number
    return usage_row(
        identity,
        at,
        org_id=org,
        user_id=f"user-{number}",
        feature=("chat", "rag", "quiz")[number],
        latency_ms=10**number,
    )


tampering = st.builds(
    lambda table, data, day, org, amount: (table, data, day, org, amount),
    st.sampled_from(sorted(MEASURES)),
    st.integers(0, 1000),
    st.sampled_from(DAYS),
    st.sampled_from(ORGS),
    st.integers(1, 2**40),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(tampering, min_size=1, max_size=6))
def test_every_changed_measure_is_named_and_no_other(session: Session, changes: list[Any]) -> None:
    expected: dict[tuple[date, str, str, str], int] = {}
    for table, number, day, org, amount in changes:
        key = (day, org, table, MEASURES[table][number % len(MEASURES[table])])
        expected[key] = expected.get(key, 0) + amount
    for key, amount in expected.items():
        asyncio.run(_add(session, *key, amount))
    try:
        found = _differences(session)
    finally:
        for key, amount in expected.items():
            asyncio.run(_add(session, *key, -amount))
    named = {(it.day, it.org, it.table, it.measure) for it in found}
    assert {key for key in named if key[3] != PLACEMENT} == set(expected)
    assert {key[:3] for key in named if key[3] == PLACEMENT} == {key[:3] for key in expected}
    assert _differences(session) == []


@pytest.mark.parametrize("table", sorted(MEASURES))
def test_a_figure_under_the_wrong_key_is_named(session: Session, table: str) -> None:
    """Totals by day and org agree; only the key is wrong."""
    measure = "latency_requests" if table == "latency_daily" else "cost"
    for feature, amount in (("chat", 1), ("rag", -1)):
        asyncio.run(_add(session, FIRST, "acme", table, measure, amount, feature=feature))
    found = _differences(session)
    for feature, amount in (("chat", -1), ("rag", 1)):
        asyncio.run(_add(session, FIRST, "acme", table, measure, amount, feature=feature))
    assert [(it.day, it.org, it.table, it.measure) for it in found] == [(FIRST, "acme", table, PLACEMENT)]


@pytest.mark.parametrize("table", sorted(MEASURES))
async def test_a_lost_part_is_named_and_a_rebuild_mends_it(session: Session, table: str) -> None:
    part = await value(
        session,
        "SELECT any(name) FROM system.parts WHERE database = currentDatabase() AND table = {table:String}"
        " AND active AND partition = '202610'",
        table=table,
    )
    await session.command(f"ALTER TABLE {table} DROP PART '{part}'")
    report = await verify(session, Days(), around=ALONE)
    assert not report.clean
    assert {it.table for it in report.differences} == {table}
    assert {(it.day, it.org) for it in report.differences} == {(day, org) for day in DAYS[:2] for org in ORGS}
    await rebuild(session, date(2026, 10, 1), stream=None, shrink=True)
    assert (await verify(session, Days(), around=ALONE)).clean


@pytest.mark.parametrize("table", sorted(MEASURES))
async def test_a_row_without_events_is_reported_and_removed_by_a_rebuild(session: Session, table: str) -> None:
    await session.command(
        f"INSERT INTO {table} SELECT * REPLACE('ghost' AS org_id) FROM {table} WHERE bucket < '2026-11-01'"
    )
    report = await verify(session, Days(), around=ALONE)
    assert {(it.org, it.table, it.raw) for it in report.differences} == {("ghost", table, None)}
    with pytest.raises(RebuildError, match=f"{table} would shrink on 2 days, first on 2026-10-30 from 12 calls to 6"):
        await rebuild(session, date(2026, 10, 1), stream=None)
    await rebuild(session, date(2026, 10, 1), stream=None, shrink=True)
    assert (await verify(session, Days(), around=ALONE)).clean


async def test_a_changed_extreme_is_named(session: Session) -> None:
    await session.command(
        "INSERT INTO usage_15m SELECT * REPLACE(last_seen + toIntervalHour(1) AS last_seen, toUInt64(0) AS requests)"
        " FROM usage_15m WHERE org_id = 'beta' AND bucket < '2026-10-31' ORDER BY last_seen DESC LIMIT 1"
    )
    (difference,) = [it for it in await compare(session) if it.measure == "last_seen"]
    assert (difference.day, difference.org, difference.table) == (FIRST, "beta", "usage_15m")
    await rebuild(session, FIRST, stream=None)


async def test_an_id_stored_twice_is_named(store: Store, session: Session) -> None:
    """Rollups agree with raw events, but raw events are wrong."""
    await asyncio.to_thread(insert_usage, store, [_row(DAYS[3], "beta", 0)])
    report = await verify(session, Days(), around=ALONE)
    assert not report.clean
    assert report.differences == []
    (duplicate,) = report.duplicates
    assert (duplicate.day, duplicate.org, duplicate.copies, report.duplicate_ids) == (DAYS[3], "beta", 2, 1)
    outside = await verify(session, Days(DAYS[0], DAYS[2]), around=ALONE)
    assert outside.clean
    assert (outside.first, outside.last, outside.days, outside.events) == (DAYS[0], DAYS[2], 3, 18)


async def test_every_measure_and_key_of_every_rollup_is_compared(session: Session) -> None:
    for rollup in ROLLUPS:
        rows = await session.query(
            "SELECT name, is_in_sorting_key FROM system.columns"
            " WHERE database = currentDatabase() AND table = {table:String} AND default_kind != 'MATERIALIZED'",
            {"table": rollup.table},
        )
        keys = {name for name, is_key in rows.result_rows if is_key}
        assert keys == {"bucket", "org_id", *rollup.key}
        assert {name for name, is_key in rows.result_rows if not is_key} == {*rollup.sums, *rollup.extremes}


async def compare(session: Session) -> list[Difference]:
    return [difference for result in await compare_days(session, DAYS) for difference in result.differences]


def _differences(session: Session) -> list[Difference]:
    return asyncio.run(compare(session))


async def _add(
    session: Session, day: date, org: str, table: str, measure: str, amount: int, feature: str = "chat"
) -> None:
    """Add a row that changes one measure by `amount` of its smallest unit, and nothing else."""
    zeros = dict.fromkeys(MEASURES[table], "0")
    zeros[measure] = f"reinterpret(toInt128({amount}), toTypeName({measure}))"
    values = ", ".join(f"CAST({text}, toTypeName({name})) AS {name}" for name, text in zeros.items())
    await session.command(
        f"INSERT INTO {table} SELECT * REPLACE({values}) FROM {table}"
        " WHERE toDate(bucket) = {day:Date} AND org_id = {org:String} AND feature = {feature:String} LIMIT 1",
        {"day": day, "org": org, "feature": feature},
    )
