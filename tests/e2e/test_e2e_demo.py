"""`spendmeter demo`, with its default and unusual settings."""

from __future__ import annotations

import json
import signal
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack import Command, spendmeter

_KEY = "an-admin-key-that-is-long-enough-for-every-check"
_BRIEF = ("demo", "--days", "1", "--port", "0")


def test_the_demo_with_a_key_of_ones_own_on_ipv6_twice_on_one_folder(tmp_path: Path) -> None:
    # A folder name with special characters of URLs.
    folder = tmp_path / "a folder?#%20"
    settings = {"SPENDMETER_ADMIN_KEY": _KEY, "SPENDMETER_HOST": "::1", "SPENDMETER_DATA_DIR": str(folder)}
    first = spendmeter(*_BRIEF, "--exit", **settings)
    assert first.returncode == 0, first.stderr
    assert "events of 1 days emitted, priced and stored" in first.stdout
    assert "estimated cost" in first.stdout
    assert "Traceback" not in first.stdout + first.stderr
    with Command(*_BRIEF, **settings) as second:
        second.wait_for("Press Ctrl-C to stop")
        note = json.loads((folder / "running.json").read_text())
        assert note["url"].startswith("http://[::1]:")
        assert f"Spendmeter is running at {note['url']}" in second.output()
        assert _KEY not in second.output()
        assert "already seeded up to this hour" in second.output() or "emitted, priced and stored" in second.output()
        summary = get(f"{note['url']}/v1/usage/summary?preset=all", key=_KEY)
        assert summary["totals"]["requests"] > 100
        assert second.stop(signal.SIGINT) == 0, second.output()
        assert "Traceback" not in second.output()


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104
def test_the_demo_without_a_key_on_every_address_with_small_limits(tmp_path: Path, host: str) -> None:
    """If a limit rejects the demo's own queries, only its summary is missing."""
    settings = {
        "SPENDMETER_HOST": host,
        "SPENDMETER_DATA_DIR": str(tmp_path / "data"),
        "SPENDMETER_REQUESTS_PER_MINUTE": "1",
    }
    with Command(*_BRIEF, **settings) as demo:
        demo.wait_for("Press Ctrl-C to stop")
        url = json.loads((tmp_path / "data" / "running.json").read_text())["url"]
        assert url.startswith(("http://127.0.0.1:", "http://[::1]:"))
        assert "generated for this" in demo.output()
        assert "No summary: the query service returned 429" in demo.output()
        assert get(f"{url}/healthz")["status"] == "ok"
        assert demo.stop(signal.SIGTERM) == 0, demo.output()
        assert "Traceback" not in demo.output()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7", "not a host", "[::1]"])
def test_a_host_that_cannot_be_used_is_one_line(tmp_path: Path, host: str) -> None:
    done = spendmeter(*_BRIEF, SPENDMETER_HOST=host, SPENDMETER_DATA_DIR=str(tmp_path))
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("spendmeter:")]
    assert host in line
    assert "Traceback" not in done.stderr


def get(url: str, *, key: str = "") -> dict[str, Any]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.loads(answer.read())
        return found
