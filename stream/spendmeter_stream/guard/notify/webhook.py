"""Post alerts to an HTTP endpoint: signed, retried, in the background. docs/alerts.md shows how to verify one.

Alerts wait in a bounded queue. If the endpoint is down, the oldest are dropped, and nothing else is delayed.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
from collections import deque
from collections.abc import Iterable
from typing import Final

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from spendmeter_events.alert import SpendAlert
from spendmeter_stream.guard import metrics

log = logging.getLogger(__name__)

ATTEMPTS: Final = 6
SIGNATURE: Final = "Spendmeter-Signature"
ALERT_ID: Final = "Spendmeter-Alert-Id"
_WAITING: Final = 1000
_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)


class RefusedError(Exception):
    """The endpoint answered with a status other than 2xx."""


def sign(body: bytes, *, secret: str, timestamp: int) -> str:
    """Return the signature header: `t=<Unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">`.

    The timestamp is signed as well, so that a captured request cannot be replayed later.
    """
    digest = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


class Webhook:
    """Post alerts in order, one at a time."""

    def __init__(self, *, url: str, secret: str, pause: float = 1.0) -> None:
        """:param pause: maximum seconds before the second attempt; doubles with each attempt."""
        self._url = url
        self._secret = secret
        self._pause = pause
        self._waiting: deque[SpendAlert] = deque()
        self._more = asyncio.Event()

    def put(self, alerts: Iterable[SpendAlert]) -> None:
        """Queue `alerts` for delivery."""
        for alert in alerts:
            if len(self._waiting) >= _WAITING:
                self._waiting.popleft()
                metrics.WEBHOOKS.labels("failed").inc()
            self._waiting.append(alert)
        self._more.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as client:
            while True:
                await self._more.wait()
                while self._waiting:
                    await self._deliver(client, self._waiting.popleft())
                self._more.clear()

    async def _deliver(self, client: aiohttp.ClientSession, alert: SpendAlert) -> None:
        async def once() -> None:
            await self._post(client, alert)

        retrying = AsyncRetrying(
            wait=wait_random_exponential(multiplier=self._pause, max=60),
            stop=stop_after_attempt(ATTEMPTS),
            retry=retry_if_exception_type((RefusedError, aiohttp.ClientError, TimeoutError, OSError)),
            reraise=True,
        )
        try:
            await retrying(once)
        except Exception as error:
            # Any error: the next alert gets its own attempts. The URL may contain a token, so it is not logged.
            log.warning(
                "alert %s not delivered to the webhook: %s %s", alert.alert_id, type(error).__name__, _detail(error)
            )
            metrics.WEBHOOKS.labels("failed").inc()
        else:
            metrics.WEBHOOKS.labels("delivered").inc()

    async def _post(self, client: aiohttp.ClientSession, alert: SpendAlert) -> None:
        body = alert.to_json()
        headers = {"Content-Type": "application/json", ALERT_ID: str(alert.alert_id)}
        if self._secret:
            headers[SIGNATURE] = sign(body, secret=self._secret, timestamp=int(time.time()))
        # A redirect could send the alert and its signature to another host.
        async with client.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
            if not 200 <= answer.status < 300:
                raise RefusedError(f"status {answer.status}")


def _detail(error: Exception) -> str:
    return str(error) if isinstance(error, RefusedError) else ""
