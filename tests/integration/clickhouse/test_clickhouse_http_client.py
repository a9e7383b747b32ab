"""clickhouse-connect's HTTP client, unchanged, finds a ClickHouse in the test server."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import clickhouse_connect
import pyarrow as pa
import pytest
import urllib3
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.support.clickhouse_http.process import TIMEZONE, USERS, ClickHouseHttp

_TABLE = """
    CREATE TABLE IF NOT EXISTS kinds
    (id UUID, at DateTime64(3, 'UTC'), cost Decimal(38, 12), name LowCardinality(String), maybe Nullable(UInt32),
     tags Map(LowCardinality(String), String), units Array(LowCardinality(String)), flag Bool)
    ENGINE = MergeTree ORDER BY id"""
_COLUMNS = ["id", "at", "cost", "name", "maybe", "tags", "units", "flag"]


def _row(number: int) -> tuple[Any, ...]:
    # Bytes that end a line, a statement or a string must be sent as data.
    odd = "a\n;'\\\x00\t`"
    at = datetime(2026, 11, 2, 10, 0, 0, 5000, tzinfo=UTC)
    return (UUID(int=number), at, Decimal("0.000000000001"), odd, None, {odd: odd}, [odd, "b"], True)


def connect(server: ClickHouseHttp, **options: Any) -> Client:
    database = options.pop("database", "default")
    return clickhouse_connect.get_client(
        dsn=server.dsn_of(database), autogenerate_session_id=False, tz_mode="aware", **options
    )


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("the awaited condition never came true")


@pytest.fixture
def client(clickhouse_http: ClickHouseHttp) -> Iterator[Client]:
    with connect(clickhouse_http) as client:
        client.command(_TABLE)
        client.command("TRUNCATE TABLE kinds")
        yield client


def test_the_api_version_request_is_answered(client: Client) -> None:
    assert int(str(client.server_version).split(".")[0]) >= 25
    assert str(client.server_tz) == TIMEZONE
    assert client.ping()


@pytest.mark.parametrize("compress", ["lz4", "zstd", "gzip", False])
def test_rows_of_every_kind_travel_both_ways(clickhouse_http: ClickHouseHttp, client: Client, compress: Any) -> None:
    rows = [_row(number) for number in range(3)]
    packing = connect(clickhouse_http, compress=compress)
    assert packing.insert("kinds", rows, _COLUMNS).written_rows == 3
    answer = packing.query("SELECT * FROM kinds ORDER BY id")
    assert answer.column_names == tuple(_COLUMNS)
    assert answer.result_rows == rows


def test_arrow_travels_both_ways(client: Client) -> None:
    table = pa.table({"id": pa.array([UUID(int=n).bytes for n in range(1000)], pa.binary(16)), "name": ["x\n"] * 1000})
    client.insert_arrow("kinds", table)
    back = client.query_arrow("SELECT id, name FROM kinds ORDER BY id")
    assert back["name"].to_pylist() == ["x\n"] * 1000
    assert back["id"].to_pylist() == [UUID(int=n) for n in range(1000)]


@pytest.mark.parametrize("ids", [3, 3000], ids=["in the URL", "in a form"])
def test_parameters_are_bound(client: Client, ids: int) -> None:
    client.insert("kinds", [_row(number) for number in range(5)], _COLUMNS)
    wanted = [UUID(int=number) for number in range(2, 2 + ids)]
    answer = client.query(
        "SELECT count(), {text:String} FROM kinds WHERE id IN {ids:Array(UUID)} AND at = {at:DateTime64(3)}",
        {"ids": wanted, "text": "a'\n\\;", "at": _row(0)[1]},
    )
    assert answer.result_rows == [(3, "a'\n\\;")]


def test_a_field_that_production_refuses_is_refused(client: Client) -> None:
    with pytest.raises(DatabaseError, match="Field value too long"):
        client.query("SELECT {ids:Array(UUID)}", {"ids": [UUID(int=number) for number in range(3500)]})


def test_settings_reach_the_engine_and_no_other_request(client: Client) -> None:
    query = "SELECT value FROM system.settings WHERE name = 'max_threads'"
    assert client.query(query, settings={"max_threads": 7}).result_rows == [("7",)]
    assert client.query(query).result_rows != [("7",)]
    with pytest.raises(DatabaseError, match="UNKNOWN_SETTING"):
        client.query(query, settings={"no_such_setting": 1})


def test_commands_answer_or_are_silent(client: Client) -> None:
    assert client.command("SELECT count() FROM kinds") == 0
    assert client.command("SELECT 1, 'b'") == ["1", "b"]
    assert client.command("SHOW TABLES LIKE 'nothing'") == ""
    assert client.command("EXISTS TABLE kinds") == 1
    assert client.query("SELECT * FROM kinds LIMIT 0").column_names == tuple(_COLUMNS)
    assert client.raw_query("SELECT 1 AS one", fmt="JSONEachRow") == b'{"one":1}\n'


def test_a_database_is_chosen(clickhouse_http: ClickHouseHttp, client: Client) -> None:
    client.command("CREATE DATABASE IF NOT EXISTS elsewhere")
    assert connect(clickhouse_http, database="elsewhere").command("SELECT currentDatabase()") == "elsewhere"
    with pytest.raises(DatabaseError) as caught:
        connect(clickhouse_http, database="nowhere").command("SELECT 1")
    assert caught.value.code == 81


def test_an_exception_has_code_name_and_text(client: Client) -> None:
    with pytest.raises(DatabaseError, match="Unknown table expression identifier 'nowhere'") as caught:
        client.query("SELECT * FROM nowhere")
    assert (caught.value.code, caught.value.name) == (60, "UNKNOWN_TABLE")
    with pytest.raises(DatabaseError, match="NO_SUCH_COLUMN_IN_TABLE"):
        client.insert_arrow("kinds", pa.table({"no such": [1]}))


def _get(server: ClickHouseHttp, headers: dict[str, str], query: str = "SELECT 1") -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", f"http://127.0.0.1:{server.port}/", fields={"query": query}, headers=headers)


def test_credentials_come_in_either_header(clickhouse_http: ClickHouseHttp) -> None:
    basic = urllib3.make_headers(basic_auth=f"spendmeter:{USERS['spendmeter']}")
    key = {"X-ClickHouse-User": "spendmeter", "X-ClickHouse-Key": USERS["spendmeter"]}
    for headers in (basic, key):
        answer = _get(clickhouse_http, headers)
        assert (answer.status, answer.data) == (200, b"1\n")
        assert answer.headers["X-ClickHouse-Format"] == "TabSeparated"
        assert answer.headers["X-ClickHouse-Timezone"] == TIMEZONE
        assert '"read_rows": "1"' in answer.headers["X-ClickHouse-Summary"]
    for headers in ({}, {**basic, **key}, {**key, "X-ClickHouse-Key": "wrong"}):
        answer = _get(clickhouse_http, headers)
        assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "516")
        assert b"AUTHENTICATION_FAILED" in answer.data


def test_a_reader_and_a_get_cannot_write(clickhouse_http: ClickHouseHttp, client: Client) -> None:
    reader = clickhouse_connect.get_client(dsn=clickhouse_http.dsn_of("default", user="reader"))
    assert reader.command("SELECT count() FROM kinds") == 0
    with pytest.raises(DatabaseError, match="READONLY"):
        reader.insert("kinds", [_row(1)], _COLUMNS, column_type_names=None)
    basic = urllib3.make_headers(basic_auth=f"spendmeter:{USERS['spendmeter']}")
    assert b"READONLY" in _get(clickhouse_http, basic, "TRUNCATE TABLE kinds").data


def test_a_long_statement_holds_up_no_other(clickhouse_http: ClickHouseHttp, client: Client, tmp_path: Path) -> None:
    # It reads a pipe, so it ends when the test writes to it.
    os.mkfifo(tmp_path / "pipe")
    long, answers = connect(clickhouse_http), []
    read_pipe = f"SELECT count() FROM file('{tmp_path}/pipe', 'LineAsString')"
    thread = threading.Thread(target=lambda: answers.append(long.command(read_pipe)))
    thread.start()
    with (tmp_path / "pipe").open("w") as pipe:
        assert client.command("SELECT 1") == 1
        assert answers == []
        pipe.write("one line\n")
    thread.join()
    assert answers == [1]


def test_a_session_runs_one_statement_at_a_time(clickhouse_http: ClickHouseHttp) -> None:
    first, second = (connect(clickhouse_http, session_id="shared") for _ in range(2))
    clickhouse_http.faults.add("delay", match="the first", seconds=60)
    thread = threading.Thread(target=first.command, args=("SELECT 'the first'",))
    thread.start()
    wait_until(lambda: clickhouse_http.faults.fired() == ["delay"])
    with pytest.raises(DatabaseError, match="SESSION_IS_LOCKED"):
        second.command("SELECT 1")
    clickhouse_http.faults.clear()
    thread.join()
    assert second.command("SELECT 1") == 1


def test_stored_rows_survive_a_kill(fresh_clickhouse_http: ClickHouseHttp) -> None:
    client = connect(fresh_clickhouse_http)
    client.command(_TABLE)
    client.insert("kinds", [_row(1)], _COLUMNS)
    fresh_clickhouse_http.kill()
    fresh_clickhouse_http.start()
    assert client.query("SELECT * FROM kinds").result_rows == [_row(1)]
    fresh_clickhouse_http.stop()
    fresh_clickhouse_http.start()
    assert client.command("SELECT count() FROM kinds") == 1
