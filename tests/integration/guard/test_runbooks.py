"""Runbooks: one for each alert, with impact, commands and escalation; every command in them exists and runs."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from spendmeter_clickhouse import Store
from spendmeter_deploy.cli.app import app
from spendmeter_deploy.environment import DEPLOYMENT, setting_names
from tests.support.service import service

ROOT = Path(__file__).parents[3]
RUNBOOKS = ROOT / "docs" / "runbooks"
PAGES = sorted(RUNBOOKS.glob("*.md"))
SECTIONS = ("**Meaning.**", "**Impact.**", "**Diagnosis**", "**Mitigation**", "**Escalation.**")
EXTERNAL = {"clickhouse-client", "curl", "docker", "kubectl"}
KAFKA = {"kafka-acls", "kafka-configs", "kafka-console-consumer", "kafka-consumer-groups", "kafka-topics"}
KAFKA |= {"kafka-get-offsets"}
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def alert_names() -> set[tuple[str, str]]:
    """Return (alert, page) of every Prometheus rule."""
    found = set()
    for path in (ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    found.add((rule["alert"], rule["annotations"]["runbook_url"].split("/")[1]))
    return found


def commands(page: Path) -> Iterator[list[str]]:
    """Return every command of a page: the lines of its code blocks, and inline code that begins like a command."""
    text = page.read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += [part for line in lines for part in re.findall(r"#\s*(kubectl .*)", line)]
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    starts = ("spendmeter ", "docker ", "kubectl ", "kafka-", "clickhouse-client", "curl ")
    for line in [*lines, *(code for code in inline if code.startswith(starts))]:
        yield shlex.split(line, comments=True)


ALL = [(page, command) for page in PAGES for command in commands(page)]


@each_page
def test_a_runbook_has_its_sections_and_commands(page: Path) -> None:
    text = page.read_text()
    positions = [text.index(section) for section in SECTIONS]
    assert positions == sorted(positions)
    assert list(commands(page)), "a runbook has commands to run"
    title = text.splitlines()[0].removeprefix("# ").split(", ")
    assert {(alert, page.name) for alert in title} == {it for it in alert_names() if it[1] == page.name}


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {page for _, page in alert_names()} == {page.name for page in PAGES}


@each_page
def test_links_lead_to_pages_that_are_served_beside_it(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        assert (RUNBOOKS / target).is_file(), target
        assert "/" not in target


def test_every_program_is_known() -> None:
    programs = {command[0] for _, command in ALL}
    assert programs <= EXTERNAL | {f"{name}.sh" for name in KAFKA} | {"spendmeter"}
    assert len(ALL) > 60


@pytest.mark.parametrize("command", [it for _, it in ALL if it[0] == "spendmeter"], ids=" ".join)
def test_our_own_commands_are_parsed_as_they_stand(command: list[str], tmp_path: Path) -> None:
    """Use the command's own parser: an unknown verb or flag or a missing argument fails."""
    given = [it for it in command[1:] if it != ">"]
    # Typer's bundled copy of click.
    found: Any = get_command(app)
    context = None
    while hasattr(found, "commands"):
        context = found.make_context(found.name, list(given), parent=context)
        assert given[0] in found.commands, f"no command {given[0]}"
        found = found.commands[given.pop(0)]
    files = {it for it in given if it.endswith((".csv", ".json"))}
    for name in files:
        (tmp_path / name).touch()
    arguments = [str(tmp_path / it) if it.endswith(".csv") else it for it in given if not it.endswith(".json")]
    found.make_context(found.name, arguments, parent=context)


@pytest.mark.parametrize("command", [it for _, it in ALL if it[0] == "clickhouse-client"], ids=lambda it: it[-1][:60])
async def test_statements_are_answered_by_the_engine(chdb_store: Store, command: list[str]) -> None:
    statement = command[command.index("--query") + 1]
    with chdb_store.session("runbooks") as session:
        if statement.startswith(("SHOW GRANTS FOR", "TRUNCATE")) or "query_log" in statement:
            # The embedded engine has no other users and no system logs, so the statement is only parsed.
            await session.query(f"EXPLAIN AST {statement}")
        else:
            await session.query(statement)


@each_page
def test_names_of_settings_and_metrics_exist(page: Path) -> None:
    text = page.read_text()
    assert set(re.findall(r"SPENDMETER_[A-Z_]+", text)) <= setting_names() | DEPLOYMENT
    documented = (ROOT / "docs" / "metrics.md").read_text()
    for name in re.findall(r"\bspendmeter_\w+", text):
        assert name in documented or name == "spendmeter_worker", name
    groups = {it[it.index("--group") + 1] for it in commands(page) if "--group" in it}
    assert groups <= {"spendmeter-ingest"}


@each_page
def test_boards_and_panels_exist(page: Path) -> None:
    """Diagnosis names boards and panels in italics."""
    (diagnosis,) = re.findall(r"\*\*Diagnosis\*\*(.*?)\*\*Mitigation\*\*", page.read_text(), re.DOTALL)
    boards = [json.loads(path.read_text()) for path in (ROOT / "grafana" / "dashboards").glob("*.json")]
    titles = {board["title"] for board in boards} | {panel["title"] for board in boards for panel in board["panels"]}
    titles |= {each["display"] for board in boards for each in board["timepicker"]["quick_ranges"]}
    named = re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", re.sub(r"`[^`]+`", "", diagnosis))
    assert {" ".join(name.split()) for name in named} <= titles


@each_page
def test_quoted_log_lines_exist(page: Path) -> None:
    """Placeholders of a quoted log line are upper case or an ellipsis."""
    sources = "\n".join(path.read_text() for path in (ROOT / "stream").rglob("*.py"))
    for quoted in re.findall(r"log[:\s][^`]*?`([^`]+)`", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)):
        if " " in quoted and not quoted.startswith(("spendmeter ", "kafka-", "docker ", "clickhouse-client ")):
            for literal in filter(None, map(str.strip, re.split(r"\b[A-Z]+\b|[:…()]", quoted))):
                assert literal in sources, quoted


def test_the_links_of_alerts_resolve_in_the_shipped_deployment(store: Store) -> None:
    """Compose publishes the query service at the address that the rules link to, and it serves every page."""
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    base = config["global"]["external_labels"]["runbooks"]
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    assert base == "http://127.0.0.1:8080/runbooks"
    assert "127.0.0.1:8080:8080" in compose["services"]["service"]["ports"]
    with service(store) as client:
        client.headers.pop("Authorization")
        for page in PAGES:
            answer = client.get(f"/runbooks/{page.name}")
            assert (answer.status_code, answer.text) == (200, page.read_text())
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert client.get("/runbooks").text.split() == [page.name for page in PAGES]
        assert client.get("/runbooks/nothing.md").status_code == 404
        assert client.get("/runbooks/..%2f..%2fpyproject.toml").status_code == 404
