"""clickhouse/users/spendmeter.xml: grants that ClickHouse can parse, and no more than the boards need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import yaml

from spendmeter_clickhouse import Store, StoreError

ROOT = Path(__file__).parents[3]
USERS = ROOT / "clickhouse" / "users" / "spendmeter.xml"


def grants() -> Iterator[tuple[str, str]]:
    """Return each user and statement."""
    users = ElementTree.parse(USERS).getroot().find("users")  # noqa: S314 - our own file
    assert users is not None
    for user in users:
        for query in user.iterfind("grants/query"):
            yield user.tag, str(query.text)


async def test_every_grant_is_a_statement(store: Store) -> None:
    """The engine's parser reads it; chDB has no users."""
    with store.session("grants") as session:
        for _, statement in grants():
            answer = await session.query(f"EXPLAIN AST {statement} TO somebody")
            assert answer.result_rows == [("GrantQuery",)]
        with pytest.raises(StoreError):
            await session.query("EXPLAIN AST GRANT SELCT ON spendmeter.* TO somebody")


def test_boards_may_read_their_tables_and_no_keys() -> None:
    allowed = {statement.rpartition(".")[2] for user, statement in grants() if user == "spendmeter_boards"}
    # test_clickhouse_grants.py runs each statement of the boards in an engine with these grants.
    files = [*(ROOT / "grafana" / "dashboards").glob("*.json"), *(ROOT / "grafana" / "provisioning").rglob("*.yaml")]
    text = "".join(path.read_text() for path in files)
    migrations = "".join(path.read_text() for path in (ROOT / "clickhouse" / "migrations").glob("*.sql"))
    tables = set(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", migrations))
    read = set(re.findall(r"(?:FROM|JOIN)\s+([a-z]\w+)", text)) & tables
    read |= set(re.findall(r"dictGet\w*\('(\w+)'", text))
    assert read == allowed
    assert tables > {"api_keys", "audit_log"}
    assert not allowed & {"api_keys", "audit_log"}


def test_logins_that_answer_questions_write_nothing() -> None:
    for user, statement in grants():
        if user in ("spendmeter_reader", "spendmeter_boards"):
            rights = statement.removeprefix("GRANT ").partition(" ON ")[0].split(", ")
            assert set(rights) <= {"SELECT", "dictGet"}


def test_each_process_of_the_shipped_deployment_has_its_own_login() -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    logins = {
        (name, variable): urlsplit(re.sub(r"\$\{[^}]*\}", "x", value)).username
        for name in ("migrate", "worker", "service", "collector")
        for variable, value in compose[name]["environment"].items()
        if variable.endswith("_DSN")
    }
    assert logins == {
        ("migrate", "SPENDMETER_STORE_DSN"): "spendmeter",
        ("worker", "SPENDMETER_STORE_DSN"): "spendmeter_worker",
        ("service", "SPENDMETER_STORE_DSN"): "spendmeter_service",
        ("service", "SPENDMETER_READER_DSN"): "spendmeter_reader",
        ("collector", "SPENDMETER_STORE_DSN"): "spendmeter_collector",
    }
    assert compose["grafana"]["environment"]["SPENDMETER_CLICKHOUSE_READER"] == "spendmeter_boards"
    assert {*logins.values(), "spendmeter_boards"} == {user for user, _ in grants()}
