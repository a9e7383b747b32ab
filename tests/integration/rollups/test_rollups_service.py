"""Credentials and isolation, caching, metrics, logs, and paging during inserts."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import orjson
import pytest
import zstandard
from fastapi.testclient import TestClient

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.scopes import ORG_READ, PLATFORM_READ
from spendmeter_rollups import Credential
from spendmeter_rollups.http.logs import JsonFormatter
from tests.support.service import answer, service
from tests.support.usage import insert_usage, usage_row

BASE = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
SECRET = "zeta-school"
ORG_KEY = {"Authorization": "Bearer acme"}


class Keys:
    """Two keys: one for acme, one without a scope."""

    async def authenticate(self, token: str) -> Credential | None:
        known = {
            "acme": Credential("acme", frozenset((ORG_READ,)), org_id="acme"),
            "none": Credential("none", frozenset()),
            "reader": Credential("reader", frozenset((PLATFORM_READ,))),
        }
        return known.get(token)


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[TestClient]:
    mine = [usage_row(number, BASE + timedelta(seconds=number), input_cost=Decimal(1)) for number in range(1, 101)]
    theirs = [
        usage_row(
            1000 + number,
            BASE - timedelta(days=60) + timedelta(days=number),
            org_id=SECRET,
            user_id=f"{SECRET}-user",
            feature=f"{SECRET}-feature",
            model=f"{SECRET}-model",
            provider=f"{SECRET}-provider",
            agent_id=f"{SECRET}-agent",
            status="error",
            error_message=f"{SECRET} failed",
            input_cost=Decimal(7),
        )
        for number in range(61)
    ]
    insert_usage(store, mine + theirs)
    with service(store, authenticators=(Keys(),)) as client:
        yield client


PATHS = (
    "/v1/usage/summary",
    "/v1/usage/timeseries",
    "/v1/usage/timeseries?group_by=model",
    *(f"/v1/usage/breakdown/{name}" for name in ("org", "user", "class", "feature", "model", "agent", "error_type")),
    "/v1/usage/models",
    "/v1/usage/heatmap",
    "/v1/usage/projection",
    "/v1/usage/cache",
    "/v1/usage/errors",
    "/v1/usage/events",
    "/v1/usage/duplicates",
    "/v1/usage/conflicts",
    "/v1/prices",
    *(f"/v1/filters/{name}" for name in ("org", "user", "model")),
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("extra", [{}, {"preset": "all"}, {"user": f"{SECRET}-user"}, {"model": f"{SECRET}-model"}])
def test_an_org_key_gets_no_byte_of_another_org(client: TestClient, path: str, extra: dict[str, str]) -> None:
    """Row 23."""
    whole, _, query = path.partition("?")
    parameters = dict(pair.split("=") for pair in query.split("&") if pair) | extra
    response = client.get(whole, params=parameters, headers=ORG_KEY)
    assert response.status_code == 200, response.text
    assert SECRET not in response.text
    assert '"cost":"7' not in response.text
    # Not even the other org's first and last event.
    assert response.json()["window"]["from"] >= "2026-10-24"
    assert response.json()["freshness"]["newest_event_at"] == "2026-11-21T10:01:40Z"


@pytest.mark.parametrize("path", [*PATHS, f"/v1/usage/users/{SECRET}-user"])
def test_an_org_key_cannot_name_another_org(client: TestClient, path: str) -> None:
    whole = path.partition("?")[0]
    response = client.get(whole, params={"org": [SECRET, "acme"]}, headers=ORG_KEY)
    assert response.status_code == 403
    assert response.json()["errors"][0]["parameter"] == "org"


def test_another_orgs_user_is_unknown(client: TestClient) -> None:
    response = client.get(f"/v1/usage/users/{SECRET}-user", headers=ORG_KEY)
    nobody = client.get("/v1/usage/users/nobody", headers=ORG_KEY)
    assert response.status_code == nobody.status_code == 404
    assert response.json()["detail"] == nobody.json()["detail"]


def test_a_user_of_several_orgs_needs_the_org(client: TestClient, store: Store) -> None:
    insert_usage(store, [usage_row(8000 + number, BASE, org_id=org, user_id="kim") for number, org in enumerate("ab")])
    response = client.get("/v1/usage/users/kim")
    assert response.status_code == 422
    assert response.json()["errors"][0]["allowed"] == ["a", "b"]
    assert answer(client, "/v1/usage/users/kim", org="b")["user"]["org_id"] == "b"


def test_a_key_without_scopes_sees_nothing(client: TestClient) -> None:
    response = client.get("/v1/usage/summary", headers={"Authorization": "Bearer none"})
    assert response.status_code == 403


def test_only_writers_set_rates(client: TestClient) -> None:
    """Row 22."""
    path, body = "/v1/fx-rates/EUR/2026-11-20", {"per_usd": "0.9", "source": "test"}
    assert client.put(path, json=body, headers={"Authorization": "Bearer reader"}).status_code == 403
    assert client.put(path, json=body | {"per_usd": "-1"}).status_code == 422
    assert client.put("/v1/fx-rates/USD/2026-11-20", json=body).status_code == 422
    assert client.put(path, json=body).json()["per_usd"] == "0.9"
    assert answer(client, "/v1/usage/summary", org="acme", currency="EUR")["totals"]["cost"] == "90"


def test_pages_stay_stable_while_rows_arrive(client: TestClient, store: Store) -> None:
    """Row 11."""
    seen: list[str] = []
    cursor = None
    for page in range(20):
        parameters = {"page_size": "10", "org": "acme"} | ({"cursor": cursor} if cursor else {})
        body = answer(client, "/v1/usage/events", **parameters)
        seen += [row["request_id"] for row in body["rows"]]
        cursor = body["next_cursor"]
        if cursor is None:
            break
        # Newer calls arrive between pages; two of them share their millisecond with an old one.
        insert_usage(store, [usage_row(5000 + page * 2 + more, BASE + timedelta(seconds=100)) for more in (0, 1)])
    assert seen == [f"request-{number}" for number in range(100, 0, -1)]


def test_the_same_figures_have_the_same_tag(client: TestClient, store: Store) -> None:
    path, parameters = "/v1/usage/breakdown/feature", {"org": SECRET, "preset": "7d"}
    first = client.get(path, params=parameters)
    again = client.get(path, params=parameters, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    insert_usage(store, [usage_row(9000, BASE, org_id=SECRET)])
    changed = client.get(path, params=parameters, headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


def test_an_answer_is_kept_for_its_credential_alone(store: Store) -> None:
    with service(store, authenticators=(Keys(),), answer_cache_seconds=300) as client:
        before = answer(client, "/v1/usage/summary")["totals"]["requests"]
        insert_usage(store, [usage_row(9500, BASE, org_id=SECRET)])
        assert answer(client, "/v1/usage/summary")["totals"]["requests"] == before
        assert answer(client, "/v1/usage/summary", preset="30d")["totals"]["requests"] == before + 1
        mine = client.get("/v1/usage/summary", headers=ORG_KEY).json()
        assert mine["totals"]["requests"] < before


@pytest.mark.parametrize(("accepted", "used"), [("gzip", "gzip"), ("gzip, zstd", "zstd"), ("identity", None)])
def test_large_answers_are_compressed_as_the_asker_can_read(
    client: TestClient, accepted: str, used: str | None
) -> None:
    plain = client.get("/v1/usage/events", headers={"Accept-Encoding": "identity"})
    with client.stream("GET", "/v1/usage/events", headers={"Accept-Encoding": accepted}) as response:
        body = b"".join(response.iter_raw())
    assert response.headers.get("content-encoding") == used
    if used:
        assert len(body) < len(plain.content) / 4
        assert set(response.headers["vary"].split(", ")) == {"Authorization", "Cookie", "Accept-Encoding"}
    unpacked: dict[str | None, Callable[[bytes], bytes]] = {
        "gzip": gzip.decompress,
        "zstd": zstandard.ZstdDecompressor().decompressobj().decompress,
        None: bytes,
    }
    assert orjson.loads(unpacked[used](body)) == plain.json()


def test_other_origins_are_not_invited(client: TestClient) -> None:
    response = client.get("/v1/usage/summary", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in response.headers


def test_metrics_count_by_route_and_status(client: TestClient) -> None:
    client.get("/v1/usage/users/nobody")
    text = client.get("/metrics").text
    assert 'method="GET",route="/v1/usage/users/{user_id}",status="4xx"' in text
    assert "nobody" not in text


def test_made_up_methods_and_paths_make_no_series(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    """Row L4."""
    for number in range(20):
        client.request(f"STRANGE{number}", "/v1/usage/summary")
        client.request("GET", f"/made-up/{number}")
        client.request(f"STRANGE{number}", f"/made-up/{number}")
    text = client.get("/metrics").text
    assert "STRANGE" not in text
    assert "made-up" not in text
    assert 'method="other",route="other",status="4xx"' in text
    assert "STRANGE" not in caplog.text


def test_logs_have_an_id_and_no_personal_data(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="spendmeter.http"):
        response = client.get("/v1/usage/users/ann?user=ann&org=acme", headers={"X-Request-ID": "trace-1"})
    assert response.headers["x-request-id"] == "trace-1"
    line = JsonFormatter().format(caplog.records[-1])
    fields = orjson.loads(line)
    assert (fields["request_id"], fields["route"], fields["status"]) == ("trace-1", "/v1/usage/users/{user_id}", 200)
    assert "ann" not in line
    strange = client.get("/healthz", headers={"X-Request-ID": "a b\tc"})
    assert strange.headers["x-request-id"] != "a b\tc"


def test_readiness_needs_the_tables(client: TestClient, store: Store) -> None:
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
    with store.session("break") as session:
        asyncio.run(session.command("RENAME TABLE usage_events TO hidden"))
        try:
            response = client.get("/readyz")
        finally:
            asyncio.run(session.command("RENAME TABLE hidden TO usage_events"))
    assert response.status_code == 503
    assert client.get("/healthz").status_code == 200
