"""Requests that end early and events that cannot be read have no effect on other requests and events."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope, Send

from spendmeter_events import UsageEvent
from spendmeter_rollups.access.auth import Credential
from spendmeter_rollups.collect.batch_result import BatchContext, RecentEvents, validate
from spendmeter_rollups.http.metrics import ServiceMetrics
from spendmeter_rollups.http.middleware import RequestLogMiddleware


async def test_a_client_that_disconnects_within_its_body_is_no_failure_of_the_service() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    registry = CollectorRegistry()
    middleware = RequestLogMiddleware(app, metrics=ServiceMetrics(registry))
    await middleware({"type": "http", "method": "POST", "headers": []}, receive, send)
    labels = {"method": "POST", "route": "other", "status": "4xx"}
    assert registry.get_sample_value("spendmeter_http_requests_total", labels) == 1
    with pytest.raises(ClientDisconnect):
        await app({"type": "http", "method": "POST", "headers": []}, receive, send)


def test_an_event_that_fails_is_refused_alone(caplog: pytest.LogCaptureFixture) -> None:
    def read(content: Any) -> UsageEvent:
        if content == "secret":
            raise OverflowError(content)
        return UsageEvent.now(org_id="o", feature="f", provider="p", model="m")

    batch = BatchContext(Credential("writer", frozenset()), datetime.now(UTC), RecentEvents())
    with caplog.at_level(logging.ERROR):
        result = validate(["secret", 1], read, batch)
    assert [each["status"] for each in result.results] == ["refused", "accepted"]
    assert result.refused == 1
    assert "OverflowError" in caplog.text
    assert "secret" not in caplog.text.replace('content == "secret"', "")
