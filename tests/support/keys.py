"""API keys for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.api_keys import ApiKey, digest_of, generate_key, store_key
from tests.support.service import NOW

Make = Callable[..., dict[str, str]]


def key_maker(store: Store) -> Make:
    """Return a function that stores a key with scopes and limits, and returns its request header."""

    def make(*scopes: str, **more: Any) -> dict[str, str]:
        token, prefix = generate_key()
        fields: dict[str, Any] = {"created_at": NOW, "updated_at": NOW, **more}
        key = ApiKey(prefix=prefix, digest=digest_of(token), name="test", scopes=scopes, **fields)
        with store.session("make") as session:
            asyncio.run(store_key(session, key))
        return {"Authorization": f"Bearer {token}"}

    return make


def orgs(client: TestClient, key: dict[str, str]) -> set[str]:
    """Return the orgs that a key can read."""
    response = client.get("/v1/usage/breakdown/org", headers=key)
    assert response.status_code == 200, response.text
    return {row["key"]["org_id"] for row in response.json()["rows"]}


def status(client: TestClient, key: dict[str, str], path: str = "/v1/usage/summary") -> int:
    """Return the status of an answer to a key."""
    return client.get(path, headers=key).status_code
