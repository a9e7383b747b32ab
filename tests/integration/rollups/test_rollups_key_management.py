"""API keys are created, listed and revoked over HTTP, and writes are recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from spendmeter_clickhouse import Store
from tests.support.keys import Make, key_maker, orgs, status
from tests.support.service import answer, service
from tests.support.usage import insert_usage, usage_row


@pytest.fixture(scope="module", autouse=True)
def _calls(store: Store) -> None:
    when = datetime(2026, 11, 20, tzinfo=UTC)
    insert_usage(store, [usage_row(1, when, org_id="acme"), usage_row(2, when, org_id="beta", user_id="eve")])


@pytest.fixture
def make(store: Store) -> Make:
    return key_maker(store)


def test_keys_are_managed_while_the_service_runs(store: Store, make: Make) -> None:
    body = {"name": "finance", "scopes": ["org:read"], "org_id": "acme", "days": 30}
    with service(store) as client:
        response = client.post("/v1/api-keys", json=body)
        assert response.status_code == 201, response.text
        made = response.json()
        assert made["expires_at"] == "2026-12-22T09:00:00.005000Z"
        listed = client.get("/v1/api-keys", params={"limit": 1000})
        assert made["key"] not in listed.text
        (row,) = [each for each in listed.json()["api_keys"] if each["prefix"] == made["prefix"]]
        assert row | {"key": made["key"]} == made
        assert (row["state"], row["scopes"], row["org_id"]) == ("valid", ["org:read"], "acme")
    key, path = {"Authorization": f"Bearer {made['key']}"}, f"/v1/api-keys/{made['prefix']}"
    with service(store) as client:
        assert orgs(client, key) == {"acme"}
        assert [client.delete(path).status_code for _ in range(2)] == [204, 204]
        assert client.delete("/v1/api-keys/spm_nobody").status_code == 404
    with service(store) as client:
        assert status(client, key) == 401
        rows = answer(client, "/v1/audit", user=made["prefix"])["rows"]
        assert sorted({(each["actor"], each["action"], each["org_id"]) for each in rows}) == [
            ("admin", "key.create", "acme"),
            ("admin", "key.revoke", "acme"),
        ]


def test_a_key_grants_no_more_than_it_has(store: Store, make: Make) -> None:
    writer, both = make("platform:write", requests_per_minute=50), make("platform:write", "org:read", org_id="acme")
    sender = make("platform:write", "events:write", org_id="acme")
    cases: tuple[tuple[dict[str, str], dict[str, Any], int], ...] = (
        (writer, {"scopes": ["platform:read"]}, 403),
        (writer, {"scopes": ["org:read"], "org_id": "acme"}, 403),
        (writer, {"scopes": ["platform:write", "events:write"]}, 403),
        (writer, {"scopes": ["platform:write"]}, 201),
        (both, {"scopes": ["org:read"], "org_id": "acme"}, 201),
        (both, {"scopes": ["org:read"], "org_id": "beta"}, 403),
        (both, {"scopes": ["platform:write"]}, 403),
        (both, {"scopes": ["platform:write", "org:read"], "org_id": "acme"}, 201),
        (sender, {"scopes": ["events:write"], "org_id": "acme"}, 201),
        (sender, {"scopes": ["events:write"]}, 403),
        (make("platform:read"), {"scopes": ["platform:read"]}, 403),
        (both, {"scopes": ["org:read"]}, 422),
        (both, {"scopes": ["platform:write"], "org_id": "acme"}, 422),
        (both, {"scopes": []}, 422),
        (both, {"scopes": ["root"]}, 422),
    )
    with service(store) as client:
        for key, body, expected in cases:
            response = client.post("/v1/api-keys", json={"name": "x", **body}, headers=key)
            assert response.status_code == expected, (body, response.text)
        for requested, granted in ((0, 50), (10, 10), (100, 50)):
            key_body = {"name": "x", "scopes": ["platform:write"], "requests_per_minute": requested}
            assert client.post("/v1/api-keys", json=key_body, headers=writer).json()["requests_per_minute"] == granted


def test_a_key_of_an_org_manages_the_keys_of_its_org_only(store: Store, make: Make) -> None:
    bound = make("platform:write", "org:read", org_id="acme")
    with service(store) as client:
        made = {
            org: client.post("/v1/api-keys", json={"name": "x", "scopes": ["org:read"], "org_id": org}).json()["prefix"]
            for org in ("acme", "beta")
        }
        path, most = "/v1/api-keys", {"limit": 1000}
        listed = client.get(path, params=most, headers=bound).json()["api_keys"]
        assert {row["org_id"] for row in listed} == {"acme"}
        assert {row["org_id"] for row in client.get(path, params=most).json()["api_keys"]} >= {"", "acme", "beta"}
        assert [client.delete(f"{path}/{made[org]}", headers=bound).status_code for org in made] == [204, 404]
        states = {row["prefix"]: row["state"] for row in client.get(path, params=most).json()["api_keys"]}
        assert [states[made[org]] for org in made] == ["revoked", "valid"]


def test_writes_are_recorded(store: Store) -> None:
    with service(store) as client:
        request = {"X-Request-ID": "written"}
        budget = {"scope": "user", "org_id": "beta", "user_id": "eve", "amount": "1"}
        path = f"/v1/budgets/{client.post('/v1/budgets', json=budget, headers=request).json()['budget_id']}"
        assert client.put(path, json={"amount": "2"}, headers=request).status_code == 200
        assert client.delete(path, headers=request).status_code == 204
        assert client.put("/v1/fx-rates/NPR/2026-11-02", json={"per_usd": "140"}, headers=request).status_code == 200
        rows = [row for row in answer(client, "/v1/audit", actor="admin")["rows"] if row["request_id"] == "written"]
        assert sorted((row["action"], row["org_id"], row["user_id"]) for row in rows) == [
            ("budget.change", "beta", "eve"),
            ("budget.create", "beta", "eve"),
            ("budget.delete", "beta", "eve"),
            ("rate.set", "", "NPR 2026-11-02"),
        ]
