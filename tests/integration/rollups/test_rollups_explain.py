"""One call explained: counts times stored rates give its cost to the pico-dollar, before and after a repricing."""

from __future__ import annotations

import asyncio
import csv
import io
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient

from spendmeter_clickhouse import Session, Store
from spendmeter_clickhouse.scopes import ORG_READ
from spendmeter_rollups import Credential
from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.reprice.lease import lease
from spendmeter_stream.reprice.run import append_adjustments
from spendmeter_stream.reprice.selection import CallSelection
from tests.support.demo_store import fill_with_demo
from tests.support.service import answer, service

END = datetime(2026, 11, 3, tzinfo=UTC)
NOW = END + timedelta(hours=1)
SCHOOL, OTHER = "sunrise-delhi", "niketan-bengaluru"
RISE = {
    "provider": "openai", "models": ["*"], "factor": Decimal("1.1"), "units": ["tokens"], "org": SCHOOL,
    "from": "beginning",
    "source": "the invoice of October", "verified_at": "2026-11-02",
}  # fmt: skip
SAMPLE = 200


class SchoolKeys:
    """The keys of two schools."""

    async def authenticate(self, token: str) -> Credential | None:
        org_id = {"school": SCHOOL, "other": OTHER}.get(token)
        return Credential(token, frozenset((ORG_READ,)), org_id=org_id) if org_id else None


@pytest.fixture(scope="module")
def session(store: Store) -> Iterator[Session]:
    fill_with_demo(store, days=2, end=END, seed=7, scale=0.1)
    with store.session("explain") as session:
        asyncio.run(_reprice(session))
        yield session


async def _reprice(session: Session) -> None:
    book = PriceBook.load().with_rows([RISE], keys=["rise"])
    selection = CallSelection(start=END - timedelta(days=3), end=END, providers=("openai",))
    async with lease(session, selection, book.version) as selected:
        assert await append_adjustments(selected, book) > 0


@pytest.fixture(scope="module")
def client(store: Store, session: Session) -> Iterator[TestClient]:
    with service(store, now=NOW, authenticators=(SchoolKeys(),)) as client:
        yield client


@pytest.fixture(scope="module")
def calls(session: Session) -> list[dict[str, Any]]:
    sql = """SELECT toString(event_id) AS id, toString(adjusts) AS adjusts, kind, org_id, cost, provider, pricing_status
        FROM usage_events ORDER BY event_id"""
    answered = asyncio.run(session.query(sql))
    return [dict(zip(answered.column_names, row, strict=True)) for row in answered.result_rows]


def test_the_lines_of_random_calls_add_up_to_their_cost(client: TestClient, calls: list[dict[str, Any]]) -> None:
    stored = {row["id"]: row for row in calls if row["kind"] == "usage"}
    changed = {row["adjusts"]: row for row in calls if row["kind"] == "adjustment"}
    assert {row["pricing_status"] for row in stored.values()} >= {"priced", "free"}
    for event_id in random.Random(1).sample(sorted(stored), SAMPLE):
        explained = answer(client, f"/v1/usage/events/{event_id}")
        estimate, row = explained["estimate"], stored[event_id]
        assert Decimal(estimate["cost"]) == row["cost"]
        assert estimate["exact"] is True
        assert sum(Decimal(line["cost"]) for line in estimate["lines"] if line["cost"]) == row["cost"]
        for line in estimate["lines"]:
            assert line["cost"] is None or line["origin"]["row"]
        (adjustment,) = explained["adjustments"] or [None]
        assert (adjustment is not None) == (event_id in changed)
        if adjustment:
            assert Decimal(adjustment["difference"]) == changed[event_id]["cost"]
            assert adjustment["exact"] is True
            assert adjustment["cost"] == explained["current_cost"]
            assert {line["origin"]["factor"] for line in adjustment["lines"]} == {"1.1"}


def test_the_origin_names_row_source_and_factor(client: TestClient, calls: list[dict[str, Any]]) -> None:
    adjusted = next(row for row in calls if row["kind"] == "adjustment")
    explained = answer(client, f"/v1/usage/events/{adjusted['id']}")
    assert explained["call"]["event_id"] == adjusted["adjusts"]
    assert explained["call"]["org_name"]
    line = explained["estimate"]["lines"][0]
    assert "openai.toml:" in line["origin"]["row"]
    assert line["origin"]["layer"] in ("seed", "reviewed")
    assert line["origin"]["source"]
    assert {"from", "to"} < line["origin"].keys()
    assert line["origin"]["verified_at"] >= "2026"
    assert Decimal(line["billed"]) * Decimal(line["rate_usd"]) == Decimal(line["cost"])
    (repriced,) = explained["adjustments"]
    assert repriced["lines"][0]["origin"]["factors"] == ["11/10 row rise (the invoice of October)"]


def test_the_log_with_adjustments_adds_up_to_the_summary(client: TestClient) -> None:
    window = {"from": "2026-10-31", "to": "2026-11-02"}
    total = Decimal(answer(client, "/v1/usage/summary", **window)["totals"]["cost"])
    response = client.get("/v1/usage/export/events", params=window)
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert sum(Decimal(row["cost"]) + Decimal(row["adjustment"]) for row in rows) == total
    assert sum(Decimal(row["cost"]) for row in rows) != total
    components = [name for name in rows[0] if name.endswith("_cost") and name != "provider_cost"]
    assert len(components) == 6
    assert all(sum(Decimal(row[name]) for name in components) == Decimal(row["cost"]) for row in rows)
    assert all(row["price_version"] for row in rows)
    page = answer(client, "/v1/usage/events", **window, page_size=100)["rows"]
    by_id = {row["event_id"]: row["adjustment"] for row in rows}
    assert [row["adjustment"] for row in page] == [by_id[row["event_id"]] for row in page]


def test_an_org_sees_its_own_calls_only(client: TestClient, calls: list[dict[str, Any]]) -> None:
    key = {"Authorization": "Bearer school"}
    own = next(row["id"] for row in calls if row["org_id"] == SCHOOL)
    other = next(row["id"] for row in calls if row["org_id"] != SCHOOL)
    assert client.get(f"/v1/usage/events/{own}", headers=key).status_code == 200
    hidden = client.get(f"/v1/usage/events/{other}", headers=key)
    unknown = client.get("/v1/usage/events/0190b6a0-0000-7000-8000-000000000000", headers=key)
    assert hidden.status_code == unknown.status_code == 404
    assert hidden.json()["detail"] == unknown.json()["detail"] == "event_id: unknown call"
    assert client.get("/v1/usage/events/7", headers=key).status_code == 422


WINDOW = {"from": "2026-10-31", "to": "2026-11-02"}


def test_the_rates_in_use_are_those_of_the_stored_calls(client: TestClient, calls: list[dict[str, Any]]) -> None:
    body = answer(client, "/v1/prices", **WINDOW, limit=500)
    assert (body["has_more"], body["warnings"]) == (False, [])
    for repriced, kind in ((False, "usage"), (True, "adjustment")):
        rows = [row for row in body["rows"] if row["repriced"] is repriced]
        assert sum(row["calls"] for row in rows) == sum(call["kind"] == kind for call in calls)
        assert {row["provider"] for row in rows} == {call["provider"] for call in calls if call["kind"] == kind}
    for row in body["rows"]:
        assert WINDOW["from"] <= row["first_use"] <= row["last_use"]
        assert row["rates"] or not row["price_card"]
        for rate in row["rates"]:
            assert rate["origin"]["row"]
            rises = row["repriced"] and rate["unit"].endswith("_tokens")
            assert rate["origin"]["factors"] == ["11/10 row rise (the invoice of October)"] * rises
    # The rate in the list is the one of the arithmetic.
    call = next(call for call in calls if call["kind"] == "adjustment")
    (adjustment,) = answer(client, f"/v1/usage/events/{call['id']}")["adjustments"]
    known = {(rate["unit"], rate["rate_usd"]) for row in body["rows"] if row["repriced"] for rate in row["rates"]}
    assert {(line["unit"], line["rate_usd"]) for line in adjustment["lines"]} <= known


def test_negotiated_rates_are_visible_to_their_org_only(client: TestClient) -> None:
    def seen(token: str) -> list[dict[str, Any]]:
        response = client.get("/v1/prices", params=WINDOW, headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 200, response.text
        rows: list[dict[str, Any]] = response.json()["rows"]
        return rows

    assert any(row["repriced"] for row in seen("school"))
    assert seen("other")
    assert not any(row["repriced"] or "rise" in str(row) for row in seen("other"))


def test_pages_of_rates_have_every_row_once(client: TestClient) -> None:
    whole = answer(client, "/v1/prices", **WINDOW, limit=500)["rows"]
    pages = [answer(client, "/v1/prices", **WINDOW, limit=7, offset=start) for start in range(0, len(whole), 7)]
    assert [row for page in pages for row in page["rows"]] == whole
    assert [page["has_more"] for page in pages] == [True] * (len(pages) - 1) + [False]


def test_a_model_without_calls_and_deleted_calls_are_named(client: TestClient, session: Session) -> None:
    unknown = answer(client, "/v1/prices", **WINDOW, model="gpt-99")
    (warning,) = unknown["warnings"]
    assert (unknown["rows"], warning["parameter"]) == ([], "model")
    assert "`spendmeter prices show`" in warning["detail"]
    asyncio.run(session.command("INSERT INTO ingest_raw_watermarks (raw_kept_from) VALUES ('2026-11-01')"))
    try:
        (deleted,) = answer(client, "/v1/prices", **WINDOW)["warnings"]
        assert (deleted["parameter"], deleted["detail"].split(":")[0]) == (
            "from",
            "calls before 2026-11-01 were deleted",
        )
    finally:
        asyncio.run(session.command("TRUNCATE TABLE ingest_raw_watermarks"))


def test_without_a_price_book_the_answer_names_the_setting(client: TestClient) -> None:
    asked = {"provider": "openai", "model": "gpt-4o", "at": "2026-11-01"}
    for response in (client.get("/v1/prices", params=asked), client.put("/v1/prices", json={"row": {}, "key": "k"})):
        assert response.status_code == 404
        assert "SPENDMETER_BOOTSTRAP" in response.json()["detail"]
    assert client.get("/v1/prices", params={**asked, "model": []}).status_code == 422
    school = {"Authorization": "Bearer school"}
    assert client.put("/v1/prices", json={"row": {}}, headers=school).status_code == 403
    assert client.get("/v1/prices", params={**asked, "org": OTHER}, headers=school).status_code == 403
