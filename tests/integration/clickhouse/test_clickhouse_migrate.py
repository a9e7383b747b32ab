"""The migrator on both stores: in order, once each, and never an edited file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spendmeter_clickhouse import MigrationError, Store, StoreError, StoreSettings, migrate, pending_migrations


@pytest.fixture
def fresh(any_dsn: Callable[[str], str], tmp_path: Path) -> Iterator[Store]:
    # Pytest numbers the folder of each test's run, so its name is a database's that no other test has.
    with Store(StoreSettings(store_dsn=any_dsn(re.sub(r"\W", "_", f"m_{tmp_path.name}")))) as store:
        yield store


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(name: str, sql: str) -> Path:
        (tmp_path / name).write_text(sql)
        return tmp_path

    return write


def _table(name: str) -> str:
    return f"CREATE TABLE IF NOT EXISTS {name} (a UInt8) ENGINE = MergeTree ORDER BY a;\n"


async def test_applies_in_order_once(fresh: Store, write: Callable[[str, str], Path]) -> None:
    folder = write("0002_b.sql", _table("b"))
    folder = write("0001_a.sql", "-- a comment; with a semicolon\n" + _table("a") + _table("a2"))
    assert [m.name for m in await migrate(fresh, folder=folder)] == ["a", "b"]
    assert await migrate(fresh, folder=folder) == []
    tables = await fresh.session("test").query("SHOW TABLES")
    assert {name for (name,) in tables.result_rows} == {"a", "a2", "b", "schema_migrations"}


async def test_refuses_an_edited_file(fresh: Store, write: Callable[[str, str], Path]) -> None:
    await migrate(fresh, folder=write("0001_a.sql", _table("a")))
    with pytest.raises(MigrationError, match=r"0001_a\.sql was edited after it was applied"):
        await migrate(fresh, folder=write("0001_a.sql", _table("a") + "-- later\n"))


async def test_lets_stores_keep_what_an_edit_names(fresh: Store, write: Callable[[str, str], Path]) -> None:
    folder = write("0001_a.sql", _table("a"))
    (first,) = await migrate(fresh, folder=folder)
    write("0001_a.sql", f"-- was: {first.checksum}\n" + _table("a"))
    assert await migrate(fresh, folder=folder) == []


async def test_refuses_an_older_version(fresh: Store, write: Callable[[str, str], Path]) -> None:
    folder = write("0001_a.sql", _table("a"))
    write("0002_b.sql", _table("b"))
    await migrate(fresh, folder=folder)
    (folder / "0002_b.sql").unlink()
    with pytest.raises(MigrationError, match="0002_b was applied but its file is gone"):
        await migrate(fresh, folder=folder)


async def test_goes_on_after_a_failed_statement(fresh: Store, write: Callable[[str, str], Path]) -> None:
    folder = write("0001_a.sql", _table("a") + "CREATE NONSENSE;\n")
    with pytest.raises(MigrationError, match=r"0001_a\.sql, statement 2: .*UNKNOWN_IDENTIFIER"):
        await migrate(fresh, folder=folder)
    write("0001_a.sql", _table("a") + _table("a2"))
    assert [m.name for m in await migrate(fresh, folder=folder)] == ["a"]


@pytest.mark.parametrize("name", ["1_short.sql", "0001-dash.sql", "0001_Upper.sql"])
async def test_refuses_an_odd_name(name: str, fresh: Store, write: Callable[[str, str], Path]) -> None:
    with pytest.raises(MigrationError, match="a migration is named like"):
        await migrate(fresh, folder=write(name, "SELECT 1;"))


async def test_refuses_a_number_used_twice(fresh: Store, write: Callable[[str, str], Path]) -> None:
    write("0001_a.sql", "SELECT 1;")
    with pytest.raises(MigrationError, match="number 0001 is already a"):
        await migrate(fresh, folder=write("0001_b.sql", "SELECT 1;"))


async def test_the_packaged_schema_applies(any_store: Store) -> None:
    assert await pending_migrations(any_store) == []
    rows = await any_store.session("test").query("SELECT count() FROM usage_events")
    assert rows.result_rows == [(0,)]


async def test_a_refused_statement_is_one_line(any_store: Store) -> None:
    with pytest.raises(StoreError, match="UNKNOWN_TABLE") as caught:
        await any_store.session("test").query("SELECT * FROM nowhere")
    assert "\n" not in str(caught.value)


async def test_a_server_goes_without_what_it_does_not_know(fresh: Store, write: Callable[[str, str], Path]) -> None:
    """Given a migration for a newer server, then it is neither applied nor missed, and others are."""
    write("0001_one.sql", _table("one"))
    write("0002_two.sql", "-- needs setting: of_another_century\n" + _table("two"))
    folder = write("0003_three.sql", "-- needs setting: index_granularity\n" + _table("three"))
    assert [it.version for it in await migrate(fresh, folder=folder)] == [1, 3]
    assert await pending_migrations(fresh, folder=folder) == []
