"""Budgets: defined with permission, counted over the org's month, forecast by the trend. Row 17."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.scopes import ORG_READ, PLATFORM_READ
from spendmeter_rollups import Credential
from tests.support.service import NOW, answer, service
from tests.support.usage import insert_usage, usage_row

# Nepal is 5:45 ahead: its November began at 18:15 UTC on 31 October.
NOVEMBER = datetime(2026, 10, 31, 18, 15, tzinfo=UTC)
DIRECTORY = ["org_id", "name", "timezone", "currency", "updated_at"]


class Keys:
    """An org's key, and a key for all orgs."""

    async def authenticate(self, token: str) -> Credential | None:
        if token == "reader":
            return Credential("reader", frozenset((PLATFORM_READ,)))
        return Credential(token, frozenset((ORG_READ,)), org_id=token) if token in ("acme", "beta") else None


def calls() -> list[dict[str, Any]]:
    """Return 2 USD per day (in Nepal) of Ann's chats at acme from 20 October, and calls on BYOK and of beta."""
    noon = NOVEMBER + timedelta(hours=12)
    daily = [usage_row(100 + day, noon + timedelta(days=day), input_cost=Decimal(2)) for day in range(-12, 21)]
    return [
        *daily,
        usage_row(1, NOVEMBER, user_id="bob", feature="quiz", input_cost=Decimal(10)),
        usage_row(2, NOVEMBER - timedelta(milliseconds=1), user_id="bob", feature="quiz", input_cost=Decimal(1000)),
        usage_row(3, noon, key_source="byok", input_cost=Decimal(500)),
        usage_row(4, noon, org_id="beta", feature="chat", input_cost=Decimal(7)),
    ]


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[TestClient]:
    insert_usage(store, calls())
    with store.session("directory") as session:
        zones = [("acme", "Acme", "Asia/Kathmandu", "INR", NOVEMBER), ("beta", "Beta", "Mars", "USD", NOVEMBER)]
        asyncio.run(session.insert("orgs", zones, DIRECTORY))
        rates = [("INR", date(2026, 11, 20), Decimal(80), "bank", NOVEMBER)]
        asyncio.run(session.insert("fx_rates", rates, ["currency", "rate_date", "per_usd", "source", "updated_at"]))
        people = [("acme", "ann", "Ann Lee", NOVEMBER)]
        asyncio.run(session.insert("users", people, ["org_id", "user_id", "name", "updated_at"]))
    with service(store, authenticators=(Keys(),)) as client:
        yield client


@pytest.fixture
def define(client: TestClient) -> Iterator[Any]:
    made: list[str] = []

    def define(**body: Any) -> dict[str, Any]:
        response = client.post("/v1/budgets", json=body)
        assert response.status_code == 201, response.text
        found: dict[str, Any] = response.json()
        made.append(found["budget_id"])
        return found

    yield define
    for budget_id in made:
        client.delete(f"/v1/budgets/{budget_id}")


def test_an_orgs_month_is_its_own_and_a_key_of_its_own_is_free(define: Any) -> None:
    """10 USD at the start of Nepal's November and 21 days of 2; not the 1000 a millisecond before, nor BYOK."""
    budget = define(scope="org", org_id="acme", amount="104", currency="USD")
    assert budget["month"] == {
        "month": "2026-11",
        "from": "2026-11-01T00:00:00+05:45",
        "to": "2026-12-01T00:00:00+05:45",
        "tz": "Asia/Kathmandu",
    }
    assert (budget["spent"], budget["amount"], budget["used_share"]) == ("52", "104", 0.5)


def test_amounts_are_in_the_budgets_currency_at_the_rate_it_names(define: Any) -> None:
    """Row 22."""
    budget = define(scope="user", org_id="acme", user_id="ann", amount="6720", currency="INR")
    assert budget["currency"] == {"code": "INR", "per_usd": "80", "rate_date": "2026-11-20", "rate_source": "bank"}
    # 21 days of 2 USD at 80.
    assert (budget["spent"], budget["used_share"]) == ("3360", 0.5)


@pytest.mark.parametrize(
    ("amount", "day"),
    [
        # 42 USD are spent. It is 14:45 of the 22nd, so 2 · 9.25 / 24 are left for today, then 2 per day.
        ("42.5", "2026-11-22"),
        ("43", "2026-11-23"),
        ("58", "2026-11-30"),
        # The month ends at 42 + 0.77 + 16.
        ("58.8", None),
        # Exhausted on the fifth day.
        ("10", "2026-11-05"),
        ("0.5", "2026-11-01"),
    ],
)
def test_the_day_of_exhaustion(define: Any, amount: str, day: str | None) -> None:
    budget = define(scope="user", org_id="acme", user_id="ann", amount=amount)
    assert budget["exhausted_on"] == day
    assert Decimal(budget["projected"]) == pytest.approx(Decimal("58.770833"), abs=Decimal("0.00001"))


def test_too_few_days_give_no_forecast(define: Any) -> None:
    budget = define(scope="feature", org_id="acme", feature="quiz", amount="20")
    assert (budget["spent"], budget["projected"], budget["exhausted_on"]) == ("10", None, None)


def test_a_feature_of_all_orgs_counts_by_utc(define: Any) -> None:
    budget = define(scope="feature", feature="chat", amount="100")
    assert budget["month"]["tz"] == "UTC"
    assert budget["spent"] == "49"


def test_a_zone_that_does_not_exist_is_utc(define: Any) -> None:
    budget = define(scope="org", org_id="beta", amount="7")
    assert (budget["month"]["tz"], budget["spent"], budget["used_share"]) == ("UTC", "7", 1.0)
    assert budget["exhausted_on"] == "2026-11-01"


def test_an_org_key_sees_its_own_budgets_alone(client: TestClient, define: Any) -> None:
    """Row 23."""
    mine = define(scope="org", org_id="acme", amount="1")["budget_id"]
    others = [
        define(scope="org", org_id="beta", amount="2")["budget_id"],
        define(scope="feature", feature="chat", amount="3")["budget_id"],
    ]
    key = {"Authorization": "Bearer acme"}
    listed = client.get("/v1/budgets", headers=key).json()["budgets"]
    assert [budget["budget_id"] for budget in listed] == [mine]
    assert client.get(f"/v1/budgets/{mine}", headers=key).status_code == 200
    unknown = client.get(f"/v1/budgets/{uuid4()}", headers=key)
    for other in others:
        refused = client.get(f"/v1/budgets/{other}", headers=key)
        assert (refused.status_code, refused.json()["detail"]) == (404, unknown.json()["detail"])
    assert client.get("/v1/budgets?org=beta", headers=key).status_code == 403
    assert len(answer(client, "/v1/budgets")["budgets"]) == 3


def test_readers_define_nothing(client: TestClient, define: Any) -> None:
    budget_id = define(scope="org", org_id="acme", amount="1")["budget_id"]
    body = {"scope": "org", "org_id": "acme", "amount": "1"}
    for token in ("acme", "reader"):
        key = {"Authorization": f"Bearer {token}"}
        assert client.post("/v1/budgets", json=body, headers=key).status_code == 403
        assert client.put(f"/v1/budgets/{budget_id}", json={"amount": "9"}, headers=key).status_code == 403
        assert client.delete(f"/v1/budgets/{budget_id}", headers=key).status_code == 403
    assert answer(client, f"/v1/budgets/{budget_id}")["amount"] == "1"


def test_a_budget_is_changed_dropped_and_defined_again(client: TestClient, define: Any) -> None:
    """All within one millisecond of the service's clock."""
    body = {"scope": "user", "org_id": "acme", "user_id": "bob", "amount": "20"}
    budget_id = define(**body)["budget_id"]
    twice = client.post("/v1/budgets", json=body)
    assert twice.status_code == 409
    assert budget_id in twice.json()["detail"]
    changed = client.put(f"/v1/budgets/{budget_id}", json={"amount": "1600", "currency": "INR"}).json()
    assert (changed["spent"], changed["used_share"], changed["exhausted_on"]) == ("800", 0.5, None)
    assert client.delete(f"/v1/budgets/{budget_id}").status_code == 204
    assert client.delete(f"/v1/budgets/{budget_id}").status_code == 404
    assert client.put(f"/v1/budgets/{budget_id}", json={"amount": "1"}).status_code == 404


def test_budgets_are_filtered_by_scope_user_and_feature(client: TestClient, define: Any) -> None:
    define(scope="user", org_id="acme", user_id="ann", amount="1")
    define(scope="user", org_id="acme", user_id="bob", amount="1")
    define(scope="feature", org_id="acme", feature="quiz", amount="1")
    ann = answer(client, "/v1/budgets", scope="user", user="ann")["budgets"]
    assert [(budget["user_id"], budget["spent"]) for budget in ann] == [("ann", "42")]
    first = answer(client, "/v1/budgets", limit="1", offset="1")
    assert (first["budgets"][0]["user_id"], first["has_more"]) == ("ann", True)
    assert first["freshness"]["newest_event_at"] <= NOW.isoformat()


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"scope": "planet", "amount": "1"}, "scope"),
        ({"scope": "org", "amount": "1"}, "org_id"),
        ({"scope": "user", "org_id": "acme", "amount": "1"}, "user_id"),
        ({"scope": "org", "org_id": "acme", "user_id": "ann", "amount": "1"}, "user_id"),
        ({"scope": "org", "org_id": "acme", "amount": "0"}, "amount"),
        ({"scope": "org", "org_id": "acme", "amount": "1e30"}, "amount"),
        ({"scope": "org", "org_id": "acme", "amount": "NaN"}, "amount"),
        ({"scope": "org", "org_id": "a\x00b", "amount": "1"}, "org_id"),
        ({"scope": "org", "org_id": "acme", "amount": "1", "currency": "XXX"}, "currency"),
    ],
)
def test_invalid_budgets_are_rejected_by_field(client: TestClient, body: dict[str, str], name: str) -> None:
    response = client.post("/v1/budgets", json=body)
    assert response.status_code == 422
    assert [fault["parameter"] for fault in response.json()["errors"]] == [name]


def test_a_budget_names_its_org_and_user(client: TestClient, define: Any) -> None:
    define(scope="user", org_id="acme", user_id="ann", amount="1")
    define(scope="feature", feature="chat", amount="1")
    listed = answer(client, "/v1/budgets")["budgets"]
    assert [(each["org_name"], each["user_name"]) for each in listed] == [(None, None), ("Acme", "Ann Lee")]


def test_a_budget_of_an_unknown_org_is_refused(client: TestClient) -> None:
    for scope in ({"scope": "org"}, {"scope": "user", "user_id": "ann"}, {"scope": "feature", "feature": "chat"}):
        refused = client.post("/v1/budgets", json={**scope, "org_id": "akme", "amount": "1"})
        assert refused.status_code == 422
        (fault,) = refused.json()["errors"]
        assert (fault["parameter"], fault["detail"]) == (
            "org_id",
            "unknown org 'akme': neither the directory nor any call has it",
        )


@pytest.mark.parametrize(
    ("body", "spent"),
    [
        ({"scope": "role", "value": "student"}, "49"),
        ({"scope": "role", "org_id": "acme", "value": "student"}, "52"),
        ({"scope": "class", "org_id": "acme", "value": "7"}, "52"),
        ({"scope": "section", "org_id": "acme", "class_name": "7", "value": "A"}, "52"),
        ({"scope": "section", "org_id": "acme", "class_name": "8", "value": "A"}, "0"),
        ({"scope": "model", "value": "gpt-4o"}, "49"),
        ({"scope": "status", "org_id": "acme", "value": "OK"}, "52"),
        ({"scope": "key_source", "org_id": "acme", "value": "platform"}, "52"),
        ({"scope": "agent", "value": "not seen yet"}, "0"),
        ({"scope": "tag", "org_id": "acme", "value": "env:prod"}, "0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value.values()),
)
def test_every_dimension_has_budgets(client: TestClient, define: Any, body: dict[str, str], spent: str) -> None:
    budget = define(**body, amount="100")
    assert (budget["spent"], budget["scope"], budget["value"].lower()) == (spent, body["scope"], body["value"].lower())
    listed = answer(client, "/v1/budgets", scope=body["scope"], value=budget["value"])["budgets"]
    assert [it["budget_id"] for it in listed] == [budget["budget_id"]]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"scope": "status", "value": "broken"}, "value"),
        ({"scope": "key_source", "value": "byok"}, "value"),
        ({"scope": "class", "value": "7"}, "org_id"),
        ({"scope": "section", "org_id": "acme", "value": "A"}, "class_name"),
        ({"scope": "tag", "value": "env"}, "value"),
        ({"scope": "role", "value": ""}, "value"),
        ({"scope": "org", "org_id": "acme", "thresholds": [0]}, "thresholds"),
    ],
)
def test_a_value_is_checked_as_a_filter_is(client: TestClient, body: dict[str, Any], name: str) -> None:
    response = client.post("/v1/budgets", json={**body, "amount": "1"})
    assert response.status_code == 422
    assert [fault["parameter"] for fault in response.json()["errors"]] == [name]
    assert "Value error" not in response.text


def test_each_user_has_the_default_unless_they_have_their_own(client: TestClient, define: Any) -> None:
    """The bars of the user table: Ann's own budget, and the limit of each user for Bob."""
    default = define(scope="user", org_id="acme", user_id="*", amount="1600", currency="INR")
    assert (default["spent"], default["users"], default["users_over"]) == (None, 2, 1)
    own = define(scope="user", org_id="acme", user_id="ann", amount="84")
    rows = answer(client, "/v1/usage/breakdown/user", org="acme", preset="30d")["rows"]
    assert {row["key"]["user_id"]: row["budget"] for row in rows} == {
        "ann": {
            "budget_id": own["budget_id"],
            "amount": "84",
            "currency": "USD",
            "spent": "42",
            "used_share": 0.5,
            "default": False,
        },
        "bob": {
            "budget_id": default["budget_id"],
            "amount": "1600",
            "currency": "INR",
            "spent": "800",
            "used_share": 0.5,
            "default": True,
        },
    }
    assert answer(client, f"/v1/budgets/{default['budget_id']}")["users"] == 1


def test_thresholds_are_shown_with_those_that_are_passed(client: TestClient, define: Any) -> None:
    budget = define(scope="org", org_id="acme", amount="65", thresholds=[80, 50, 95])
    assert (budget["thresholds"], budget["passed"]) == ([50, 80, 95], [50, 80])
    # Another amount keeps them.
    changed = client.put(f"/v1/budgets/{budget['budget_id']}", json={"amount": "52"}).json()
    assert (changed["thresholds"], changed["passed"]) == ([50, 80, 95], [50, 80, 95, 100])


def test_a_call_is_checked_against_every_budget_that_limits_it(client: TestClient, define: Any) -> None:
    def allowed(**call: str) -> bool:
        found: bool = answer(client, "/v1/budgets/check", **call)["allowed"]
        return found

    assert allowed(org="acme", user="ann", feature="chat")
    budget = define(scope="user", org_id="acme", user_id="ann", amount="42")
    refused = answer(client, "/v1/budgets/check", org="acme", user="ann", feature="chat")
    assert (refused["allowed"], refused["reason"], refused["budget"]) == (
        False,
        "over_budget",
        {
            "budget_id": budget["budget_id"],
            "scope": "user",
            "conditions": {"org": "acme", "user": "ann"},
            "spent_usd": "42",
            "limit_usd": "42",
            "month_end": "2026-11-30T18:15:00Z",
        },
    )
    assert allowed(org="acme", user="bob", feature="chat")
    define(scope="model", value="gpt-4o", amount="1")
    assert allowed(org="acme", user="bob")
    assert not allowed(org="acme", user="bob", model="gpt-4o")
    key = {"Authorization": "Bearer acme"}
    hidden = client.get("/v1/budgets/check?org=acme&model=gpt-4o", headers=key).json()
    assert (hidden["allowed"], hidden["budget"]) == (False, None)
    assert client.get("/v1/budgets/check?org=beta", headers=key).status_code == 403
    assert client.get("/v1/budgets/check").status_code == 422
    assert client.get("/v1/budgets/check?org=&user=ann").status_code == 422
    client.put(f"/v1/budgets/{budget['budget_id']}", json={"amount": "43"})
    assert allowed(org="acme", user="ann", feature="chat")
