"""One test per row of the feature table, on a small school with figures computed by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from fastapi.testclient import TestClient

from spendmeter_clickhouse import Store
from tests.support.school import BASE, by_key, school
from tests.support.service import NOW, answer


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[TestClient]:
    with school(store) as client:
        yield client


def test_summary_and_change_against_the_window_before(client: TestClient) -> None:
    """Row 6."""
    body = answer(client, "/v1/usage/summary", preset="7d")
    totals = body["totals"]
    assert totals["cost"] == "0.18"
    assert (totals["requests"], totals["errors"]) == (7, 1)
    assert totals["success_rate"] == pytest.approx(6 / 7, abs=1e-6)
    assert (totals["users"], totals["providers"], totals["models"]) == (3, 2, 2)
    assert totals["most_active_user"] == {
        "org_id": "acme",
        "user_id": "ann",
        "org_name": "Acme School",
        "name": "Ann Lee",
        "requests": 3,
    }
    assert totals["avg_latency_ms"] == pytest.approx(800 / 3, abs=1e-6)
    assert totals["p50_latency_ms"] == pytest.approx(200, rel=0.05)
    assert totals["p99_latency_ms"] == pytest.approx(400, rel=0.05)
    assert (totals["prompt_tokens"], totals["completion_tokens"], totals["cached_tokens"]) == (500, 30, 140)
    assert body["previous"]["cost"] == "0.02"
    assert body["change"]["cost"] == 8.0
    assert body["change"]["p50_latency_ms"] == pytest.approx(0, abs=0.05)
    assert body["change"]["characters"] is None


@pytest.mark.parametrize(
    ("start", "end", "now", "before"),
    [
        ("00.000", "00.400", 4, 0),
        ("00.000", "02.000", 4, 0),
        ("00.001", "02.000", 0, 4),
        ("00.300", "00.600", 0, 4),
        ("00.000", "00.001", 4, 0),
        ("00.001", "00.002", 0, 4),
    ],
)
def test_windows_differ_by_milliseconds(client: TestClient, start: str, end: str, now: int, before: int) -> None:
    """Four calls at exactly ten, and windows that begin within the same second, but after them."""
    body = answer(
        client, "/v1/usage/summary", **{"from": f"2026-11-20T10:00:{start}Z", "to": f"2026-11-20T10:00:{end}Z"}
    )
    assert (body["totals"]["requests"], body["previous"]["requests"]) == (now, before)
    assert (body["totals"]["users"], body["previous"]["users"]) == ((3, 0) if now else (0, 3))


def test_byok_is_priced_and_not_charged(client: TestClient) -> None:
    """Row 16."""
    rows = by_key(answer(client, "/v1/usage/breakdown/key_source"), "key_source")
    assert (rows["byok"]["cost"], rows["byok"]["chargeable_cost"]) == ("0.03", "0")
    assert rows["platform"]["cost"] == rows["platform"]["chargeable_cost"] == "0.17"


def test_orgs_have_names_users_and_totals(client: TestClient) -> None:
    """Row 8: orgs."""
    body = answer(client, "/v1/usage/breakdown/org", preset="7d")
    rows = by_key(body, "org_id")
    assert (rows["acme"]["name"], rows["acme"]["users"], rows["acme"]["cost"]) == ("Acme School", 2, "0.15")
    assert (rows["beta"]["name"], rows["beta"]["users"]) == (None, 1)
    assert body["totals"]["cost"] == "0.18"


def test_classes_and_sections_are_those_of_students(client: TestClient) -> None:
    """Row 8: classes and sections."""
    body = answer(client, "/v1/usage/breakdown/section", preset="7d")
    assert [(row["key"], row["users"], row["requests"]) for row in body["rows"]] == [
        ({"org_id": "acme", "class_name": "7", "section": "A"}, 1, 3),
        ({"org_id": "beta", "class_name": "7", "section": "A"}, 1, 1),
    ]
    assert body["totals"]["requests"] == 4


def test_features_have_errors_users_and_share(client: TestClient) -> None:
    """Row 8: features."""
    quiz = by_key(answer(client, "/v1/usage/breakdown/feature", preset="7d"), "feature")["quiz"]
    assert (quiz["errors"], quiz["users"], quiz["cost"]) == (1, 1, "0.08")
    assert quiz["share"] == pytest.approx(8 / 18, abs=1e-6)


def test_users_have_role_school_class_last_call_and_top_feature(client: TestClient) -> None:
    """Row 8: users."""
    rows = by_key(answer(client, "/v1/usage/breakdown/user", preset="7d"), "user_id")
    assert rows["ann"]["name"] == "Ann Lee"
    assert rows["ann"]["user"] == {
        "org_name": "Acme School",
        "role": "student",
        "class_name": "7",
        "section": "A",
        "top_feature": "chat",
    }
    assert rows["ann"]["last_seen"] == "2026-11-21T10:00:00Z"
    assert rows["system"]["name"] is None
    assert rows["system"]["user"]["class_name"] is None


def test_agents_have_a_sparkline(client: TestClient) -> None:
    """Row 8: agents."""
    tutor = by_key(answer(client, "/v1/usage/breakdown/agent", preset="30d"), "agent_id")["tutor"]
    assert len(tutor["sparkline"]) == 30
    assert tutor["sparkline"][-3:] == ["0.04", "0", "0"]


def test_rows_can_be_ranked_and_paged(client: TestClient) -> None:
    """Row 20: batched for list views."""
    body = answer(client, "/v1/usage/breakdown/feature", order_by="requests", limit=1, offset=1)
    assert [row["key"]["feature"] for row in body["rows"]] == ["quiz"]
    assert body["has_more"]
    assert not answer(client, "/v1/usage/breakdown/feature", offset=3)["has_more"]


def test_models_split_their_cost_by_kind(client: TestClient) -> None:
    """Row 9."""
    body = answer(client, "/v1/usage/models", preset="7d")
    top = body["rows"][0]
    assert (top["provider"], top["model"], top["requests"]) == ("openai", "gpt-4o", 6)
    assert (top["input_cost"], top["output_cost"], top["cached_cost"], top["other_cost"]) == (
        "0.12",
        "0.02",
        "0",
        "0.01",
    )


def test_the_log_pages_by_key_and_filters(client: TestClient) -> None:
    """Row 11."""
    body = answer(client, "/v1/usage/events", status="error")
    assert [row["error_message"] for row in body["rows"]] == ["too slow"]
    assert body["next_cursor"] is None
    assert [row["request_id"] for row in answer(client, "/v1/usage/events", user="ann", preset="7d")["rows"]] == [
        "request-3",
        "request-2",
        "request-1",
    ]


def test_errors_over_time_by_kind_and_recent(client: TestClient) -> None:
    """Row 12."""
    body = answer(client, "/v1/usage/errors", preset="7d", granularity="day")
    assert (body["requests"], body["errors"]) == (7, 1)
    assert [point["errors"] for point in body["points"]] == [0, 0, 0, 0, 1, 0, 0]
    assert body["kinds"] == [{"provider": "openai", "error_type": "timeout", "errors": 1, "share": 1.0}]
    (recent,) = body["recent"]
    assert (recent["error_message"], recent["user_id"], recent["feature"]) == ("too slow", "tom", "quiz")


def test_cache_savings_in_all_over_time_and_null_without_data(client: TestClient) -> None:
    """Row 13."""
    body = answer(client, "/v1/usage/cache", preset="7d", granularity="day")
    assert body["totals"] == {
        "hit_rate": round(140 / 500, 6),
        "cache_read_tokens": 140,
        "cache_write_tokens": 0,
        "savings": "0.005",
    }
    assert body["skipped_models"] == [{"provider": "openai", "model": "gpt-4o", "requests": 1}]
    assert [point["savings"] for point in body["points"]] == [None, None, None, None, "0.005", None, None]
    assert answer(client, "/v1/usage/cache", org="acme")["totals"]["hit_rate"] is None


def test_heatmap_is_in_the_callers_clock(client: TestClient) -> None:
    """Row 15: Friday 10:00 UTC is 15:45 in Nepal; empty cells are left out."""
    body = answer(client, "/v1/usage/heatmap", preset="7d", tz="Asia/Kathmandu")
    assert [(cell["weekday"], cell["hour"], cell["requests"]) for cell in body["cells"]] == [
        (5, 15, 5),
        (5, 16, 1),
        (6, 15, 1),
    ]


def test_a_users_page(client: TestClient) -> None:
    """Row 10."""
    body = answer(client, "/v1/usage/users/ann", preset="7d")
    assert body["user"]["email"] == "ann@acme.example"
    assert (body["totals"]["requests"], body["totals"]["cost"]) == (3, "0.06")
    assert [(row["feature"], row["cost"]) for row in body["features"]] == [("chat", "0.04"), ("rag", "0.02")]
    assert [point["requests"] for point in body["daily"]] == [0, 0, 0, 0, 2, 1, 0]
    assert len(body["recent"]) == 3


def test_filter_values_are_found_by_text_and_name(client: TestClient) -> None:
    """Row 3."""
    users = answer(client, "/v1/filters/user", q="LEE")["values"]
    assert users == [{"value": "ann", "name": "Ann Lee", "org_id": "acme", "requests": 4}]
    assert [row["value"] for row in answer(client, "/v1/filters/model", q="cla")["values"]] == ["claude"]
    assert answer(client, "/v1/filters/feature", q="%")["values"] == []


def test_each_day_is_converted_at_its_own_rate(client: TestClient) -> None:
    """Row 22."""
    body = answer(client, "/v1/usage/summary", preset="7d", currency="inr")
    first, second = (
        {"rate_date": "2026-10-01", "per_usd": "80", "source": "first"},
        {"rate_date": "2026-11-21", "per_usd": "88.5", "source": "bank"},
    )
    newest = {"code": "INR", "per_usd": "88.5", "rate_date": "2026-11-21", "rate_source": "bank"}
    days = {
        day: Decimal(answer(client, "/v1/usage/summary", **{"from": day, "to": day})["totals"]["cost"])
        for day in (f"2026-11-{number}" for number in range(16, 23))
    }
    converted = sum(cost * (Decimal("88.5") if day >= "2026-11-21" else 80) for day, cost in days.items())
    assert Decimal(body["totals"]["cost"]) == converted < sum(days.values()) * Decimal("88.5")
    assert body["currency"] == newest | {"rates": [first, second]}
    past = answer(client, "/v1/usage/summary", **{"from": "2026-11-20", "to": "2026-11-20", "currency": "INR"})
    assert (past["currency"]["per_usd"], past["currency"]["rates"]) == ("80", [first])


def test_amounts_in_the_own_currency_of_the_org(client: TestClient) -> None:
    own = answer(client, "/v1/usage/summary", org="acme", currency="org")
    assert own["currency"]["code"] == "INR"
    assert own["totals"] == answer(client, "/v1/usage/summary", org="acme", currency="INR")["totals"]
    unknown = answer(client, "/v1/usage/summary", org="nobody", currency="org")
    assert (unknown["currency"]["code"], unknown["warnings"][0]["parameter"]) == ("USD", "currency")


def test_rates_are_readable(client: TestClient) -> None:
    found = answer(client, "/v1/fx-rates", currency="inr", limit=1)
    newest = {"currency": "INR", "rate_date": "2026-11-21", "per_usd": "88.5", "source": "bank"}
    assert found == {"rates": [newest], "has_more": True}
    assert [row["per_usd"] for row in answer(client, "/v1/fx-rates", to="2026-11-20")["rates"]] == ["80"]


def test_every_response_has_its_freshness(client: TestClient) -> None:
    """Row B5."""
    paths = client.get("/openapi.json").json()["paths"]
    asked = [path for path, item in paths.items() if "get" in item and path.startswith(("/v1/usage", "/v1/filters"))]
    named = {"{dimension}": "model", "{user_id}": "ann"}
    for path in (*asked, "/v1/budgets", "/v1/prices"):
        # One stored call is as it was priced, whenever it is asked for.
        if "/export/" in path or "{event_id}" in path:
            continue
        for name, value in named.items():
            path = path.replace(name, value)
        fresh = answer(client, path)["freshness"]
        assert fresh["as_of"] == "2026-11-22T09:00:00.005000Z", path
        assert fresh["newest_event_at"] == "2026-11-21T10:00:00Z"
        assert fresh["lag_seconds"] == (NOW - BASE - timedelta(days=1)).total_seconds()


def test_an_unknown_preset_means_thirty_days_and_warns(client: TestClient) -> None:
    """Row 4."""
    for path in ("summary", "breakdown/user", "events", "projection"):
        body = answer(client, f"/v1/usage/{path}", preset="fortnight")
        (warning,) = body["warnings"]
        assert (body["window"]["preset"], warning["parameter"]) == ("30d", "preset")
        assert warning["detail"] == "unknown preset 'fortnight': answered 30d"
        assert {"yesterday", "24h", "month", "this_month"} <= set(warning["allowed"])
    for known, resolved in (("month", "mtd"), ("This_Month", "mtd"), ("24h", "24h"), ("yesterday", "yesterday")):
        body = answer(client, "/v1/usage/summary", preset=known)
        assert (body["window"]["preset"], body["warnings"]) == (resolved, [])


def test_the_same_hours_of_the_day_before_are_compared(client: TestClient) -> None:
    """Row 6. On the 20th at 12:00 UTC; the calls of the 13th are a week before."""
    at = BASE + timedelta(hours=2)
    day = {"from": BASE.replace(hour=0).isoformat(), "to": at.isoformat()}
    week = answer(client, "/v1/usage/summary", **day | {"from": "2026-11-14T00:00Z"}, compare="same_period")
    assert week["compare"] == "same_period"
    assert week["previous_window"]["from"].startswith("2026-11-07T00:00")
    assert week["previous_window"]["to"].startswith("2026-11-13T12:00")
    assert (week["previous"]["requests"], week["previous"]["cost"]) == (1, "0.02")
    today = answer(client, "/v1/usage/summary", preset="today")
    assert today["compare"] == "same_period"
    assert today["previous_window"]["to"].startswith("2026-11-21T09:00:00.005")
    assert answer(client, "/v1/usage/summary", preset="7d")["compare"] == "previous"


def test_sparse_data_is_not_projected(client: TestClient) -> None:
    """Row 14."""
    body = answer(client, "/v1/usage/projection")
    assert (body["status"], body["projected"], body["spent"]) == ("insufficient_data", None, "0.2")
