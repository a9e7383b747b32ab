"""After retention deleted raw events, no month is rebuilt from the rest, and no day before the watermark compared."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any, Final

import pytest

from spendmeter_clickhouse import Session, Store
from spendmeter_clickhouse.watermark import EVERYTHING, raw_kept_from, set_raw_kept_from
from spendmeter_stream.errors import RebuildError
from spendmeter_stream.journal.suspects import flag_suspect, open_suspects
from spendmeter_stream.kafka.group_position import Stream
from spendmeter_stream.maintenance.rebuild import rebuild
from spendmeter_stream.recovery.reconcile import reconcile
from spendmeter_stream.verify import Days, Report, Surroundings, verify
from tests.support.blocks import empty
from tests.support.service import answer, service
from tests.support.usage import insert_usage, usage_row

SEPTEMBER: Final = date(2026, 9, 1)
MIDDLE: Final = date(2026, 9, 15)
ALONE: Final = Surroundings(moving=False)
DELETE: Final = "ALTER TABLE usage_events DELETE WHERE occurred_at < '2026-09-15' SETTINGS mutations_sync = 2"


@pytest.fixture
async def session(store: Store) -> AsyncIterator[Session]:
    """Yield a session on a store with one call per day of September and October, from 15 September."""
    with store.session("test") as session:
        await empty(session)
        await session.command("TRUNCATE TABLE ingest_raw_watermarks")
        moments = [
            datetime(2026, month, day, 9, tzinfo=UTC)
            for month, days in ((9, 30), (10, 31))
            for day in range(1, days + 1)
        ]
        rows = [usage_row(number, moment, latency_ms=5) for number, moment in enumerate(moments)]
        await asyncio.to_thread(insert_usage, store, rows)
        await session.command(DELETE)
        yield session


async def test_a_query_of_all_time_starts_at_the_first_day_of_the_rollups(store: Store, session: Session) -> None:
    await set_raw_kept_from(session, MIDDLE)

    def window() -> Any:
        with service(store) as client:
            return answer(client, "/v1/usage/summary", preset="all")["window"]

    assert (await asyncio.to_thread(window))["from"].startswith("2026-09-01T00:00:00")


async def test_a_rebuild_that_would_shrink_a_month_is_refused_without_a_watermark(session: Session) -> None:
    with pytest.raises(RebuildError, match=r"would shrink on 14 days, first on 2026-09-01 from 1 calls to 0.*--shrink"):
        await rebuild(session, SEPTEMBER, stream=None)
    assert await _requests(session) == 61
    await rebuild(session, SEPTEMBER, stream=None, shrink=True)
    assert await _requests(session) == 61 - 14


async def test_a_day_that_shrinks_is_not_made_up_for_by_one_that_grows(session: Session) -> None:
    await session.command(
        "ALTER TABLE usage_daily DELETE WHERE bucket BETWEEN '2026-09-15' AND '2026-09-30' SETTINGS mutations_sync = 2"
    )
    with pytest.raises(RebuildError, match="would shrink"):
        await rebuild(session, SEPTEMBER, stream=None)


async def test_a_month_partly_before_the_watermark_is_not_rebuilt(session: Session) -> None:
    await set_raw_kept_from(session, MIDDLE)
    for shrink in (False, True):
        with pytest.raises(RebuildError, match="raw events before 2026-09-15 were deleted, so 2026-09 cannot"):
            await rebuild(session, SEPTEMBER, stream=None, shrink=shrink)
    assert (await rebuild(session, date(2026, 10, 1), stream=None)).events == 31
    assert await _requests(session) == 61


async def test_verify_compares_from_the_watermark_on_and_names_the_days_before(session: Session) -> None:
    before = await verify(session, Days(), around=ALONE)
    assert {difference.day for difference in before.differences} == {date(2026, 9, day) for day in range(1, 15)}
    await set_raw_kept_from(session, MIDDLE)
    report = await verify(session, Days(), around=ALONE)
    assert report.clean
    assert (report.first, report.days, report.raw_kept_from) == (MIDDLE, 47, MIDDLE)
    assert report.uncompared == [date(2026, 9, day) for day in range(1, 15)]
    assert _json(report)["uncompared_days"][0] == "2026-09-01"
    await session.command("ALTER TABLE usage_daily DELETE WHERE bucket = '2026-09-15' SETTINGS mutations_sync = 2")
    assert not (await verify(session, Days(), around=ALONE)).clean


async def test_the_newest_watermark_counts(session: Session) -> None:
    assert await raw_kept_from(session) == EVERYTHING
    await set_raw_kept_from(session, MIDDLE)
    await set_raw_kept_from(session, SEPTEMBER)
    assert await raw_kept_from(session) == SEPTEMBER


async def test_suspect_days_before_the_watermark_are_reconciled_without_a_rebuild(session: Session) -> None:
    async def committed() -> dict[int, int]:
        return {}

    await set_raw_kept_from(session, date(2026, 10, 1))
    await flag_suspect(session, "life:0:0-9", days=[SEPTEMBER])
    suspects = await open_suspects(session)
    assert await reconcile(session, suspects, Stream(topic_id="life", committed=committed)) == []
    assert await open_suspects(session) == []
    assert await _requests(session) == 61


async def test_a_late_event_before_the_watermark_is_counted_and_disturbs_nothing(
    session: Session, store: Store
) -> None:
    await set_raw_kept_from(session, MIDDLE)
    late = usage_row(1000, datetime(2026, 9, 3, 9, tzinfo=UTC), latency_ms=5)
    await asyncio.to_thread(insert_usage, store, [late])
    assert await _requests(session) == 62
    assert (await verify(session, Days(), around=ALONE)).clean


def _json(report: Report) -> dict[str, list[str]]:
    parsed: dict[str, list[str]] = json.loads(json.dumps(report.as_json(), default=str))
    return parsed


async def _requests(session: Session) -> int:
    ((requests,),) = (await session.query("SELECT sum(requests) FROM usage_daily")).result_rows
    return int(requests)
