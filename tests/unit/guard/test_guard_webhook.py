"""The webhook: signed, retried, in order, and never blocking."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from datetime import timedelta

from prometheus_client import REGISTRY

from spendmeter_events.alert import SpendAlert
from spendmeter_stream.guard.notify.alerts import to_alert
from spendmeter_stream.guard.notify.webhook import ALERT_ID, ATTEMPTS, SIGNATURE, Webhook, sign
from tests.support.endpoint import endpoint
from tests.support.spend import NOW
from tests.support.until import until
from tests.unit.guard.test_guard_alerts import SPIKE

SECRET = "a secret for tests"


def alert(number: int = 0) -> SpendAlert:
    at = NOW + timedelta(seconds=number)
    return to_alert(SPIKE, at=at, since=at)


def outcomes() -> tuple[float, float]:
    name = "spendmeter_spend_guard_webhooks_total"
    found = [REGISTRY.get_sample_value(name, {"outcome": outcome}) or 0.0 for outcome in ("delivered", "failed")]
    return found[0], found[1]


async def test_a_signature_proves_body_and_time() -> None:
    async with endpoint() as (url, got):
        webhook = Webhook(url=url, secret=SECRET)
        delivering = asyncio.create_task(webhook.run())
        webhook.put([alert()])
        await until(lambda: len(got) == 1)
        delivering.cancel()
    ((headers, body),) = got
    assert body == alert().to_json()
    assert headers[ALERT_ID] == str(alert().alert_id)
    # As docs/alerts.md describes for receivers.
    parts = dict(part.split("=", 1) for part in headers[SIGNATURE].split(","))
    digest = hmac.new(SECRET.encode(), parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(digest, parts["v1"])


def test_another_time_another_body_or_another_secret_is_another_signature() -> None:
    signatures = {
        sign(b"a", secret="s", timestamp=1),
        sign(b"a", secret="s", timestamp=2),
        sign(b"b", secret="s", timestamp=1),
        sign(b"a", secret="t", timestamp=1),
    }
    assert len(signatures) == 4


async def test_without_a_secret_nothing_is_signed() -> None:
    async with endpoint() as (url, got):
        webhook = Webhook(url=url, secret="")
        delivering = asyncio.create_task(webhook.run())
        webhook.put([alert()])
        await until(lambda: len(got) == 1)
        delivering.cancel()
    assert SIGNATURE not in got[0][0]


async def test_an_endpoint_that_fails_is_asked_again_and_order_is_kept() -> None:
    before = outcomes()
    async with endpoint([500, 302, 429]) as (url, got):
        webhook = Webhook(url=url, secret=SECRET, pause=0.001)
        delivering = asyncio.create_task(webhook.run())
        webhook.put([alert(1), alert(2)])
        await until(lambda: outcomes() == (before[0] + 2, before[1]))
        delivering.cancel()
    assert [headers[ALERT_ID] for headers, _ in got] == [str(alert(n).alert_id) for n in (1, 1, 1, 1, 2)]


async def test_an_undeliverable_alert_does_not_block_the_next() -> None:
    before = outcomes()
    async with endpoint([500] * ATTEMPTS) as (url, got):
        webhook = Webhook(url=url, secret=SECRET, pause=0.001)
        delivering = asyncio.create_task(webhook.run())
        webhook.put([alert(1), alert(2)])
        await until(lambda: outcomes() == (before[0] + 1, before[1] + 1))
        delivering.cancel()
    assert len(got) == ATTEMPTS + 1


async def test_a_dead_endpoint_costs_the_oldest_and_no_memory() -> None:
    before = outcomes()
    webhook = Webhook(url="http://127.0.0.1:1/nobody", secret=SECRET)
    webhook.put([alert(number) for number in range(1200)])
    assert outcomes() == (before[0], before[1] + 200)
