"""The query service on a test's store, with an HTTP client."""

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
    """Yield a client with the administrator's key; the service's clock is fixed at `now`."""
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
    """Return the JSON response; fail the test with the problem's text if the status is not 200."""
    response = client.get(path, params=parameters)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def pico(amount: str) -> int:
    """Return an amount of a response in 1e-12 of its currency."""
    scaled = Decimal(amount).scaleb(12)
    assert scaled == scaled.to_integral_value(), amount
    return int(scaled)
