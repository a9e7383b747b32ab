"""`spendmeter reprice` in separate processes: previewed, killed half-way, completed by the next, added once."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack import spendmeter
from tests.support.verbs import run_verb

VERB = "import typer; from spendmeter_deploy.cli.reprice import reprice_command; typer.run(reprice_command)"

KILLED = """
import os, sys
from spendmeter_deploy.cli import reprice as verb
from spendmeter_stream.reprice import append_adjustments, lease

point = sys.argv.pop(1)

def reached(where):
    if where == point:
        os._exit(9)

async def append(session, selection, book):
    async with lease(session, selection, book.version, seconds=1) as held:
        return await append_adjustments(held, book, size=20, reached=reached)

verb._append = append
import typer
typer.run(verb.reprice_command)
"""

FILL = """
import asyncio, sys
from pathlib import Path
from spendmeter_clickhouse import Store, StoreSettings, migrate
from spendmeter_stream.pricing import PriceBook
from tests.support.repricing import calls, insert

async def main(folder, book):
    with Store(StoreSettings(store_dsn=f"chdb://{folder}")) as store:
        await migrate(store)
        with store.session("fill") as session:
            await insert(session, calls(100), book)

asyncio.run(main(sys.argv[1], PriceBook.load(Path(sys.argv[2]))))
"""

LOOK = """
import asyncio, json, sys
from pathlib import Path
from spendmeter_clickhouse import Store, StoreSettings
from spendmeter_stream.pricing import PriceBook
from tests.support.repricing import calls, ensure_rollups_equal_raw, expected, sums

async def main(folder, book):
    with Store(StoreSettings(store_dsn=f"chdb://{folder}")) as store:
        with store.session("look") as session:
            await ensure_rollups_equal_raw(session)
            rows = await session.query("SELECT countIf(kind = 'adjustment') FROM usage_events")
            found = await sums(session)
            print(json.dumps({"exact": found == expected(calls(100), book), "adjustments": rows.result_rows[0][0],
                "cost": str(found["cost"])}))

asyncio.run(main(sys.argv[1], PriceBook.load(Path(sys.argv[2]))))
"""

BOOK = """
provider = "openai"
[defaults]
from = "beginning"
source = "test"
verified_at = 2026-11-01
[[price]]
models = ["gpt-4o", "gpt-4o-mini"]
per_million = {{ input_tokens = {rate}, cache_read_tokens = 1, output_tokens = 10 }}
"""
WINDOW = ("--from", "2026-09-01", "--to", "2026-12-01")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Yield a stopped stack's folder with 100 calls at old prices; the folder `new` beside it has the new book."""
    for name, rate in (("old", "2"), ("new", "1.999999")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "openai.toml").write_text(BOOK.format(rate=rate))
    folder = tmp_path / "data"
    folder.mkdir()
    filled = run_verb(FILL, folder / "store", tmp_path / "old", PYTHONPATH=str(Path(__file__).parents[3]))
    assert filled.returncode == 0, filled.stderr
    return folder


def look(data: Path, book: str) -> dict[str, Any]:
    looked = run_verb(LOOK, data / "store", data.parent / book, PYTHONPATH=str(Path(__file__).parents[3]))
    assert looked.returncode == 0, looked.stderr
    found: dict[str, Any] = json.loads(looked.stdout)
    return found


def test_it_shows_first_and_appends_once(data: Path) -> None:
    new = {"SPENDMETER_PRICES_PATH": str(data.parent / "new")}
    here = (*WINDOW, "--data-dir", data)

    shown = run_verb(VERB, *here, "--dry-run", **new)
    assert shown.returncode == 0, shown.stderr
    assert "gpt-4o-mini" in shown.stdout
    asked = run_verb(VERB, *here, **new)
    assert asked.returncode == 1
    assert "Append these adjustments?" in asked.stdout
    before = look(data, "old")
    assert before["exact"]
    assert before["adjustments"] == 0

    assert run_verb(VERB, *here, "--yes", **new).returncode == 0
    after = look(data, "new")
    assert after["exact"]
    assert Decimal(after["cost"]) < Decimal(before["cost"])
    again = run_verb(VERB, *here, "--yes", **new)
    assert "0 adjustments appended" in again.stdout
    assert look(data, "new") == after


@pytest.mark.parametrize("point", ["begun:2", "inserted:2"])
def test_a_killed_run_is_finished_by_the_next(data: Path, point: str) -> None:
    new = {"SPENDMETER_PRICES_PATH": str(data.parent / "new")}
    here = (*WINDOW, "--data-dir", data, "--yes")
    assert run_verb(KILLED, point, *here, **new).returncode == 9
    assert not look(data, "new")["exact"]
    assert run_verb(VERB, *here, **new).returncode == 0
    assert look(data, "new")["exact"]


def test_failures_are_reported_in_one_line(tmp_path: Path) -> None:
    for arguments, message in (
        (("--from", "soon", "--to", "2026-12-01"), "'soon' is no time"),
        (("--from", "2026-12-01", "--to", "2026-12-01"), "the window must end after its start"),
        (WINDOW, "no store in"),
    ):
        refused = spendmeter("reprice", *arguments, "--data-dir", tmp_path)
        assert refused.returncode == 2
        assert message in refused.stderr
        assert len(refused.stderr.splitlines()) <= 1
