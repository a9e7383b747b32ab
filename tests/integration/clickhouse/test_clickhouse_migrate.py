"""Migrations on both stores: applied in order, once each, and never edited."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spendmeter_clickhouse import MigrationError, Store, StoreError, StoreSettings, migrate, pending_migrations
from spendmeter_clickhouse.migrate import packaged_migrations, read_migrations


@pytest.fixture
def fresh(any_dsn: Callable[[str], str], tmp_path: Path) -> Iterator[Store]:
    # pytest numbers the folder of each test, so the database name is unique.
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


async def test_refuses_an_older_version(fresh: Store, write: Callable[[str, str], Path]) -> None:
    folder = write("0001_a.sql", _table("a"))
    write("0002_b.sql", _table("b"))
    await migrate(fresh, folder=folder)
    (folder / "0002_b.sql").unlink()
    with pytest.raises(MigrationError, match="0002_b was applied but its file is missing"):
        await migrate(fresh, folder=folder)


async def test_continues_after_a_failed_statement(fresh: Store, write: Callable[[str, str], Path]) -> None:
    folder = write("0001_a.sql", _table("a") + "CREATE NONSENSE;\n")
    with pytest.raises(MigrationError, match=r"0001_a\.sql, statement 2: .*UNKNOWN_IDENTIFIER"):
        await migrate(fresh, folder=folder)
    write("0001_a.sql", _table("a") + _table("a2"))
    assert [m.name for m in await migrate(fresh, folder=folder)] == ["a"]


@pytest.mark.parametrize("name", ["1_short.sql", "0001-dash.sql", "0001_Upper.sql"])
async def test_refuses_an_odd_name(name: str, fresh: Store, write: Callable[[str, str], Path]) -> None:
    with pytest.raises(MigrationError, match=r"rename the migration to the form 0001_subject\.sql"):
        await migrate(fresh, folder=write(name, "SELECT 1;"))


async def test_refuses_a_number_used_twice(fresh: Store, write: Callable[[str, str], Path]) -> None:
    write("0001_a.sql", "SELECT 1;")
    with pytest.raises(MigrationError, match="number 0001 is already used by a"):
        await migrate(fresh, folder=write("0001_b.sql", "SELECT 1;"))


async def test_the_packaged_schema_applies(any_store: Store) -> None:
    assert await pending_migrations(any_store) == []
    rows = await any_store.session("test").query("SELECT count() FROM usage_events")
    assert rows.result_rows == [(0,)]


async def test_a_refused_statement_is_one_line(any_store: Store) -> None:
    with pytest.raises(StoreError, match="UNKNOWN_TABLE") as caught:
        await any_store.session("test").query("SELECT * FROM nowhere")
    assert "\n" not in str(caught.value)


async def test_a_server_skips_a_migration_whose_setting_it_lacks(
    fresh: Store, write: Callable[[str, str], Path]
) -> None:
    """Given a migration for a newer server, then it is neither applied nor pending, and the others are applied."""
    write("0001_one.sql", _table("one"))
    write("0002_two.sql", "-- needs setting: of_another_century\n" + _table("two"))
    folder = write("0003_three.sql", "-- needs setting: index_granularity\n" + _table("three"))
    assert [it.version for it in await migrate(fresh, folder=folder)] == [1, 3]
    assert await pending_migrations(fresh, folder=folder) == []


async def test_an_older_server_gets_every_table_without_projections(fresh: Store, tmp_path: Path) -> None:
    """Given a server without the setting that projections need, then only their migration is skipped."""
    text = {path.name: path.read_text() for path in packaged_migrations().glob("*.sql")}
    optional = [name for name, sql in text.items() if "-- needs setting: materialize_projections_on_merge" in sql]
    assert optional == ["0003_projections.sql"]
    for name, sql in text.items():
        (tmp_path / name).write_text(re.sub(r"(?m)^(-- needs setting:) .*$", r"\1 of_another_century", sql))
    applied = [it.name for it in await migrate(fresh, folder=tmp_path)]
    assert applied == [it.name for it in read_migrations(tmp_path) if it.name != "projections"]
    with fresh.session("test") as session:
        rows = await session.query("SELECT DISTINCT table FROM system.projections WHERE database = currentDatabase()")
        assert rows.result_rows == [("usage_events",)]
        for name in optional:
            (tmp_path / name).write_text(text[name])
        assert [it.name for it in await migrate(fresh, folder=tmp_path)] == ["projections"]
