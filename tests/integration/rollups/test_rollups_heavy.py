"""The heaviest queries within the limits, and queries beyond them (rows L2 and L3)."""

from __future__ import annotations

import asyncio
import statistics
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient

from spendmeter_clickhouse import Store, StoreError
from spendmeter_clickhouse.scopes import ORG_READ, PLATFORM_READ
from spendmeter_rollups import Credential, ServiceSettings
from spendmeter_rollups.query.reader import MOST_RESULT_ROWS, Reader
from spendmeter_rollups.query.statement import Query
from spendmeter_rollups.views.series import MAX_VALUES
from tests.support.service import service
from tests.support.serving import ServeProcess, serving
from tests.support.usage import insert_usage, usage_row

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

START = datetime(2026, 1, 3, tzinfo=UTC)
USERS = 60
MEMORY = 512 * 2**20
QUESTIONS = 180


def calls() -> list[dict[str, Any]]:
    """Return calls of 60 users, one every few hours from January to November."""
    return [
        usage_row(
            user * 10_000 + number,
            START + timedelta(hours=number * 7 + user % 7),
            user_id=f"user-{user:02}",
            input_cost=Decimal(user + 1),
        )
        for user in range(USERS)
        for number in range(1_000)
    ]


@pytest.fixture(scope="module")
def filled(http_store: Store) -> Store:
    insert_usage(http_store, calls())
    return http_store


@pytest.fixture
def client(filled: Store) -> Iterator[TestClient]:
    with service(filled) as client:
        yield client


@pytest.fixture
def process(filled: Store) -> Iterator[ServeProcess]:
    # Answers are cached for the maximum time, so that only their bytes bound the memory.
    limits = {"SPENDMETER_ANSWER_CACHE_SECONDS": "300", "SPENDMETER_REQUESTS_PER_MINUTE": "0"}
    with serving(filled.settings.store_dsn, **limits) as process:
        yield process


def test_points_times_series_are_limited(client: TestClient) -> None:
    """A query that took 55 seconds and 66 MiB is rejected at once, with the limits that apply."""
    parameters = {"from": "2026-01-03", "granularity": "hour", "group_by": "user", "limit": "50"}
    response = client.get("/v1/usage/timeseries", params=parameters)
    assert response.status_code == 422
    (fault,) = response.json()["errors"]
    assert fault["parameter"] == "limit"
    assert str(MAX_VALUES) in fault["detail"]
    assert "granularity" in fault["detail"]
    assert client.get("/v1/usage/export/timeseries", params=parameters).status_code == 422
    # The query that the refusal proposes is within the limits.
    (fewer,) = (text.removeprefix("limit=") for text in fault["allowed"] if text.startswith("limit="))
    allowed = client.get("/v1/usage/timeseries", params=parameters | {"limit": fewer})
    assert allowed.status_code == 200
    assert len(allowed.content) < 8 * 2**20
    assert client.get("/v1/usage/timeseries", params=parameters | {"granularity": "day"}).status_code == 200


def test_sparklines_are_limited(client: TestClient) -> None:
    parameters = {"from": "2000-01-01", "to": "2099-12-31", "limit": "1000"}
    assert client.get("/v1/usage/breakdown/agent", params=parameters).status_code == 200
    assert client.get("/v1/usage/breakdown/user", params=parameters | {"offset": "10001"}).status_code == 422


def test_a_statement_answers_no_more_rows_than_an_answer_can_have(filled: Store) -> None:
    """This limits what no view limits, such as the number of sections or of error types."""
    reader = Reader(filled.reader(size=1), ServiceSettings())
    with pytest.raises(StoreError, match="TOO_MANY_ROWS"):
        asyncio.run(reader.rows(Query(f"SELECT number FROM numbers({MOST_RESULT_ROWS * 2})")))
    reader.close()


class Keys:
    """Two credentials."""

    async def authenticate(self, token: str) -> Credential | None:
        scopes = {"one": (ORG_READ, "acme"), "two": (PLATFORM_READ, None)}
        if token not in scopes:
            return None
        scope, org = scopes[token]
        return Credential(token, frozenset((scope,)), org)


def test_a_credential_has_so_many_requests_under_way(filled: Store) -> None:
    """An export counts until its last byte; other credentials have room."""
    with service(filled, authenticators=(Keys(),), requests_at_once=2, requests_at_once_overall=3) as client:
        one, two = ({"Authorization": f"Bearer {name}"} for name in ("one", "two"))
        export = "/v1/usage/export/events?preset=ytd"
        with ThreadPoolExecutor(16) as threads:
            statuses = list(threads.map(lambda _: client.get(export, headers=one).status_code, range(16)))
        assert set(statuses) == {200, 429}
        assert statuses.count(200) >= 2
        assert client.get("/v1/usage/summary", headers=two).status_code == 200
        # A request that has ended frees its slot.
        assert client.get("/v1/usage/summary", headers=one).status_code == 200


def heaviest(number: int) -> str:
    """Return the heaviest query within the limits, different each time, so that none is answered from the cache."""
    end = (START + timedelta(hours=1_000, minutes=number)).strftime("%Y-%m-%dT%H:%M:00Z")
    return f"/v1/usage/timeseries?from=2026-01-03&to={end}&granularity=hour&group_by=user&limit=18"


def test_health_is_answered_while_the_heaviest_question_runs(process: ServeProcess) -> None:
    process.get(heaviest(0))
    idle = statistics.median(process.seconds("/healthz", key=None) for _ in range(100))
    done = threading.Event()
    heavy: list[float] = []

    def ask() -> None:
        heavy.extend(process.seconds(heaviest(number)) for number in range(1, 7))
        done.set()

    asking = threading.Thread(target=ask)
    asking.start()
    during: list[float] = []
    while not done.is_set():
        during.append(process.seconds("/healthz", key=None))
    asking.join()
    report = f"idle {idle:.4f} s, during {statistics.median(during):.4f} s, worst {max(during):.3f} s, heavy {heavy}"
    print(report)
    # Requests wait for the interpreter, not for the query.
    assert statistics.median(during) < statistics.median(heavy) / 10, report
    assert sorted(during)[int(len(during) * 0.99)] < statistics.median(heavy) / 2, report
    assert len(during) > 10 * len(heavy), report


def test_memory_stays_bounded_over_many_large_questions(process: ServeProcess) -> None:
    sizes: list[int] = []
    most = 0
    for number in range(QUESTIONS):
        sizes.append(len(process.get(heaviest(number))))
        most = max(most, process.memory())
    # All of them in the cache would exceed the process's memory limit.
    assert sum(sizes) > MEMORY
    print(f"{QUESTIONS} questions, {sum(sizes) / 2**20:.0f} MiB of answers, {most / 2**20:.0f} MiB of memory")
    assert most < MEMORY
