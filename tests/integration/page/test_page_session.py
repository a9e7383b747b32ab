"""Sessions of the page, and its files, without a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from spendmeter_clickhouse import Store
from spendmeter_rollups import ServiceSettings, SignInLinks, create_app
from spendmeter_rollups.access.sessions import COOKIE, LENGTH, session_key, session_value
from spendmeter_rollups.page.assets import ASSETS
from tests.support.service import ADMIN_KEY, NOW

PAGE = {"X-Spendmeter-Page": "1", "Origin": "http://testserver"}


@pytest.fixture(scope="module")
def links() -> SignInLinks:
    return SignInLinks()


@pytest.fixture
def client(store: Store, links: SignInLinks) -> Iterator[TestClient]:
    app = create_app(store=store, settings=ServiceSettings(admin_key=ADMIN_KEY), clock=lambda: NOW, links=links)
    with TestClient(app) as client:
        yield client


def sign_in(client: TestClient) -> None:
    answer = client.post("/v1/session", json={"key": ADMIN_KEY}, headers=PAGE)
    assert answer.status_code == 204, answer.text


def test_a_session_is_a_cookie_that_scripts_and_other_sites_cannot_use(client: TestClient) -> None:
    answer = client.post("/v1/session", json={"key": ADMIN_KEY}, headers=PAGE)
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"} <= set(cookie.split("; "))
    session = client.get("/v1/session").json()
    assert session["name"] == "admin"
    assert session["org_id"] is None
    assert session["ends_at"].startswith((NOW + LENGTH).isoformat()[:16])
    assert client.get("/v1/usage/summary").status_code == 200


def test_a_session_changes_nothing_for_another_site(client: TestClient) -> None:
    sign_in(client)
    body = {"per_usd": "88.5"}
    path = "/v1/fx-rates/INR/2026-11-01"
    assert client.put(path, json=body).status_code == 403
    assert client.put(path, json=body, headers={**PAGE, "Origin": "https://evil.example"}).status_code == 403
    assert client.put(path, json=body, headers={**PAGE, "Origin": "null"}).status_code == 403
    assert client.put(path, json=body, headers=PAGE).status_code == 200
    # A bearer key is not sent by browsers on their own.
    assert client.put(path, json=body, headers={"Authorization": f"Bearer {ADMIN_KEY}"}).status_code == 200
    assert "INR" in client.get("/v1/session").json()["currencies"]


def test_another_site_cannot_sign_in(client: TestClient) -> None:
    assert client.post("/v1/session", json={"key": ADMIN_KEY}).status_code == 403
    assert client.post("/v1/session", json={"key": "wrong"}, headers=PAGE).status_code == 401
    assert client.get("/v1/session").status_code == 401


def test_signing_out_removes_the_cookie(client: TestClient) -> None:
    sign_in(client)
    assert client.delete("/v1/session", headers=PAGE).status_code == 204
    assert client.get("/v1/usage/summary").status_code == 401


def test_a_link_signs_in_once(client: TestClient, links: SignInLinks) -> None:
    secret = links.issue(ADMIN_KEY)
    assert client.post("/v1/session", json={"link": secret}, headers=PAGE).status_code == 204
    again = client.post("/v1/session", json={"link": secret}, headers=PAGE)
    assert again.status_code == 401
    assert "used before" in again.json()["detail"]


def test_a_link_is_too_old_after_a_day() -> None:
    now = 0.0
    links = SignInLinks(clock=lambda: now)
    secret = links.issue("key")
    now = 24 * 3600.0
    assert links.redeem(secret) is None


def test_a_session_ends_and_cannot_be_extended_or_changed() -> None:
    value = session_value("key", NOW + timedelta(hours=1))
    assert session_key(value, NOW) == ("key", (NOW + timedelta(hours=1)).replace(microsecond=0))
    assert session_key(value, NOW + timedelta(hours=1)) is None
    end, key, signature = value.split(".")
    assert session_key(f"{int(end) + 1}.{key}.{signature}", NOW) is None
    for text in ("", "1.2.3", f"{end}.{key}", f"{end}.####.{signature}", f"{end}.gICA.{signature}"):
        assert session_key(text, NOW) is None


def test_a_forged_cookie_is_no_session(client: TestClient) -> None:
    client.cookies.set(COOKIE, "1.2.3")
    assert client.get("/v1/usage/summary").status_code == 401


def test_the_page_runs_nothing_inline_and_its_files_are_cached_forever(client: TestClient) -> None:
    page = client.get("/")
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "style=" not in page.text
    assert not re.search(r"<script(?![^>]*src=)|<style", page.text)
    assert client.get("/", headers={"If-None-Match": page.headers["etag"]}).status_code == 304
    links = set(re.findall(r'(?:href|src)="(page/[^"]+)"', page.text))
    assert {link.split("/", 2)[2] for link in links} == set(ASSETS)
    for link in links:
        answer = client.get(f"/{link}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert client.get("/page/0123456789abcdef/main.js").status_code == 404
    assert client.get(f"/{next(iter(links)).rsplit('/', 1)[0]}/..%2fassets.py").status_code == 404


def test_charts_come_from_this_service(client: TestClient) -> None:
    folder = re.findall(r'src="(page/[^/]+)/main.js"', client.get("/").text)[0]
    packed = client.get(f"/{folder}/plotly.min.js", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text.startswith("/**\n* plotly.js v4")
