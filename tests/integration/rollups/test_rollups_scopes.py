"""Scopes grant exactly what they name: every combination on every operation, generated (row L5)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.api_keys import ApiKey, store_key
from spendmeter_clickhouse.scopes import ORG_READ, PLATFORM_READ, PLATFORM_WRITE, SCOPES
from spendmeter_rollups import Credential
from tests.support.service import service
from tests.support.usage import insert_usage, usage_row

WHEN = datetime(2026, 11, 20, tzinfo=UTC)
SECRET = "zeta-school"
SPENT = "7777.25"
MIXES = [frozenset(mix) for size in range(len(SCOPES) + 1) for mix in combinations(SCOPES, size)]
ORGS = (None, "acme")
Mix = tuple[frozenset[str], str | None]


class Mixes:
    """A key for every combination of scopes and org."""

    async def authenticate(self, token: str) -> Credential | None:
        if not token.startswith("mix:"):
            return None
        _, scopes, org = token.split("/")
        return Credential(token, frozenset(filter(None, scopes.split(","))), org or None)


def key(mix: Mix) -> dict[str, str]:
    scopes, org = mix
    return {"Authorization": f"Bearer mix:/{','.join(sorted(scopes))}/{org or ''}"}


def sees_all(mix: Mix) -> bool:
    return PLATFORM_READ in mix[0]


def sees_own(mix: Mix) -> bool:
    return sees_all(mix) or (ORG_READ in mix[0] and mix[1] is not None)


def manages_own_keys(mix: Mix) -> bool:
    return mix[1] is not None and not sees_all(mix)


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[TestClient]:
    rows = [
        usage_row(1, WHEN, input_cost=Decimal(1)),
        usage_row(
            2,
            WHEN,
            org_id=SECRET,
            user_id="eve",
            request_id=f"{SECRET}-request",
            conversation_id=f"{SECRET}-talk",
            agent_id=f"{SECRET}-agent",
            tags={f"{SECRET}-key": f"{SECRET}-value"},
            input_cost=Decimal(SPENT),
        ),
    ]
    insert_usage(store, rows)
    with store.session("names") as session:
        names = [(kind, f"{SECRET}-{kind}", SECRET, SECRET, "", WHEN) for kind in ("agent", "feature")]
        names.append(("agent", "tutor", SECRET, SECRET, "", WHEN))
        columns = ["kind", "id", "org_id", "name", "avatar_url", "updated_at"]
        asyncio.run(session.insert("directory_names", names, columns))
    key_fields: dict[str, Any] = {"prefix": VALUES["prefix"], "name": SECRET, "org_id": SECRET, "scopes": ()}
    stored = ApiKey(digest=bytes(32), created_at=WHEN, updated_at=WHEN, **key_fields)
    with store.session("key") as session:
        asyncio.run(store_key(session, stored))
    with service(store, authenticators=(Mixes(),)) as client:
        yield client


def operations(client: TestClient) -> Iterator[tuple[str, str]]:
    for path, item in client.get("/openapi.json").json()["paths"].items():
        # A session shows its own caller only, and is tested with the page.
        if path != "/v1/session":
            yield from ((method.upper(), path) for method in item)


OPEN = {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")}
WRITES = {
    ("POST", "/v1/budgets"),
    ("PUT", "/v1/budgets/{budget_id}"),
    ("DELETE", "/v1/budgets/{budget_id}"),
    ("PUT", "/v1/fx-rates/{currency}/{rate_date}"),
    ("PUT", "/v1/prices"),
    ("GET", "/v1/api-keys"),
    ("POST", "/v1/api-keys"),
    ("DELETE", "/v1/api-keys/{prefix}"),
}
VALUES: dict[str, Any] = {
    "dimension": "feature",
    "kind": "agent",
    "user_id": "ann",
    "currency": "EUR",
    "rate_date": "2026-11-20",
    "event_id": UUID(int=2),
    "prefix": "spm_0000000000",
}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/budgets": {"scope": "org", "org_id": SECRET, "amount": "100"},
    "/v1/budgets/{budget_id}": {"amount": "200"},
    "/v1/fx-rates/{currency}/{rate_date}": {"per_usd": "0.9"},
    "/v1/prices": {"row": {}, "key": "test"},
    "/v1/api-keys": {"name": "test", "scopes": ["platform:write"]},
}


@pytest.fixture
def budget(client: TestClient) -> Iterator[str]:
    """Return the other org's budget."""
    made = client.post("/v1/budgets", json=BODIES["/v1/budgets"]).json()
    yield made["budget_id"]
    client.delete(f"/v1/budgets/{made['budget_id']}")


def ask(client: TestClient, method: str, path: str, budget: str, mix: Mix) -> Any:
    """Request the operation on an existing resource; a POST finds no budget of the same kind."""
    if path == "/v1/budgets":
        client.delete(f"/v1/budgets/{budget}")
    elif path.startswith("/v1/budgets/"):
        client.post("/v1/budgets", json=BODIES["/v1/budgets"])
    body = BODIES[path] if method in ("POST", "PUT") else None
    call = {"org": "acme"} if path == "/v1/budgets/check" else None
    return client.request(method, path.format(budget_id=budget, **VALUES), json=body, params=call, headers=key(mix))


def expected(method: str, path: str, mix: Mix) -> int:
    if (method, path) in OPEN:
        return 200
    if (method, path) in WRITES:
        # This service has no price book.
        done = 404 if path == "/v1/prices" else {"POST": 201, "DELETE": 204}.get(method, 200)
        if path.startswith("/v1/api-keys") and manages_own_keys(mix):
            done = {"POST": 403, "DELETE": 404}.get(method, done)
        return done if PLATFORM_WRITE in mix[0] else 403
    if (method, path) == ("GET", "/v1/fx-rates"):
        return 200 if PLATFORM_WRITE in mix[0] or sees_own(mix) else 403
    if path in ("/v1/budgets/{budget_id}", "/v1/usage/events/{event_id}") and sees_own(mix) and not sees_all(mix):
        return 404
    return 200 if sees_own(mix) else 403


@pytest.mark.parametrize("org", ORGS)
@pytest.mark.parametrize("scopes", MIXES, ids=lambda mix: "+".join(sorted(mix)) or "none")
def test_every_combination_of_scopes_grants_its_endpoints(
    client: TestClient, budget: str, scopes: frozenset[str], org: str | None
) -> None:
    mix = (scopes, org)
    endpoints = list(operations(client))
    assert len(endpoints) > 20
    for method, path in endpoints:
        response = ask(client, method, path, budget, mix)
        assert response.status_code == expected(method, path, mix), (method, path, response.text)
        if not sees_all(mix):
            assert SPENT not in response.text, (method, path)
            assert '"projected":"' not in response.text, (method, path)
            if (method, path) not in WRITES or (path.startswith("/v1/api-keys") and mix[1]):
                assert SECRET not in response.text, (method, path)


def test_a_budget_of_the_own_org_shows_its_use_and_another_one_does_not(client: TestClient) -> None:
    """Row L5: a key that defines budgets and reads its own org."""
    mix: Mix = (frozenset((ORG_READ, PLATFORM_WRITE)), "acme")
    for body, spent in (
        ({"scope": "org", "org_id": "acme"}, "1"),
        ({"scope": "org", "org_id": SECRET}, None),
        ({"scope": "user", "org_id": SECRET, "user_id": "ann"}, None),
        ({"scope": "feature", "org_id": SECRET, "feature": "chat"}, None),
        # A feature without an org: its cost is the spend of all orgs.
        ({"scope": "feature", "feature": "chat"}, None),
    ):
        made = client.post("/v1/budgets", json=body | {"amount": "10"}, headers=key(mix))
        assert made.status_code == 201, made.text
        assert made.json()["spent"] == spent
        path = f"/v1/budgets/{made.json()['budget_id']}"
        changed = client.put(path, json={"amount": "20"}, headers=key(mix)).json()
        assert (changed["amount"], changed["spent"]) == ("20", spent)
        hidden = ("spent", "used_share", "projected", "exhausted_on")
        if spent is None:
            assert [changed[name] for name in hidden] == [None] * 4
        assert client.delete(path, headers=key(mix)).status_code == 204


@pytest.mark.parametrize(
    "parameters",
    [
        {"user": "eve"},
        {"agent": f"{SECRET}-agent"},
        {"request_id": f"{SECRET}-request"},
        {"conversation_id": f"{SECRET}-talk"},
        {"event_id": "00000000-0000-0000-0000-000000000002"},
        {"tag": f"{SECRET}-key:{SECRET}-value"},
        {"group_by": ["user", f"tag:{SECRET}-key"]},
        {"group_by": ["org", "agent"]},
    ],
)
def test_no_filter_or_group_reaches_another_org(client: TestClient, parameters: dict[str, Any]) -> None:
    mix: Mix = (frozenset((ORG_READ,)), "acme")
    paths = client.get("/openapi.json").json()["paths"]
    checked = 0
    for path, item in paths.items():
        taken = {each["name"] for each in item.get("get", {}).get("parameters", ()) if each["in"] == "query"}
        if not parameters.keys() <= taken or not path.startswith(("/v1/usage", "/v1/filters", "/v1/prices")):
            continue
        response = client.get(path.format(**VALUES | {"event_id": UUID(int=1)}), params=parameters, headers=key(mix))
        assert response.status_code == 200, (path, response.text)
        names = (f"{SECRET}-value", f"{SECRET}-talk", SPENT) if "group_by" in parameters else (SECRET, SPENT)
        assert not [name for name in names if name in response.text], path
        checked += 1
    assert checked >= 2
    for dimension in ("tag", f"tag:{SECRET}-key", "agent"):
        found = client.get(f"/v1/filters/{dimension}", headers=key(mix)).json()
        assert found["values"] == []
        found = client.get(f"/v1/filters/{dimension}").json()
        assert found["values"]
