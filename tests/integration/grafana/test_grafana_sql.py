"""The SQL gate: every statement of every board and alert rule, expanded as Grafana does it, run on the real schema."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest

from spendmeter_clickhouse import Store
from tests.gate.cases import CASES
from tests.gate.run import checked, run
from tests.gate.statements import Statement, Variable

PAGE = Path(__file__).parents[3] / "docs" / "boards.md"
TABLE = re.compile(r"(?<=<!-- gate -->\n).*?(?=\n<!-- end of gate -->)", re.DOTALL)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_statement_answers_in_the_shape_its_panel_needs(board_store: Store) -> None:
    report = run(board_store)
    assert report.failures == []
    page = PAGE.read_text(encoding="utf-8")
    real = TABLE.sub(lambda _: report.table(), page)
    if os.environ.get("SPENDMETER_UPDATE_DOCS"):
        PAGE.write_text(real, encoding="utf-8")
        return
    assert page == real


ORG = (Variable("org", True, ["$__all"]),)
BROKEN = {
    "a column that is not there": ("timeseries", "SELECT usage.costs FROM usage_daily AS usage"),
    "nor a place for these rows": ("barchart", "SELECT 1 AS number"),
    "number is Array(UInt8)": ("table", "SELECT [1, 2] AS number"),
    "no rows": ("table", "SELECT number FROM numbers(3) WHERE number > 9"),
    "the board does not have": ("table", "SELECT 1 WHERE $__conditionalAll(1 IN (${school:singlequote}), $school)"),
    "nothing expands": ("alert", "SELECT 1 WHERE $__conditionalAll(1 IN (1), 2)"),
    "exactly one number": ("alert", "SELECT 'a' AS name, 1 AS x, 2 AS y"),
}


@pytest.mark.parametrize("kind_and_sql", BROKEN.values(), ids=BROKEN)
def test_a_broken_statement_does_not_pass(board_store: Store, kind_and_sql: tuple[str, str]) -> None:
    kind, sql = kind_and_sql
    broken = Statement("board", "panel", kind, sql, variables=() if kind == "alert" else ORG)
    with board_store.session("broken") as session:
        (found,) = asyncio.run(checked(session, [broken], CASES[0])).values()
    assert found
