"""Boards and the query service agree: same window, filters and zone, same numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from spendmeter_clickhouse import Session, Store
from spendmeter_stream.guard.evaluate.burn import evaluate_budgets
from spendmeter_stream.guard.read.spend_reader import SpendReader
from tests.gate.cases import Case, stored
from tests.gate.macros import expand
from tests.gate.statements import statements
from tests.support.board_store import BUDGETS, NOW, QUOTED_ORG, QUOTED_USER
from tests.support.service import answer, service

Row = dict[str, Any]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


# Ends are whole quarter-hours, because a board widens its range to them. NOW is after every event.
CASES = [
    Case("30 days", at("2026-10-22T00:00+00:00"), NOW, "UTC", {}),
    Case("a school's week", at("2026-11-14T00:00+05:30"), NOW, "Asia/Kolkata", {"org": ["sunrise-delhi"]}),
    Case(
        "two providers",
        at("2026-09-21T00:00+05:45"),
        at("2026-11-08T13:30+05:45"),
        "Asia/Kathmandu",
        {"provider": ["openai", "google"], "role": ["student", "teacher"], "granularity": "day"},
    ),
    Case(
        "over the clock change",
        at("2026-10-20T00:00-04:00"),
        at("2026-11-05T00:00-05:00"),
        "America/New_York",
        {"key_source": ["platform"], "granularity": "day"},
    ),
    Case("one person", at("2026-10-22T00:00+00:00"), NOW, "UTC", {"user": [stored(QUOTED_USER)]}),
    Case("odd names", at("2026-10-01T03:15+00:00"), NOW, "UTC", {"org": [stored(QUOTED_ORG)], "feature": ["ask'me"]}),
]
cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture(scope="module")
def session(board_store: Store) -> Iterator[Session]:
    with board_store.session("totals") as opened:
        yield opened


@pytest.fixture(scope="module")
def client(board_store: Store) -> Iterator[TestClient]:
    with service(board_store, now=NOW) as opened:
        yield opened


def shown(session: Session, case: Case, board: str, place: str) -> list[Row]:
    """Return the rows of a panel."""
    (statement,) = [found for found in statements() if (found.board, found.place) == (board, place)]
    result = asyncio.run(session.query(expand(statement.sql, case.request(statement))))
    return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]


def api_answer(client: TestClient, case: Case, path: str, **more: Any) -> Any:
    """Return the query service's answer for the same selection."""
    chosen = {
        name: [value.replace("\\\\", "\\") for value in values]
        for name, values in case.chosen.items()
        if isinstance(values, list)
    }
    window = {"from": case.start.isoformat(), "to": case.end.isoformat(), "tz": case.timezone}
    return answer(client, f"/v1/usage/{path}", **window, **chosen, **more)


def plain(value: str) -> str:
    """Return the stored form of a value that a link passes to a variable."""
    return "" if value == "-" else value.replace("\\\\", "\\")


def close(value: Any) -> Any:
    """Compare approximately: boards show floats of exact sums."""
    return pytest.approx(None if value is None else float(value), rel=1e-9, abs=1e-12)


@cases
def test_the_figures_of_the_overview(session: Session, client: TestClient, case: Case) -> None:
    summary = api_answer(client, case, "summary")
    for which, expected in ((-1, summary["totals"]), (0, summary["previous"])):
        found: Row = {}
        for place in ("Cost A", "Calls A", "Tokens A", "Users A", "Latency A"):
            both = shown(session, case, "overview", place)
            if which == 0 and len(both) < 2:
                return
            found |= both[which]
        assert found["Cost USD"] == close(expected["cost"])
        assert found["Chargeable USD"] == close(expected["chargeable_cost"])
        assert found["Cache savings USD"] == close(expected["cache_savings"])
        assert found["Success rate"] == pytest.approx(expected["success_rate"], abs=1e-6)
        assert (found["Requests"], found["Providers"], found["Models"], found["Users"]) == (
            expected["requests"],
            expected["providers"],
            expected["models"],
            expected["users"],
        )
        assert (found["All tokens"], found["Prompt"], found["Completion"], found["Cache reads"]) == (
            expected["total_tokens"],
            expected["prompt_tokens"],
            expected["completion_tokens"],
            expected["cached_tokens"],
        )
        if which == -1:
            busiest = shown(session, case, "overview", "Most active user A")
            assert [row["Calls"] for row in busiest] == [expected["most_active_user"]["requests"]]
        for share in ("p50", "p95", "p99"):
            assert found[share] == pytest.approx(expected[f"{share}_latency_ms"], abs=0.1)


@pytest.mark.parametrize("case", [CASES[0], CASES[2], CASES[5]], ids=lambda case: case.name)
@pytest.mark.parametrize(
    ("board", "place", "dimension", "people"),
    [
        ("orgs", "Schools A", "org", "Users"),
        ("orgs", "Roles A", "role", "Users"),
        ("features", "Features A", "feature", "Users"),
        ("features", "Actions A", "action", ""),
        ("features", "Services A", "service", ""),
        ("models", "Models A", "model", ""),
        ("models", "Providers A", "provider", ""),
        ("agents", "Agents A", "agent", ""),
        ("agents", "Tasks A", "task", ""),
        ("agents", "Configurations A", "configuration", ""),
        ("classes", "Classes A", "class", "Students"),
        ("classes", "Sections A", "section", "Students"),
    ],
)
def test_breakdowns(
    session: Session, client: TestClient, case: Case, board: str, place: str, dimension: str, people: str
) -> None:
    body = api_answer(client, case, f"breakdown/{dimension}", limit=1000)
    rows = shown(session, case, board, place)
    keys = [name for name in (rows[0] if rows else {}) if name.endswith("_value")]
    found = {tuple(plain(row[key]) for key in keys): row for row in rows}
    assert set(found) == {tuple(row["key"].values()) for row in body["rows"]}
    for expected in body["rows"]:
        row = found[tuple(expected["key"].values())]
        assert row["Cost USD"] == close(expected["cost"])
        assert row["Share of cost"] == (
            None if expected["share"] is None else pytest.approx(expected["share"], abs=1e-6)
        )
        assert (row["Requests"], row["Tokens"], row["Errors"]) == (
            expected["requests"],
            expected["total_tokens"],
            expected["errors"],
        )
        assert row["Average latency"] == pytest.approx(expected["avg_latency_ms"], abs=1e-5)
        if people:
            assert row[people] == expected["users"]


@cases
def test_series_have_the_same_buckets_and_sums(session: Session, client: TestClient, case: Case) -> None:
    granularity = str(case.chosen.get("granularity", "auto"))
    (series,) = api_answer(client, case, "timeseries", granularity=granularity)["series"]
    rows = shown(session, case, "overview", "Cost and tokens over time A")
    assert [row["time"].timestamp() for row in rows] == [
        datetime.fromisoformat(point["start"]).timestamp() for point in series["points"]
    ]
    assert [row["Cost USD"] for row in rows] == [close(point["cost"]) for point in series["points"]]
    assert [row["Tokens"] for row in rows] == [point["total_tokens"] for point in series["points"]]


@cases
def test_series_by_feature_add_up_to_the_whole(session: Session, client: TestClient, case: Case) -> None:
    rows = shown(session, case, "features", "Cost by feature A")
    assert sum(row["USD"] for row in rows) == close(api_answer(client, case, "summary")["totals"]["cost"])
    assert len({row["name"] for row in rows}) <= 11


@cases
def test_errors_caches_and_the_heatmap(session: Session, client: TestClient, case: Case) -> None:
    errors = api_answer(client, case, "errors")
    assert shown(session, case, "errors", "Errors A")[-1]["Errors"] == errors["errors"]
    kinds = shown(session, case, "errors", "Errors by model and type A")
    assert sum(row["Errors"] for row in kinds) == errors["errors"]
    cache = api_answer(client, case, "cache")
    figures = shown(session, case, "cache", "Prompt cache A")[-1]
    assert figures["Hit rate"] == pytest.approx(cache["totals"]["hit_rate"], abs=1e-6)
    assert figures["Saved USD"] == close(cache["totals"]["savings"])
    skipped = {
        (row["Provider"], row["Model"], row["Calls"])
        for row in shown(session, case, "cache", "Calls excluded from savings A")
    }
    assert skipped == {(row["provider"], row["model"], row["requests"]) for row in cache["skipped_models"]}
    cells = {
        (weekday, int(row["Hour"])): row[name]
        for row in shown(session, case, "heatmap", "Calls by weekday and hour A")
        for weekday, name in enumerate(list(row)[1:])
        if row[name] is not None
    }
    heatmap = api_answer(client, case, "heatmap")["cells"]
    assert cells == {(cell["weekday"], cell["hour"]): cell["requests"] for cell in heatmap if cell["requests"]}


# A board projects the month its range ends in, the service always the current one.
@pytest.mark.parametrize("case", [case for case in CASES if case.end == NOW], ids=lambda case: case.name)
def test_the_projection_and_its_interval(session: Session, client: TestClient, case: Case) -> None:
    body = api_answer(client, case, "projection")
    rows = shown(session, case, "overview", "Projection to month end A")
    if body["status"] == "insufficient_data":
        assert rows == []
        return
    (row,) = rows
    assert row["Spent so far USD"] == close(body["spent"])
    assert row["Projected USD"] == pytest.approx(float(body["projected"]), rel=1e-4)
    margin = float(body["upper"]) - float(body["lower"])
    assert row["At most USD"] - row["At least USD"] == pytest.approx(margin, rel=2e-4)
    curve = shown(session, case, "overview", "Cumulative spend this month A")
    assert curve[-1]["Projected USD"] == pytest.approx(row["Projected USD"])
    ahead = shown(session, case, "overview", "Cost and tokens over time B")
    assert [point["Projected USD"] for point in ahead] == [
        pytest.approx(float(day["cost"]), rel=1e-3, abs=1e-5) for day in body["days"]
    ]


@cases
def test_the_log_lists_the_same_calls(session: Session, client: TestClient, case: Case) -> None:
    rows = shown(session, case, "log", "Calls A")
    body = api_answer(client, case, "events", page_size=500)
    assert [(row["Time"].timestamp(), row["Request"], row["Cost USD"]) for row in rows] == [
        (datetime.fromisoformat(event["occurred_at"]).timestamp(), event["request_id"], close(event["cost"]))
        for event in body["rows"]
    ]


def test_budgets_of_this_month(session: Session, client: TestClient) -> None:
    board = {
        tuple(plain(row[f"{column}_value"]) for column in ("org_id", "user_id", "feature")): row
        for row in shown(session, CASES[0], "budgets", "Use of this month's budgets A")
    }
    service = answer(client, "/v1/budgets", limit=100)["budgets"]
    assert len(service) == len(board) == len(BUDGETS)
    assert sum(row["Spent USD"] > 0 for row in board.values()) == len(BUDGETS) - 1
    for budget in service:
        row = board[budget["org_id"], budget["user_id"], budget["feature"]]
        assert (row["Month"], row["Time zone"]) == (budget["month"]["month"], budget["month"]["tz"])
        assert row["Used"] == (None if budget["used_share"] is None else pytest.approx(budget["used_share"], abs=1e-6))
        if budget["currency"]:
            rate = float(budget["currency"]["per_usd"])
            assert row["Spent USD"] * rate == close(budget["spent"])
            assert row["Monthly USD"] * rate == close(budget["amount"])


def test_the_guard_uses_the_same_budgets(session: Session, client: TestClient) -> None:
    """Spend, use and missing rates of every budget agree in alerts, API and board."""
    board = {
        tuple(plain(row[f"{column}_value"]) for column in ("org_id", "user_id", "feature")): row
        for row in shown(session, CASES[0], "budgets", "Use of this month's budgets A")
    }
    service = {
        (budget["org_id"], budget["user_id"], budget["feature"]): budget
        for budget in answer(client, "/v1/budgets", limit=100)["budgets"]
    }
    states, unevaluated = evaluate_budgets(asyncio.run(SpendReader(session=session, floor=0.02).read(NOW)))
    assert len(states) + len(unevaluated) == len(BUDGETS)
    for state in states:
        key = (state.budget.org_id, state.budget.user_id, state.budget.feature)
        rate = float(service[key]["currency"]["per_usd"])
        assert float(state.spent) == pytest.approx(board[key]["Spent USD"])
        assert float(state.spent) * rate == close(service[key]["spent"])
        assert state.used == pytest.approx(board[key]["Used"])
        assert state.used == pytest.approx(service[key]["used_share"], abs=1e-6)
    assert [board[budget.org_id, budget.user_id, budget.feature]["Used"] for budget in unevaluated] == [None]


@pytest.mark.parametrize("case", CASES[:4], ids=lambda case: case.name)
def test_the_top_feature_of_every_user(session: Session, client: TestClient, case: Case) -> None:
    board = {
        tuple(plain(row[f"{column}_value"]) for column in ("org_id", "user_id")): row["Top feature"]
        for row in shown(session, case, "users", "Users A")
    }
    rows = api_answer(client, case, "breakdown/user", limit=1000)["rows"]
    assert len(board) == len(rows)
    assert board == {tuple(row["key"].values()): row["user"]["top_feature"] or "" for row in rows}
