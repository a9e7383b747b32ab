"""The worker's session with a store that rejects, disconnects, stalls, dies and restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pyarrow as pa
import pytest

from spendmeter_clickhouse import Session, Store, StoreError, StoreSettings, StoreUnreachableError, migrate
from tests.support.clickhouse_http.faults import Kind
from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.support.until import until

_INSERT = "INSERT INTO notes"


@pytest.fixture
def session(clickhouse_http: ClickHouseHttp) -> Iterator[Session]:
    # Time-out of a stalled response, long enough for every other response on a busy machine.
    settings = StoreSettings(store_dsn=clickhouse_http.dsn_of("default"), store_timeout_seconds=3)
    with Store(settings) as store, store.session("test", size=2) as session:
        yield session


@pytest.fixture
async def notes(session: Session) -> Session:
    await session.command("CREATE TABLE IF NOT EXISTS notes (n UInt64, text String) ENGINE = MergeTree ORDER BY n")
    await session.command("TRUNCATE TABLE notes")
    return session


async def _write(session: Session) -> None:
    await session.insert_arrow("notes", pa.table({"n": [1], "text": ["a"]}))


async def _stored(session: Session) -> int:
    rows = await session.query("SELECT count() FROM notes")
    count: int = rows.result_rows[0][0]
    return count


@pytest.mark.parametrize(("fault", "stored"), [("refuse", 0), ("cut", 1), ("truncate", 1), ("stall", 1)])
async def test_a_missing_response_is_unreachable_and_leaves_the_outcome_open(
    clickhouse_http: ClickHouseHttp, notes: Session, fault: Kind, stored: int
) -> None:
    clickhouse_http.faults.add(fault, match=_INSERT, seconds=60)
    with pytest.raises(StoreUnreachableError):
        await _write(notes)
    assert clickhouse_http.faults.fired() == [fault]
    assert await _stored(notes) == stored


async def test_an_insert_that_takes_too_long_is_unreachable_and_lands_later(
    clickhouse_http: ClickHouseHttp, notes: Session
) -> None:
    clickhouse_http.faults.add("delay", match=_INSERT, seconds=60)
    with pytest.raises(StoreUnreachableError):
        await _write(notes)
    assert await _stored(notes) == 0
    clickhouse_http.faults.clear()

    async def landed() -> bool:
        return await _stored(notes) == 1

    for _ in range(6000):
        if await landed():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the insert never landed")


@pytest.mark.parametrize("fault", ["truncate", "stall"])
async def test_half_an_answer_is_no_answer(clickhouse_http: ClickHouseHttp, notes: Session, fault: Kind) -> None:
    # A driver that took the first half for the whole response would report stored events as new.
    for count in (1, 10_000, 200_000):
        clickhouse_http.faults.clear()
        clickhouse_http.faults.add(fault, match="numbers", seconds=60, count=None)
        with pytest.raises(StoreUnreachableError):
            await notes.query(f"SELECT number FROM numbers({count})")


async def test_a_slow_answer_is_an_answer(clickhouse_http: ClickHouseHttp, notes: Session) -> None:
    clickhouse_http.faults.add("slow", match="numbers", seconds=5)
    rows = await notes.query("SELECT number FROM numbers(1000)")
    assert len(rows.result_rows) == 1000
    assert clickhouse_http.faults.fired() == ["slow"]


async def test_an_error_of_the_store_keeps_its_message(clickhouse_http: ClickHouseHttp, notes: Session) -> None:
    clickhouse_http.faults.add("error", match=_INSERT, code=999)
    with pytest.raises(StoreError, match="Code: 999") as caught:
        await _write(notes)
    assert not isinstance(caught.value, StoreUnreachableError)
    assert await _stored(notes) == 0


async def test_a_refused_statement_is_not_an_outage(notes: Session) -> None:
    with pytest.raises(StoreError, match="UNKNOWN_TABLE") as caught:
        await notes.query("SELECT * FROM nowhere")
    assert not isinstance(caught.value, StoreUnreachableError)


async def test_an_overloaded_server_is_unreachable(clickhouse_http: ClickHouseHttp, notes: Session) -> None:
    clickhouse_http.faults.add("error", match=_INSERT, code=439, status=503)
    with pytest.raises(StoreUnreachableError):
        await _write(notes)


async def test_a_session_survives_a_restart(clickhouse_http: ClickHouseHttp, notes: Session) -> None:
    for end in (clickhouse_http.kill, clickhouse_http.stop):
        end()
        with pytest.raises(StoreUnreachableError):
            await _write(notes)
        clickhouse_http.start()
        await _write(notes)
    assert await _stored(notes) == 2


async def test_a_session_opened_in_an_outage_works_after_it(clickhouse_http: ClickHouseHttp) -> None:
    clickhouse_http.stop()
    with Store(StoreSettings(store_dsn=clickhouse_http.dsn_of("default"))) as store, store.session("test") as session:
        with pytest.raises(StoreUnreachableError):
            await session.query("SELECT 1")
        clickhouse_http.start()
        assert (await session.query("SELECT 1")).result_rows == [(1,)]


async def test_a_wrong_password_is_reported(clickhouse_http: ClickHouseHttp) -> None:
    dsn = f"http://spendmeter:wrong@127.0.0.1:{clickhouse_http.port}/default"
    with (
        Store(StoreSettings(store_dsn=dsn)) as store,
        pytest.raises(StoreError, match="AUTHENTICATION_FAILED") as caught,
    ):
        await store.session("test").query("SELECT 1")
    assert not isinstance(caught.value, StoreUnreachableError)
    assert "wrong" not in str(caught.value)


async def test_a_scheme_of_https_is_never_spoken_in_plain(clickhouse_http: ClickHouseHttp) -> None:
    dsn = clickhouse_http.dsn_of("default").replace("http://", "https://")
    with Store(StoreSettings(store_dsn=dsn)) as store, pytest.raises(StoreUnreachableError, match="SSL"):
        await store.session("test").query("SELECT 1")


async def test_a_delayed_insert_holds_up_no_other_thread(clickhouse_http: ClickHouseHttp) -> None:
    settings = StoreSettings(store_dsn=clickhouse_http.dsn_of("default"))
    with Store(settings) as store, store.session("test", size=2) as session:
        await session.command("CREATE TABLE IF NOT EXISTS notes (n UInt64, text String) ENGINE = MergeTree ORDER BY n")
        clickhouse_http.faults.add("delay", match=_INSERT, seconds=50)
        insert = asyncio.create_task(_write(session))
        await until(lambda: clickhouse_http.faults.fired() == ["delay"])
        await session.query("SELECT 1")
        assert not insert.done()
        clickhouse_http.faults.clear()
        await insert


async def test_faults_count(clickhouse_http: ClickHouseHttp, notes: Session) -> None:
    clickhouse_http.faults.add("error", match=_INSERT, skip=1, count=2)
    await _write(notes)
    for _ in range(2):
        with pytest.raises(StoreError):
            await _write(notes)
    await _write(notes)
    assert await _stored(notes) == 2


async def test_a_migration_cut_short_is_finished_by_the_next(clickhouse_http: ClickHouseHttp) -> None:
    with Store(StoreSettings(store_dsn=clickhouse_http.dsn_of("cut_short"))) as store:
        clickhouse_http.faults.add("cut", match="CREATE MATERIALIZED VIEW IF NOT EXISTS usage_daily_view")
        with pytest.raises(StoreUnreachableError):
            await migrate(store)
        assert clickhouse_http.faults.fired() == ["cut"]
        names = [migration.name for migration in await migrate(store)]
        assert names[0] == "rollups"
        assert await migrate(store) == []
