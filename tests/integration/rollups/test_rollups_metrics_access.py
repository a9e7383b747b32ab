"""Access to the series of `/metrics` (row L1), whose registry the embedded stack shares with the guard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry, Counter, Gauge

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.exposition import bears, exposition
from spendmeter_clickhouse.scopes import ORG_READ, PLATFORM_READ, PLATFORM_WRITE, SCOPES
from spendmeter_rollups import Credential, ServiceSettings, create_app
from tests.support.service import ADMIN_KEY

TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
SECRET = "zeta-school"


class Keys:
    """A key for each scope."""

    async def authenticate(self, token: str) -> Credential | None:
        return Credential(token, frozenset((token,)), SECRET) if token in SCOPES else None


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[TestClient]:
    registry = CollectorRegistry()
    spend = Gauge("spendmeter_spend_usd", "Spend.", ["scope", "org", "key", "window"], registry=registry)
    spend.labels("org", SECRET, SECRET, "1h").set(7777.25)
    Counter("made_up_later", "An unexpected label.", ["school"], registry=registry).labels(SECRET).inc()
    Gauge("spendmeter_rollup_drift", "Differences.", registry=registry).set(3)
    settings = ServiceSettings(admin_key=ADMIN_KEY, metrics_token=TOKEN)
    with TestClient(create_app(store=store, settings=settings, registry=registry, authenticators=(Keys(),))) as client:
        yield client


def shown(client: TestClient, token: str | None) -> str:
    response = client.get("/metrics", headers={"Authorization": f"Bearer {token}"} if token else {})
    assert response.status_code == 200, response.text
    assert "spendmeter_rollup_drift 3.0" in response.text
    return str(response.text)


@pytest.mark.parametrize("token", [None, ORG_READ, PLATFORM_WRITE])
def test_series_that_name_tenants_are_withheld(client: TestClient, token: str | None) -> None:
    text = shown(client, token)
    assert SECRET not in text
    assert "spendmeter_spend_usd" not in text
    assert "spendmeter_http_requests_total" in text


@pytest.mark.parametrize("token", [TOKEN, ADMIN_KEY, PLATFORM_READ])
def test_platform_readers_see_them(client: TestClient, token: str) -> None:
    assert f'key="{SECRET}"' in shown(client, token)


@pytest.mark.parametrize("token", ["wrong", TOKEN[:-1], TOKEN + "0", TOKEN.upper()])
def test_a_token_that_is_wrong_is_refused(client: TestClient, token: str) -> None:
    assert client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_the_metrics_token_opens_nothing_else(client: TestClient) -> None:
    response = client.get("/v1/usage/summary", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 401


def test_an_empty_token_matches_no_request() -> None:
    for header in (None, "", "Bearer", "Bearer ", "bearer x", "Basic "):
        assert not bears(header, "")
    assert bears(f"bearer {TOKEN}", TOKEN)
    assert not bears(f"Basic {TOKEN}", TOKEN)


def test_the_metrics_of_a_process_are_open() -> None:
    """Metrics without tenant data need no token: the default registry with its process and Python metrics."""
    from prometheus_client import REGISTRY

    text = exposition(REGISTRY, tenants=False).decode()
    assert "process_resident_memory_bytes" in text
    assert "python_info" in text
