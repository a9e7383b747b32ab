"""Requests as HTTP clients send them: HEAD, repeated parameters, unreadable bodies, ids with slashes, pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from pydantic import BaseModel

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.budgets import SCOPES
from spendmeter_rollups.http.bounds import MOST_BODY_BYTES
from spendmeter_rollups.http.pages import next_page
from spendmeter_rollups.views.breakdown import BreakdownParams
from tests.support.service import service
from tests.support.usage import insert_usage, usage_row

USERS = ("a/b", "/", "a//b/", "users/a?b#c", "../x", "a b")


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[TestClient]:
    at = datetime(2026, 11, 20, 9, tzinfo=UTC)
    others = [usage_row(100 + number, at, user_id="a/b") for number in range(11)]
    insert_usage(store, [*others, *(usage_row(number, at, user_id=user) for number, user in enumerate(USERS))])
    with service(store) as client:
        yield client


NONE = "00000000-0000-0000-0000-000000000000"
IDS = {"dimension": "model", "kind": "agent", "user_id": "system", "budget_id": NONE, "event_id": NONE}
OTHERS = ("/docs", "/docs/start.js", "/runbooks", "/openapi.json", "/v1/nothing")
"""Paths that the document does not describe."""


def gets(client: TestClient) -> dict[str, Any]:
    """Return each described GET: path → operation."""
    paths = client.get("/openapi.json").json()["paths"]
    return {path.format(**IDS): item["get"] for path, item in paths.items() if "get" in item}


def test_head_has_the_status_and_headers_of_get_and_no_body(client: TestClient) -> None:
    paths = [*gets(client), *OTHERS]
    assert len(paths) > 20
    for path in paths:
        got, head = client.get(path), client.head(path)
        assert head.status_code == got.status_code, path
        assert head.content == b"", path
        assert head.headers["content-type"] == got.headers["content-type"], path


def test_head_of_a_path_without_get_is_still_refused(client: TestClient) -> None:
    assert client.head("/v1/usage/users").status_code == client.get("/v1/usage/users").status_code == 404


def test_head_counts_as_head_with_its_route(client: TestClient) -> None:
    client.head("/v1/usage/summary")
    assert 'method="HEAD",route="/v1/usage/summary"' in client.get("/metrics").text


def test_a_repeated_parameter_with_one_value_is_refused(client: TestClient) -> None:
    checked = 0
    for path, operation in gets(client).items():
        for parameter in operation.get("parameters", ()):
            name, several = parameter["name"], parameter["schema"].get("type") == "array"
            if parameter["in"] != "query":
                continue
            refused = client.get(path, params=[(name, "1"), (name, "2")])
            answer = refused.json() if refused.status_code == 422 else {"errors": []}
            faults = {(fault["parameter"], fault["detail"]) for fault in answer["errors"]}
            assert ((name, "given more than once") in faults) is not several, (path, name, refused.text)
            assert several or refused.status_code == 422
            checked += not several
    assert checked > 60


def chunked(size: int) -> Iterator[bytes]:
    for _ in range(size // 1024 + 1):
        yield b" " * 1024


def test_a_body_that_is_too_large_is_one_problem_however_it_is_sent(client: TestClient) -> None:
    whole = client.post("/v1/budgets", content=b" " * (MOST_BODY_BYTES + 1))
    parts = client.post("/v1/budgets", content=chunked(MOST_BODY_BYTES))
    assert whole.status_code == 413
    assert whole.json() == parts.json()
    assert whole.json()["type"] == "urn:spendmeter:problem:body-too-large"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not valid JSON at character 2"),
        (b'{"amount": }', "not valid JSON at character 12"),
        (b"", "Field required"),
        (b"[]", "valid dictionary"),
    ],
)
def test_an_unreadable_body_is_named_as_the_body(client: TestClient, body: bytes, words: str) -> None:
    refused = client.post("/v1/budgets", content=body, headers={"Content-Type": "application/json"})
    assert refused.status_code == 422
    (fault,) = refused.json()["errors"]
    assert fault["parameter"] == "body"
    assert words in fault["detail"]


_SCOPES = ["platform:read", "platform:write", "org:read", "events:write"]
_ORG_BUDGET = {"scope": "org", "org_id": "acme", "amount": "1"}


@pytest.mark.parametrize(
    ("path", "body", "name", "allowed"),
    [
        ("/v1/api-keys", {"name": "x", "scopes": ["bogus"]}, "scopes", _SCOPES),
        ("/v1/api-keys", {"name": "x", "scopes": ["org:read", {}]}, "scopes", _SCOPES),
        (
            "/v1/api-keys",
            {"name": "x", "scopes": ["org:read"], "bogus": 1},
            "bogus",
            [
                "days",
                "name",
                "org_id",
                "query_memory_bytes",
                "query_rows",
                "query_seconds",
                "requests_per_minute",
                "scopes",
            ],
        ),
        ("/v1/budgets", _ORG_BUDGET | {"thresholds": [50, "many"]}, "thresholds", ()),
        ("/v1/budgets", _ORG_BUDGET | {"bogus": 1}, "bogus", ["amount", "currency", "org_id", "scope", "thresholds"]),
        ("/v1/budgets", _ORG_BUDGET | {"scope": "bogus"}, "scope", SCOPES),
        ("/v1/budgets", {"amount": "1"}, "scope", SCOPES),
        ("/v1/prices", {"row": {"a": 1}, "key": {"deep": [1]}}, "key", ()),
        ("/v1/prices", {"row": [1]}, "row", ()),
    ],
)
def test_a_fault_in_a_body_names_its_top_level_field(
    client: TestClient, path: str, body: Any, name: str, allowed: Sequence[str]
) -> None:
    refused = client.request("PUT" if path == "/v1/prices" else "POST", path, json=body)
    assert refused.status_code == 422
    (fault,) = refused.json()["errors"]
    assert fault["parameter"] == name
    assert sorted(fault.get("allowed", ())) == sorted(allowed)


@pytest.mark.parametrize("body", [b"\xff\xfe{", b"[" * 50_000])
def test_a_body_that_cannot_be_decoded_has_a_problem_of_its_own(client: TestClient, body: bytes) -> None:
    refused = client.post("/v1/budgets", content=body, headers={"Content-Type": "application/json"})
    assert (refused.status_code, refused.json()["type"]) in {
        (400, "urn:spendmeter:problem:invalid-body"),
        (422, "urn:spendmeter:problem:invalid-parameter"),
    }


@pytest.mark.parametrize("user", USERS)
def test_an_id_with_any_character_has_a_page(client: TestClient, user: str) -> None:
    page = client.get(f"/v1/usage/users/{quote(user, safe='')}", params={"preset": "all"})
    assert page.status_code == 200, page.text
    assert page.json()["user"]["user_id"] == user
    assert 'route="/v1/usage/users/{user_id}"' in client.get("/metrics").text


def test_a_trailing_slash_is_no_other_path(client: TestClient) -> None:
    paths = [*gets(client), *OTHERS]
    for path in paths:
        plain, slashed = client.get(path), client.get(f"{path}/", follow_redirects=False)
        assert slashed.status_code == plain.status_code, path
        assert slashed.headers["content-type"] == plain.headers["content-type"], path
    assert client.get("/v1/usage/summary//").status_code == 404
    # An encoded slash belongs to the id.
    assert client.get(f"/v1/usage/users/{quote('a/b', safe='')}/").json()["user"]["user_id"] == "a/b"


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("/v1/usage/breakdown/user?limit=4&order_by=requests&preset=all", {"limit": "4"}),
        ("/v1/usage/events?page_size=10&preset=all&user=a%2Fb&user=%2F", {"page_size": "10"}),
    ],
)
def test_pages_follow_their_link_header_to_the_last(client: TestClient, path: str, size: dict[str, str]) -> None:
    seen: list[str] = []
    url = path
    for _ in range(10):
        page = client.get(url)
        assert page.status_code == 200, page.text
        assert client.get(url, headers={"If-None-Match": page.headers["etag"]}).links == page.links
        seen += [str(row.get("key") or row["event_id"]) for row in page.json()["rows"]]
        if "next" not in page.links:
            break
        reference = page.links["next"]["url"]
        # Relative: the Host header must not reach it.
        assert reference.startswith("?")
        url = path.partition("?")[0] + reference
    assert "next" not in page.links
    assert len(seen) == len(set(seen)) > int(*size.values())


def test_no_link_leads_beyond_the_largest_offset(client: TestClient) -> None:
    page = client.get("/v1/usage/breakdown/user?limit=2&offset=9999&preset=all")
    assert (page.status_code, page.links) == (200, {})
    beyond = next_page(BreakdownParams(limit=2, offset=9_999), _More())
    assert beyond == {}
    assert next_page(BreakdownParams(limit=2, offset=9_998), _More()) == {"offset": "10000"}


class _More(BaseModel):
    has_more: bool = True


@pytest.mark.parametrize(
    ("path", "parameters", "same"),
    [
        ("/v1/usage/summary", {"key_source": "PLATFORM"}, {"key_source": "platform"}),
        ("/v1/usage/summary", {"key_source": "system"}, {"key_source": "platform"}),
        ("/v1/usage/events", {"status": "OK"}, {"status": "ok"}),
        ("/v1/usage/timeseries", {"granularity": "Day"}, {"granularity": "day"}),
        ("/v1/usage/breakdown/user", {"order_by": "Requests"}, {"order_by": "requests"}),
    ],
)
def test_closed_sets_are_checked_in_any_case(
    client: TestClient, path: str, parameters: dict[str, str], same: dict[str, str]
) -> None:
    variant, plain = (client.get(path, params={"preset": "all", **each}) for each in (parameters, same))
    assert variant.status_code == 200, variant.text
    assert variant.json() == plain.json()
    (name,) = parameters
    refused = client.get(path, params={name: "nonsense"})
    (fault,) = refused.json()["errors"]
    assert (refused.status_code, fault["parameter"]) == (422, name)
    assert same[name] in fault["allowed"]


def test_a_beginning_in_the_future_is_named(client: TestClient) -> None:
    (fault,) = client.get("/v1/usage/summary", params={"from": "2027-01-01"}).json()["errors"]
    assert fault["parameter"] == "from"
    assert "is in the future: without 'to' the window ends now" in fault["detail"]
