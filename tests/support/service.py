"""The query service over a test's store, asked as a client asks it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from fastapi.testclient import TestClient

from spendmeter_clickhouse import Store
from spendmeter_rollups import Authenticator, ServiceSettings, create_app

ADMIN_KEY = "the administrator's key of the tests: 0123456789"
NOW = datetime(2026, 11, 22, 9, 0, 0, 5000, tzinfo=UTC)


@contextmanager
def service(
    store: Store, *, now: datetime = NOW, authenticators: Sequence[Authenticator] = (), **settings: Any
) -> Iterator[TestClient]:
    """A client that sends the administrator's key; the service's clock stands still at `now`."""
    app = create_app(
        store=store,
        settings=ServiceSettings(
            admin_key=ADMIN_KEY, **{"answer_cache_seconds": 0, "requests_per_minute": 0, **settings}
        ),
        authenticators=authenticators,
        clock=lambda: now,
    )
    with TestClient(app, headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as client:
        yield client


def answer(client: TestClient, path: str, **parameters: Any) -> dict[str, Any]:
    """The JSON answer; anything but 200 fails the test with the problem's text."""
    response = client.get(path, params=parameters)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def pico(amount: str) -> int:
    """An amount of an answer in 1e-12 of its currency."""
    scaled = Decimal(amount).scaleb(12)
    assert scaled == scaled.to_integral_value(), amount
    return int(scaled)
