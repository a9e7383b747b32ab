"""Security headers, bounds of a request, and a documentation page that works offline (L12)."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from spendmeter_clickhouse import Store
from tests.support.required import do_without
from tests.support.service import service
from tests.support.usage import insert_usage, usage_row

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[TestClient]:
    insert_usage(store, [usage_row(1, datetime(2026, 11, 20, tzinfo=UTC))])
    with service(store) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/usage/summary", 200),
        ("/v1/usage/export/model", 200),
        ("/v1/usage/summary?tz=Mars", 422),
        ("/v1/usage/breakdown/nothing", 404),
        ("/nothing", 404),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/openapi.json", 200),
        ("/docs", 200),
        ("/docs/start.js", 200),
    ],
)
def test_every_answer_has_security_headers(client: TestClient, path: str, status: int) -> None:
    response = client.get(path)
    assert response.status_code == status
    headers = response.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "http:" not in policy
    assert headers.get_list("cache-control") == [headers["cache-control"]]
    if path.startswith("/v1/"):
        assert headers["cache-control"] in ("private, no-cache", "no-store")
    # No HSTS header: the service may run without TLS.
    assert "strict-transport-security" not in headers


def test_hsts_is_sent_if_configured(store: Store) -> None:
    with service(store, hsts_seconds=31_536_000) as client:
        assert client.get("/healthz").headers["strict-transport-security"] == "max-age=31536000"
        assert client.get("/nothing").headers["strict-transport-security"] == "max-age=31536000"


def test_the_documentation_page_loads_nothing_from_other_hosts(client: TestClient) -> None:
    page = client.get("/docs").text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(loaded) == 5
    for address in loaded:
        assert not re.match(r"\w+:|//", address), address
        response = client.get("/" + address)
        assert response.status_code == 200, address
        assert response.content
    # Inline scripts would need a policy that also permits injected ones.
    assert not re.search(r"<script[^>]*>[^<]", page)


def test_the_scripts_of_the_page_run(client: TestClient, tmp_path: Path) -> None:
    """The bundle defines the function that the page calls, and requests the document next to the page."""
    if shutil.which("node") is None:
        do_without("node is not installed (Debian package nodejs)")
    (tmp_path / "bundle.js").write_bytes(client.get("/docs/swagger-ui-bundle.js").content)
    (tmp_path / "start.js").write_bytes(client.get("/docs/start.js").content)
    (tmp_path / "run.js").write_text("""
        const fs = require("fs"), vm = require("vm");
        const asked = [];
        const stub = (options) => { asked.push(options.url); return {}; };
        const bundle = fs.readFileSync("bundle.js", "utf8");
        new vm.Script(bundle);
        if (!bundle.includes("SwaggerUIBundle")) process.exit(1);
        stub.presets = {apis: []};
        vm.runInNewContext(fs.readFileSync("start.js", "utf8"), {window: {}, SwaggerUIBundle: stub});
        console.log(asked.join());
    """)
    done = subprocess.run(["node", "run.js"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "openapi.json"


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("GET", "/v1/usage/summary?" + "org=a&" * 600, b"", 414),
        ("GET", "/v1/usage/summary?" + "&".join(f"x{number}=1" for number in range(3_000)), b"", 414),
        ("GET", "/v1/usage/summary?user=" + "x" * 20_000, b"", 414),
        ("GET", "/v1/usage/users/" + "x" * 3_000, b"", 414),
        ("POST", "/v1/budgets", b"[" * 100_000, 413),
        ("POST", "/v1/budgets", b"[" * 60_000, 400),
        ("POST", "/v1/budgets", b'{"scope":"org","org_id":"\\ud800","amount":"1"}', 422),
        ("POST", "/v1/budgets", b'{"scope":"org","org_id":"a\\u0000","amount":"1"}', 422),
        ("POST", "/v1/budgets", b'{"scope":"org","org_id":"a","amount":1e999999}', 422),
        ("POST", "/v1/budgets", b'{"scope":"org","org_id":"a","amount":NaN}', 422),
        ("POST", "/v1/budgets", b'{"scope":"org","org_id":"a","amount":"Infinity"}', 422),
        ("POST", "/v1/budgets", b"\xff\xfe", 422),
        ("GET", "/v1/usage/users/%00", b"", 422),
        ("GET", "/v1/usage/breakdown/%00", b"", 404),
        ("GET", "/v1/usage/breakdown/..%2f..%2fetc%2fpasswd", b"", 404),
        ("GET", "/docs/..%2f..%2f__init__.py", b"", 404),
        ("GET", "/docs/%2e%2e/start.js", b"", 404),
        ("OPTIONS", "/v1/usage/summary", b"", 405),
        ("TRACE", "/v1/usage/summary", b"", 405),
    ],
    ids=lambda value: str(value)[:40],
)
def test_requests_beyond_any_sense_are_refused_shortly(
    client: TestClient, method: str, path: str, content: bytes, status: int
) -> None:
    headers = {"Content-Type": "application/json"} if content else {}
    response = client.request(method, path, content=content, headers=headers)
    assert response.status_code == status, response.text[:500]
    assert response.headers["content-type"] == PROBLEM
    assert len(response.content) < 20_000


def test_many_faults_are_answered_with_a_few(client: TestClient) -> None:
    response = client.get("/v1/usage/summary?" + "&".join(f"x{number}=1" for number in range(400)))
    assert response.status_code == 422
    assert len(response.json()["errors"]) == 20


def test_a_forged_host_header_changes_no_link(client: TestClient) -> None:
    """A path with an extra slash is answered, not redirected, so no link has the client's Host header."""
    response = client.get("/v1/budgets/", headers={"Host": "evil.example"}, follow_redirects=False)
    assert response.status_code == 200
    assert "evil.example" not in str(response.headers) + response.text


def test_a_failure_does_not_reveal_its_cause(store: Store) -> None:
    class Broken:
        async def authenticate(self, token: str) -> Any:
            raise RuntimeError("SELECT secret FROM /etc/passwd")

    with service(store, authenticators=(Broken(),)) as client:
        quiet = TestClient(client.app, raise_server_exceptions=False)
        response = quiet.get("/v1/usage/summary", headers={"Authorization": "Bearer x"})
    assert (response.status_code, response.headers["content-type"]) == (500, PROBLEM)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-request-id"]
    assert "secret" not in response.text
    assert "passwd" not in response.text
