"""Whole views as CSV: the same figures as the JSON, in constant memory, with the caller's permissions. Row 21."""

from __future__ import annotations

import asyncio
import csv
import io
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.catalogue import DIMENSIONS
from spendmeter_clickhouse.scopes import ORG_READ
from spendmeter_rollups import Credential, ServiceSettings
from spendmeter_rollups.calls.log import LogParams
from spendmeter_rollups.export.export import PORTION, export_events
from spendmeter_rollups.query.reader import Reader
from spendmeter_rollups.query.scope import Span, resolve
from spendmeter_rollups.query.usage import UsageReader
from tests.support.service import NOW, answer, service
from tests.support.usage import insert_usage, usage_row

BASE = datetime(2026, 11, 20, 10, tzinfo=UTC)
EVIL = "=HYPERLINK(1)"
MANY = 12 * PORTION
MANY_FROM = datetime(2026, 11, 10, tzinfo=UTC)


class Keys:
    """An org's key."""

    async def authenticate(self, token: str) -> Credential | None:
        return Credential(token, frozenset((ORG_READ,)), org_id=token) if token in ("acme", "beta") else None


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[TestClient]:
    rows = [
        usage_row(
            number,
            BASE + timedelta(minutes=number),
            user_id=EVIL if number % 5 == 0 else f"user-{number % 7}",
            feature=("chat", "quiz", "+rag")[number % 3],
            org_id=("acme", "beta")[number % 2],
            agent_id=("", "tutor")[number % 2],
            input_cost=Decimal(number) / 10**12,
            status="error" if number % 4 == 0 else "ok",
            latency_ms=number,
        )
        for number in range(1, 121)
    ]
    insert_usage(store, rows)
    with service(store, authenticators=(Keys(),)) as client:
        yield client


def export(
    client: TestClient, view: str, headers: dict[str, str] | None = None, **parameters: Any
) -> list[dict[str, str]]:
    response = client.get(f"/v1/usage/export/{view}", params=parameters, headers=headers)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


def cell(value: Any) -> str:
    """Return the cell of a JSON value."""
    if isinstance(value, bool):
        return str(value).lower()
    text = "" if value is None or value == {} else str(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in ("=", "+") else text


def moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def test_the_log_is_the_log(client: TestClient) -> None:
    pages = answer(client, "/v1/usage/events", page_size="500", status="error", tz="Asia/Kolkata")["rows"]
    rows = export(client, "events", status="error", tz="Asia/Kolkata")
    assert len(rows) == len(pages) == 30
    for row, page in zip(rows, pages, strict=True):
        assert moment(row.pop("occurred_at")) == moment(page.pop("occurred_at"))
        assert [row.pop(name) for name in ("currency", "per_usd", "rate_date")] == ["USD", "1", ""]
        assert {name: row[name] for name in page} == {name: cell(value) for name, value in page.items()}


@pytest.mark.parametrize("portion", [1, 7, 10, 119, 120])
@pytest.mark.parametrize("reach", [timedelta(seconds=1), timedelta(minutes=10), timedelta(days=40)])
def test_a_log_read_in_portions_is_the_same(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, portion: int, reach: timedelta
) -> None:
    """An earlier page may be empty, exactly one portion, or more."""
    whole = export(client, "events")
    monkeypatch.setattr("spendmeter_rollups.export.export.PORTION", portion)
    monkeypatch.setattr("spendmeter_rollups.export.export._INITIAL_SPAN", reach)
    assert export(client, "events") == whole
    assert len(whole) == 120


@pytest.mark.parametrize("name", DIMENSIONS)
def test_a_breakdown_has_every_row_of_its_json(client: TestClient, name: str) -> None:
    body = answer(client, f"/v1/usage/breakdown/{name}", limit="1000", org="acme")
    expected = sorted(body["rows"], key=lambda row: tuple(row["key"].values()))
    rows = export(client, name, org="acme")
    assert len(rows) == len(expected) > 0
    for row, json in zip(rows, expected, strict=True):
        flat = json | json["key"] | ({"org_name": None, "top_feature": None} | json["user"] if json["user"] else {})
        assert moment(row.pop("last_seen")) == moment(flat.pop("last_seen"))
        assert {column: cell(flat[column]) for column in row if column in flat} == {
            column: value for column, value in row.items() if column in flat
        }
        assert set(row) - set(flat) == {"currency"}


def test_a_long_breakdown_is_read_in_portions(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = export(client, "user")
    monkeypatch.setattr("spendmeter_rollups.export.export._KEYS", 2)
    assert export(client, "user") == whole
    assert len(whole) == 16


@pytest.mark.parametrize(
    ("order_by", "order"),
    [("cost", None), ("requests", "asc"), ("avg_latency_ms", "desc"), ("users", None), ("name", None), ("key", "desc")],
)
def test_a_breakdown_is_exported_in_the_order_of_its_table(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, order_by: str, order: str | None
) -> None:
    monkeypatch.setattr("spendmeter_rollups.export.export._KEYS", 2)
    parameters: dict[str, Any] = {"order_by": order_by} | ({"order": order} if order else {})
    for name in ("feature",) if order_by == "users" else ("feature", "user"):
        table = answer(client, f"/v1/usage/breakdown/{name}", **parameters)["rows"]
        rows = export(client, name, **parameters)
        assert [row["feature" if name == "feature" else "user_id"].lstrip("'") for row in rows] == [
            row["key"]["feature" if name == "feature" else "user_id"] for row in table
        ]


def test_names_follow_the_key_and_an_order_without_a_column_is_refused(client: TestClient) -> None:
    header = client.get("/v1/usage/export/feature").text.split("\r\n")[0]
    assert header.startswith("feature,name,org_name,requests,")
    for query in ("user?order_by=users", "model?order_by=name", "breakdown?group_by=model&order_by=users"):
        assert client.get(f"/v1/usage/export/{query}").status_code == 422, query
    crossed = export(client, "breakdown", group_by=["feature", "user"], order_by="cost")
    costs = [Decimal(row["cost"]) for row in crossed]
    assert costs == sorted(costs, reverse=True)


def test_a_sorted_export_has_a_limit(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spendmeter_rollups.views.breakdown.MOST_SORTED", 2)
    refused = client.get("/v1/usage/export/user?order_by=cost")
    assert (refused.status_code, "order_by" in refused.json()["detail"]) == (422, True)
    assert client.get("/v1/usage/export/user").status_code == 200


def test_series_add_up_and_name_their_group(client: TestClient) -> None:
    rows = export(client, "timeseries", group_by="feature", limit="1", preset="7d", granularity="day")
    assert len(rows) == 14
    assert {(row["feature"], row["other"]) for row in rows} == {("quiz", "false"), ("", "true")} or {
        (row["feature"], row["other"]) for row in rows
    } == {("chat", "false"), ("", "true")}
    assert sum(int(row["requests"]) for row in rows) == 120


def test_amounts_name_their_rate(client: TestClient) -> None:
    """Row 22."""
    client.put("/v1/fx-rates/INR/2026-11-01", json={"per_usd": "80", "source": "bank"}).raise_for_status()
    (row, *_) = export(client, "events", currency="INR")
    assert (row["currency"], row["per_usd"], row["rate_date"]) == ("INR", "80", "2026-11-01")
    assert {row["currency"] for row in export(client, "status", currency="INR")} == {"INR"}
    assert sum(Decimal(row["cost"]) for row in export(client, "status", currency="INR")) == 80 * 7260 / Decimal(10**12)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"preset": "last_month"}, "spendmeter-events-2026-10-01-to-2026-10-31.csv"),
        ({"from": "2026-11-20", "to": "2026-11-20"}, "spendmeter-events-2026-11-20-to-2026-11-20.csv"),
        # Nine in the morning by UTC is the 22nd in Kathmandu too; the 7 days begin on the 16th.
        ({"preset": "7d", "tz": "Asia/Kathmandu"}, "spendmeter-events-2026-11-16-to-2026-11-22.csv"),
    ],
)
def test_the_file_is_named_by_its_range(client: TestClient, parameters: dict[str, str], name: str) -> None:
    response = client.get("/v1/usage/export/events", params=parameters)
    assert response.headers["content-disposition"] == f'attachment; filename="{name}"'


def test_an_org_key_exports_its_own_org(client: TestClient) -> None:
    """Row 23."""
    key = {"Authorization": "Bearer acme"}
    for view in ("events", "timeseries", *DIMENSIONS):
        response = client.get(f"/v1/usage/export/{view}", headers=key)
        assert response.status_code == 200, view
        assert "beta" not in response.text
        assert client.get(f"/v1/usage/export/{view}?org=beta", headers=key).status_code == 403
    assert {row["org_id"] for row in export(client, "events", key)} == {"acme"}
    assert sum(int(row["requests"]) for row in export(client, "timeseries", key)) == 60


def test_an_impossible_export_is_a_problem_and_not_a_file(client: TestClient) -> None:
    for path, status in (
        ("shoe_size", 404),
        ("timeseries?group_by=shoe_size", 422),
        ("events?page_size=10", 422),
        ("events?tz=Mars", 422),
        ("timeseries?granularity=hour&from=2020-01-01", 422),
    ):
        response = client.get(f"/v1/usage/export/{path}")
        assert response.status_code == status, path
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(store: Store) -> None:
    """With six times the rows, the peak is the same; collected rows would take six times the memory."""

    async def peak(reader: Reader, calls: int) -> int:
        end = MANY_FROM + timedelta(seconds=calls)
        asked = LogParams(org=["many"], from_=MANY_FROM.isoformat(), to=end.isoformat())
        scope = resolve(asked, now=NOW, visible_orgs=None, span=Span(newest=NOW))
        lines = 0
        tracemalloc.start()
        try:
            async for chunk in export_events(UsageReader(reader, scope), params=asked).chunks():
                lines += chunk.count(b"\r\n")
            assert lines == calls + 1
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    async def peaks() -> list[int]:
        with store.session("many") as session:
            await session.command(_MANY_CALLS, {"count": MANY})
            reader = Reader(session, ServiceSettings())
            return [await peak(reader, calls) for calls in (MANY // 6, MANY)]

    few, many = asyncio.run(peaks())
    assert many < 1.5 * few


_MANY_CALLS = """
INSERT INTO usage_events (event_id, occurred_at, org_id, user_id, feature, model, latency_ms)
SELECT generateUUIDv4(), toDateTime64('2026-11-10 00:00:00', 3, 'UTC') + toIntervalSecond(number),
    'many', concat('a user with a long name ', toString(number)), 'a feature', 'a model', number
FROM numbers({count:UInt64})
"""
