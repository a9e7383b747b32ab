"""API keys, their limits, and the audit log. Row 23."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from spendmeter_clickhouse import Store, StoreError
from spendmeter_clickhouse.api_keys import ApiKey, digest_of, generate_key, list_keys, revoke_key, store_key
from spendmeter_rollups import ServiceSettings
from spendmeter_rollups.access.api_keys import ApiKeys
from spendmeter_rollups.query.reader import Reader
from spendmeter_rollups.query.statement import Query
from tests.support.keys import Make, key_maker, orgs, status
from tests.support.service import NOW, answer, service
from tests.support.usage import insert_usage, usage_row


@pytest.fixture(scope="module", autouse=True)
def _calls(store: Store) -> None:
    when = datetime(2026, 11, 20, tzinfo=UTC)
    insert_usage(
        store,
        [
            usage_row(1, when, org_id="acme"),
            usage_row(2, when, org_id="beta", user_id="eve"),
            usage_row(3, when, org_id="acme", user_id="twin", feature="this, that"),
            usage_row(4, when, org_id="beta", user_id="twin", feature="quiz"),
            usage_row(5, when, org_id="beta", user_id="acme/eve"),
        ],
    )


@pytest.fixture
def client(store: Store) -> Iterator[TestClient]:
    with service(store) as client:
        yield client


@pytest.fixture
def make(store: Store) -> Make:
    return key_maker(store)


def test_a_key_sees_what_its_scopes_say(store: Store, make: Make) -> None:
    platform, org, none = make("platform:read"), make("org:read", org_id="acme"), make()
    with service(store) as client:
        assert orgs(client, platform) == {"acme", "beta"}
        assert orgs(client, org) == {"acme"}
        assert status(client, none) == 403
        body = {"scope": "org", "org_id": "acme", "amount": "1"}
        assert client.post("/v1/budgets", json=body, headers=platform).status_code == 403


def test_a_key_is_stored_as_its_digest_alone(store: Store, make: Make) -> None:
    token = make("platform:read")["Authorization"].removeprefix("Bearer ")
    with store.session("look") as session:
        rows = asyncio.run(session.query("SELECT * FROM api_keys")).result_rows
        assert not any(token[15:] in str(row) for row in rows)
        stored = {key.prefix: key for key in asyncio.run(list_keys(session))}
    key = stored[token[:14]]
    assert (len(key.digest), key.digest) == (32, digest_of(token))
    # 256 random bits are 43 characters of base64, after the public prefix.
    assert len(token) - len(key.prefix) - 1 == 43


def test_a_wrong_key_with_a_known_prefix_opens_nothing(store: Store, make: Make) -> None:
    token = make("platform:read")["Authorization"]
    with service(store) as client:
        for wrong in (token[:-1], token + "x", token[:21], token.swapcase(), "Bearer spm_", "Bearer spm__"):
            assert status(client, {"Authorization": wrong}) == 401, wrong


def test_an_expired_key_opens_nothing(store: Store, make: Make) -> None:
    over, soon = make("platform:read", expires_at=NOW), make("platform:read", expires_at=NOW + timedelta(seconds=1))
    with service(store) as client:
        assert (status(client, over), status(client, soon)) == (401, 200)


async def test_a_revoked_key_is_rejected_after_the_next_reload(store: Store) -> None:
    token, prefix = generate_key()
    digest = digest_of(token)
    key = ApiKey(prefix=prefix, digest=digest, name="t", scopes=("platform:read",), created_at=NOW, updated_at=NOW)
    with store.session("revoke") as session:
        await store_key(session, key)
        assert await ApiKeys(session, clock=lambda: NOW).authenticate(token)
        revoked = await revoke_key(session, prefix, now=NOW - timedelta(days=1))
        assert revoked is not None
        assert await ApiKeys(session, clock=lambda: NOW).authenticate(token) is None
        assert await revoke_key(session, "spm_nobody", now=NOW) is None


async def test_a_flood_of_unknown_keys_is_not_one_of_queries(store: Store) -> None:
    with store.session("flood") as session:
        keys = ApiKeys(session, clock=lambda: NOW)
        asked: list[str] = []
        query = session.query

        async def counted(sql: str, *rest: Any, **more: Any) -> Any:
            asked.append(sql)
            return await query(sql, *rest, **more)

        session.query = counted  # type: ignore[method-assign]
        await asyncio.gather(*(keys.authenticate(generate_key()[0]) for _ in range(500)))
    assert len(asked) <= 2


def refusal(ask: Callable[[], Any]) -> Any:
    """Return the refusal. The window slides, so one request above the limit may pass at the change of a minute."""
    answers = (ask() for _ in range(10))
    return next(answer for answer in answers if answer.status_code == 429)


def test_a_key_has_its_own_limit_of_requests(store: Store, make: Make) -> None:
    slow, other = make("platform:read", requests_per_minute=3), make("platform:read", requests_per_minute=3)
    with service(store) as client:
        assert [status(client, slow) for _ in range(3)] == [200] * 3
        response = refusal(lambda: client.get("/v1/usage/summary", headers=slow))
        assert response.headers["content-type"] == "application/problem+json"
        assert 1 <= int(response.headers["retry-after"]) <= 60
        assert status(client, other) == 200


def test_the_service_has_a_limit_for_everybody(store: Store) -> None:
    with service(store, requests_per_minute=2) as client:
        assert [client.get("/v1/usage/summary").status_code for _ in range(2)] == [200, 200]
        refusal(lambda: client.get("/v1/usage/summary"))
        # Health checks need no credential and have no limit.
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("limit", [{"query_rows": 1}, {"query_memory_bytes": 1}])
def test_a_key_has_its_own_limits_of_a_query(store: Store, make: Make, limit: dict[str, int]) -> None:
    small, large = make("platform:read", **limit), make("platform:read")
    with service(store) as client:
        response = client.get("/v1/usage/breakdown/org", headers=small)
        assert (response.status_code, response.json()["type"]) == (503, "urn:spendmeter:problem:query-limit")
        assert status(client, large, "/v1/usage/breakdown/org") == 200


def test_the_time_of_a_query_is_limited(store: Store) -> None:
    """The engine applies the setting: it stops a query that would take an hour."""
    reader = Reader(store.reader(size=1), ServiceSettings(query_timeout_seconds=1, query_rows=10**15))
    endless = Query("SELECT sum(cityHash64(number)) FROM numbers(1000000000000)")
    with pytest.raises(StoreError, match="TIMEOUT_EXCEEDED"):
        asyncio.run(reader.rows(endless))
    reader.close()


def test_reads_of_a_user_are_recorded_each_time(store: Store, make: Make) -> None:
    key = make("org:read", org_id="acme")
    prefix = key["Authorization"][7:21]
    with service(store, answer_cache_seconds=300) as client:
        for request in ("one", "two"):
            response = client.get("/v1/usage/users/ann", headers=key | {"X-Request-ID": request})
            assert response.status_code == 200
        client.get("/v1/usage/users/eve").raise_for_status()
        assert client.get("/v1/usage/users/eve", headers=key).status_code == 404
        rows = answer(client, "/v1/audit", actor=f"key:{prefix}")["rows"]
        assert [(row["request_id"], row["org_id"], row["user_id"], row["action"]) for row in rows] == [
            ("two", "acme", "ann", "user.read"),
            ("one", "acme", "ann", "user.read"),
        ]
        assert datetime.fromisoformat(rows[0]["at"]) == NOW
        (eve,) = answer(client, "/v1/audit", user="eve")["rows"]
        assert (eve["actor"], eve["org_id"]) == ("admin", "beta")
        # An org key sees only reads of the org's users.
        mine = client.get("/v1/audit", headers=key).json()["rows"]
        assert {row["org_id"] for row in mine} == {"acme"}
        assert client.get("/v1/audit?org=beta", headers=key).status_code == 403
        assert client.get("/v1/audit?before=2026-11-01T00:00Z").json()["rows"] == []
        assert client.get("/v1/audit?before=tomorrow").status_code == 422


def test_a_read_that_cannot_be_recorded_is_not_made(client: TestClient, store: Store) -> None:
    with store.session("break") as session:
        asyncio.run(session.command("RENAME TABLE audit_log TO hidden"))
        try:
            with pytest.raises(Exception, match="audit_log"):
                client.get("/v1/usage/users/ann")
        finally:
            asyncio.run(session.command("RENAME TABLE hidden TO audit_log"))


def test_other_origins_are_let_in_by_name_only(store: Store) -> None:
    origin = {"Origin": "https://boards.example"}
    with service(store, cors_origins="https://boards.example") as client:
        allowed = client.get("/v1/usage/summary", headers=origin)
        assert allowed.headers["access-control-allow-origin"] == "https://boards.example"
        other = client.get("/v1/usage/summary", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_a_user_of_several_orgs_is_named_and_can_be_qualified(client: TestClient, make: Make) -> None:
    both = answer(client, "/v1/usage/summary", user="twin")
    (warning,) = both["warnings"]
    assert (both["totals"]["requests"], warning["parameter"]) == (2, "user")
    assert warning["allowed"] == ["acme/twin", "beta/twin"]
    assert answer(client, "/v1/usage/summary", user="twin", org="acme")["warnings"] == []
    found = answer(client, "/v1/usage/breakdown/user", user="beta/twin")
    assert [row["key"] for row in found["rows"]] == [{"org_id": "beta", "user_id": "twin"}]
    assert found["warnings"] == []
    # An id that exists is that id, although it looks like a qualified one.
    found = answer(client, "/v1/usage/breakdown/user", user="acme/eve")
    assert [row["key"] for row in found["rows"]] == [{"org_id": "beta", "user_id": "acme/eve"}]
    assert answer(client, "/v1/usage/breakdown/user", user=["beta/twin", "beta/eve"])["totals"]["requests"] == 2
    for users in (["beta/twin", "acme/twin"], ["beta/twin", "eve"]):
        refused = client.get("/v1/usage/summary", params={"user": users})
        assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (422, "user")
    key = make("org:read", org_id="acme")
    for user, requests in (("twin", 1), ("acme/twin", 1), ("beta/twin", 0)):
        response = client.get("/v1/usage/summary", params={"user": user}, headers=key)
        assert (response.json()["totals"]["requests"], response.json()["warnings"]) == (requests, [])
        assert "beta" not in response.text


@pytest.mark.parametrize("path", ["/v1/usage/summary", "/v1/usage/events", "/v1/usage/export/org"])
def test_a_list_with_commas_is_refused_unless_a_call_has_it(client: TestClient, path: str) -> None:
    for name, value, repeated in (
        ("org", "acme,beta", "org=acme&org=beta"),
        ("user", "ann, eve", "user=ann&user=eve"),
        ("feature", "quiz,chat", "feature=quiz&feature=chat"),
    ):
        refused = client.get(path, params={name: value})
        assert refused.status_code == 422
        (fault,) = refused.json()["errors"]
        assert (fault["parameter"], fault["allowed"]) == (name, [repeated])
        assert "repeat the parameter" in fault["detail"]
    assert answer(client, "/v1/usage/summary", feature="this, that")["totals"]["requests"] == 1


def test_an_id_of_two_orgs_is_explained_to_each_by_its_own_call(store: Store, make: Make) -> None:
    when = datetime(2025, 2, 3, tzinfo=UTC)
    insert_usage(store, [usage_row(77, when, org_id=org, user_id=f"{org}-user") for org in ("acme", "beta")])
    keys = {org: make("org:read", org_id=org) for org in ("acme", "beta")}
    with service(store) as client:
        event_id = answer(client, "/v1/usage/events", preset="all", org="beta", user="beta-user")["rows"][0]["event_id"]
        for org, key in keys.items():
            call = client.get(f"/v1/usage/events/{event_id}", headers=key).json()["call"]
            assert (call["org_id"], call["user_id"]) == (org, f"{org}-user")
