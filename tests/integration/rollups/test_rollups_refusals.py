"""Invalid requests: each gets a problem with the parameter and the allowed values; none changes data."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from spendmeter_clickhouse import Store
from tests.support.service import ADMIN_KEY, service
from tests.support.usage import insert_usage, usage_row

PATHS = (
    "/v1/usage/summary",
    "/v1/usage/timeseries",
    "/v1/usage/breakdown/model",
    "/v1/usage/models",
    "/v1/usage/heatmap",
    "/v1/usage/projection",
    "/v1/usage/cache",
    "/v1/usage/errors",
    "/v1/usage/events",
    "/v1/usage/users/ann",
    "/v1/filters/feature",
    "/v1/usage/duplicates",
    "/v1/usage/conflicts",
    "/v1/prices",
)


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[TestClient]:
    insert_usage(store, [usage_row(1, datetime(2026, 11, 20, tzinfo=UTC))])
    with service(store) as client:
        yield client


def refused(client: TestClient, path: str, parameters: Any, *, status: int = 422) -> dict[str, Any]:
    response = client.get(path, params=parameters)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["instance"] == path
    assert body["type"].startswith("urn:spendmeter:problem:")
    return body


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"bogus": "1"}, "bogus"),
        ({"tz": "Mars/Olympus"}, "tz"),
        ({"tz": "../../etc/passwd"}, "tz"),
        ({"tz": "localtime"}, "tz"),
        ({"tz": "posixrules"}, "tz"),
        ({"tz": "Factory"}, "tz"),
        ({"tz": "asia/kolkata"}, "tz"),
        ({"tz": "/etc/localtime"}, "tz"),
        ({"tz": ""}, "tz"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "from"),
        ({"from": "2026-11-02T00:00Z", "to": "2026-11-02T00:00Z"}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-02-30"}, "from"),
        ({"from": "0001-01-01"}, "from"),
        ({"from": "2026-11-01", "to": "9999-12-31"}, "to"),
        ({"to": "2026-11-01"}, "from"),
        ({"preset": "custom"}, "from"),
        ({"preset": "7d", "from": "2026-11-01"}, "preset"),
        ({"currency": "XXX"}, "currency"),
        ({"currency": "'; DROP TABLE usage_events --"}, "currency"),
        ({"org": "a\x00b"}, "org"),
        ({"user": "x" * 129}, "user"),
        ({"model": [str(number) for number in range(101)]}, "model"),
    ],
)
def test_every_endpoint_refuses_bad_common_parameters(
    client: TestClient, path: str, parameters: dict[str, Any], name: str
) -> None:
    (fault,) = refused(client, path, parameters)["errors"]
    assert fault["parameter"] == name
    assert fault["detail"]


@pytest.mark.parametrize(
    ("path", "parameters", "name"),
    [
        ("/v1/usage/timeseries", {"granularity": "minute"}, "granularity"),
        ("/v1/usage/timeseries", {"group_by": "shoe_size"}, "group_by"),
        ("/v1/usage/timeseries", {"limit": "51"}, "limit"),
        ("/v1/usage/timeseries", {"granularity": "hour", "from": "2020-01-01", "to": "2026-01-01"}, "granularity"),
        ("/v1/usage/breakdown/model", {"order_by": "latency"}, "order_by"),
        ("/v1/usage/breakdown/model", {"limit": "0"}, "limit"),
        ("/v1/usage/breakdown/model", {"offset": "-1"}, "offset"),
        ("/v1/usage/heatmap", {"from": "2005-01-01", "to": "2026-01-01"}, "from"),
        ("/v1/usage/events", {"page_size": "9"}, "page_size"),
        ("/v1/usage/events", {"page_size": "501"}, "page_size"),
        ("/v1/usage/events", {"cursor": "not a cursor"}, "cursor"),
        ("/v1/usage/events", {"cursor": "OjA"}, "cursor"),
        ("/v1/usage/events", {"status": "broken"}, "status"),
        ("/v1/filters/feature", {"limit": "many"}, "limit"),
    ],
)
def test_endpoints_refuse_their_own_bad_parameters(
    client: TestClient, path: str, parameters: dict[str, str], name: str
) -> None:
    (fault,) = refused(client, path, parameters)["errors"]
    assert fault["parameter"] == name


def test_a_rejection_names_the_allowed_values(client: TestClient) -> None:
    (unknown,) = refused(client, "/v1/usage/summary", {"bogus": "1"})["errors"]
    assert {"from", "to", "preset", "tz", "org", "currency"} <= set(unknown["allowed"])
    (choice,) = refused(client, "/v1/usage/timeseries", {"granularity": "minute"})["errors"]
    assert choice["allowed"] == ["auto", "hour", "day", "week", "month"]
    (zone,) = refused(client, "/v1/usage/summary", {"tz": "Mars"})["errors"]
    assert "Asia/Kolkata" in zone["allowed"][0]


def test_several_faults_are_reported_at_once(client: TestClient) -> None:
    errors = refused(client, "/v1/usage/events", {"page_size": "1", "status": "broken"})["errors"]
    assert {fault["parameter"] for fault in errors} == {"page_size", "status"}


@pytest.mark.parametrize("path", ["/v1/usage/breakdown/shoe_size", "/v1/filters/shoe_size"])
def test_an_unknown_dimension_is_not_found(client: TestClient, path: str) -> None:
    (fault,) = refused(client, path, {}, status=404)["errors"]
    assert fault["parameter"] == "dimension"
    assert "key_source" in fault["allowed"]


def test_unknown_users_and_paths_are_not_found(client: TestClient) -> None:
    assert refused(client, "/v1/usage/users/nobody", {}, status=404)["errors"][0]["parameter"] == "user_id"
    refused(client, "/v1/nothing", {}, status=404)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}])
def test_without_a_known_key_nothing_is_answered(client: TestClient, path: str, header: dict[str, str]) -> None:
    client.headers.pop("Authorization", None)
    try:
        response = client.get(path, headers=header)
    finally:
        client.headers["Authorization"] = f"Bearer {ADMIN_KEY}"
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.headers["content-type"] == "application/problem+json"


INJECTIONS = (
    "' OR 1=1 --",
    "'); DROP TABLE usage_events; --",
    "\\' OR '1'='1",
    "{org:String}",
    "%27%20OR%201=1",
    '"; SELECT * FROM system.users; --',
    "`",
    "$(id)",
    "\u2028' OR ''='",
    "\\N",
    "[]",
    "a','b",
)


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("text", INJECTIONS[::4])
def test_sql_in_a_filter_is_only_a_strange_value(client: TestClient, path: str, text: str) -> None:
    for name in ("org", "feature", "user"):
        response = client.get(path, params={name: text, "preset": "7d"})
        assert response.status_code in (200, 404), response.text
        body = response.json()
        for part in ("rows", "cells", "recent", "values"):
            assert not body.get(part), (name, text)
        if "totals" in body:
            assert body["totals"].get("requests", 0) == 0
    whole = client.get("/v1/usage/summary", params={"preset": "7d"}).json()
    assert whole["totals"]["requests"] == 1


def stored(store: Store) -> list[tuple[Any, ...]]:
    """Return the content of every table that the service can write or read."""
    tables = ("usage_events", "usage_daily", "budgets", "api_keys", "fx_rates", "orgs", "users")
    counts = " UNION ALL ".join(f"SELECT '{table}' AS name, count() FROM {table}" for table in tables)
    with store.session("counts") as session:
        return sorted(tuple(row) for row in asyncio.run(session.query(counts)).result_rows)


@pytest.mark.slow
def test_sql_in_any_parameter_of_any_operation_changes_nothing(client: TestClient, store: Store) -> None:
    """Each is treated as a value, or rejected by name; tables and answers stay unchanged."""
    before, whole = stored(store), client.get("/v1/usage/summary", params={"preset": "7d"}).json()["totals"]
    asked = 0
    for path, item in client.get("/openapi.json").json()["paths"].items():
        if "get" not in item or not path.startswith("/v1/"):
            continue
        for parameter in item["get"].get("parameters", []):
            for text in INJECTIONS[:2]:
                in_path = parameter["in"] == "path"
                named = {name: "model" if name == "dimension" else "ann" for name in re.findall(r"{(\w+)}", path)}
                url = path.format(**named | ({parameter["name"]: quote(text, safe="")} if in_path else {}))
                response = client.get(url, params={} if in_path else {parameter["name"]: text})
                assert response.status_code in (200, 404, 422), (url, parameter["name"], text, response.text)
                asked += 1
    assert asked > 300
    assert stored(store) == before
    assert client.get("/v1/usage/summary", params={"preset": "7d"}).json()["totals"] == whole
