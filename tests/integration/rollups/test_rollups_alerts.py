"""`/v1/alerts`: what the guard sent, for those who may see the org."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.scopes import ORG_READ, PLATFORM_READ, PLATFORM_WRITE
from spendmeter_rollups import Credential
from tests.support.service import NOW, service

COLUMNS = [
    *("alert_id", "at", "since", "kind", "severity", "scope", "org_id", "name", "span", "spend_usd", "limit_usd"),
    *("expected_usd", "summary"),
]


def alert(number: int, at: datetime, **values: Any) -> tuple[Any, ...]:
    """Return a row of a spike of an org."""
    row: dict[str, Any] = {
        "kind": "spike",
        "severity": "critical",
        "scope": "org",
        "org_id": "acme",
        "name": "acme",
        "span": "1h",
    }
    row |= {"alert_id": UUID(int=number), "at": at, "since": at, "spend_usd": 12, "limit_usd": 3, "expected_usd": 1}
    row |= {"summary": "org acme spent 12.00 USD", **values}
    return tuple(row[column] for column in COLUMNS)


class Keys:
    """A key of one org, one of the platform and one without the right to read."""

    async def authenticate(self, token: str) -> Credential | None:
        known = {"acme": (ORG_READ, "acme"), "all": (PLATFORM_READ, None), "write": (PLATFORM_WRITE, None)}
        if token not in known:
            return None
        scope, org = known[token]
        return Credential(token, frozenset((scope,)), org)


@pytest.fixture(scope="module")
def client(store: Store) -> Any:
    rows = [
        alert(1, NOW - timedelta(hours=3)),
        alert(2, NOW - timedelta(hours=1), scope="user", name="ann", severity="warning"),
        alert(
            3, NOW - timedelta(hours=2), org_id="", scope="feature", name="chat", kind="budget", span="month_to_date"
        ),
        alert(4, NOW - timedelta(hours=4), org_id="globex", name="globex", expected_usd=None),
    ]
    with store.session("test") as session:
        for _ in range(2):
            asyncio.run(session.insert("spend_alerts", rows, COLUMNS))
        names = [("acme", "Acme Inc", datetime(2026, 1, 1, tzinfo=UTC))]
        asyncio.run(session.insert("orgs", names, ["org_id", "name", "updated_at"]))
    with service(store, authenticators=(Keys(),)) as client:
        yield client


def ids(client: TestClient, key: str = "all", **parameters: Any) -> list[int]:
    answer = client.get("/v1/alerts", params=parameters, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.text
    return [UUID(row["alert_id"]).int for row in answer.json()["alerts"]]


def test_alerts_are_listed_once_newest_first(client: TestClient) -> None:
    assert ids(client) == [2, 3, 1, 4]
    assert ids(client, limit=1) == [2]
    assert ids(client, before=(NOW - timedelta(hours=1)).isoformat()) == [3, 1, 4]
    assert ids(client, kind="Budget") == [3]
    assert ids(client, severity="warning") == [2]
    assert ids(client, org=["acme", "globex"]) == [2, 1, 4]


def test_an_alert_has_names_and_exact_amounts(client: TestClient) -> None:
    answer = client.get("/v1/alerts", params={"org": "acme"}, headers={"Authorization": "Bearer all"}).json()["alerts"]
    (org,) = (row for row in answer if row["scope"] == "org")
    assert (org["org_name"], org["spend_usd"], org["window"]) == ("Acme Inc", "12", "1h")
    (user,) = (row for row in answer if row["scope"] == "user")
    assert (user["name"], user["user_name"]) == ("ann", None)


def test_a_key_of_an_org_sees_its_org_only(client: TestClient) -> None:
    assert ids(client, "acme") == [2, 1]
    for org in ("globex", ""):
        refused = client.get("/v1/alerts", params={"org": org}, headers={"Authorization": "Bearer acme"})
        assert refused.status_code == 403
    assert client.get("/v1/alerts", headers={"Authorization": "Bearer write"}).status_code == 403


def test_a_parameter_that_is_not_understood_is_refused(client: TestClient) -> None:
    for parameters in ({"kind": "fire"}, {"severity": "high"}, {"before": "yesterday"}, {"limit": 0}, {"user": "ann"}):
        refused = client.get("/v1/alerts", params=parameters, headers={"Authorization": "Bearer all"})
        assert refused.status_code == 422, parameters
