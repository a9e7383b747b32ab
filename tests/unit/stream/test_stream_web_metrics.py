"""Access to the series of a worker's `/metrics` (row L1)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import cast

import aiohttp
import pytest

from spendmeter_stream.guard.metrics import SPEND
from spendmeter_stream.runtime.readiness import WorkerReadiness
from spendmeter_stream.runtime.web import WorkerWeb
from tests.support.kafka.process import free_port

TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
SECRET = "zeta-school"
LOCAL, EVERYWHERE = "127.0.0.1", "0.0.0.0"  # noqa: S104 - what a container listens on


class _Ready:
    """Readiness, which `/metrics` does not use."""

    async def failures(self) -> dict[str, str]:
        return {}

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture(autouse=True)
def _spend() -> Iterator[None]:
    labels = ("org", SECRET, SECRET, "1h")
    SPEND.labels(*labels).set(7777.25)
    yield
    SPEND.remove(*labels)


@asynccontextmanager
async def worker(host: str, token: str) -> AsyncIterator[str]:
    port = free_port()
    web = WorkerWeb(address=lambda: (host, port), readiness=cast(WorkerReadiness, _Ready()), metrics_token=token)
    await web.on_start()
    try:
        yield f"http://127.0.0.1:{port}/metrics"
    finally:
        await web.on_stop()


async def get(url: str, token: str | None) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize(
    ("host", "token", "sent", "status", "shown"),
    [
        (LOCAL, "", None, 200, True),
        (LOCAL, TOKEN, None, 200, False),
        (LOCAL, TOKEN, TOKEN, 200, True),
        (LOCAL, TOKEN, "wrong", 401, False),
        (EVERYWHERE, "", None, 200, False),
        (EVERYWHERE, "", "anything", 200, False),
        (EVERYWHERE, TOKEN, TOKEN, 200, True),
        (EVERYWHERE, TOKEN, TOKEN[:-1], 401, False),
    ],
)
async def test_series_that_name_tenants_need_the_token_or_loopback(
    host: str, token: str, sent: str | None, status: int, shown: bool
) -> None:
    async with worker(host, token) as url:
        found, text = await get(url, sent)
    assert found == status
    assert (SECRET in text) is shown
    assert ("spendmeter_rollup_drift" in text) is (status == 200)
