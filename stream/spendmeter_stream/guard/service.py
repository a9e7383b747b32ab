"""The guard's service in the worker: where this worker leads, look, tell, and look again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import mode

from spendmeter_clickhouse import Session
from spendmeter_events.alert import SpendAlert
from spendmeter_stream.guard import metrics
from spendmeter_stream.guard.evaluate.findings import find
from spendmeter_stream.guard.evaluate.thresholds import load_thresholds
from spendmeter_stream.guard.notify.alert_topic import AlertTopic
from spendmeter_stream.guard.notify.alerts import Memory
from spendmeter_stream.guard.notify.webhook import Webhook
from spendmeter_stream.guard.read.reader import Reader
from spendmeter_stream.retry import OUTAGES
from spendmeter_stream.runtime.background import BackgroundTasks
from spendmeter_stream.settings import StreamSettings

log = logging.getLogger(__name__)

_REST: Final = 4.0
"""A run of so long is followed by a rest at least as many times as long: the guard never takes more than a fifth of
one of the store's processors, however much there is to read."""


class SpendGuard(mode.Service):
    """Runs on the leader only. Nothing waits for it: session, producer and tasks are its own, and it never raises."""

    mundane_level = "debug"

    def __init__(
        self,
        *,
        settings: StreamSettings,
        session: Session,
        leads: Callable[[], bool],
        tasks: BackgroundTasks,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._interval = settings.guard_interval_seconds
        self._thresholds = load_thresholds(settings.guard_thresholds_path)
        self._leads = leads
        self._background = tasks
        self._clock = clock
        self._reader = Reader(session=session, floor=self._thresholds.user.floor_usd)
        self._topic = AlertTopic(client_options=settings.client_options())
        self._shown = metrics.Shown()
        self._memory: Memory | None = None
        url, secret = settings.alert_webhook_url, settings.alert_webhook_secret
        self._webhook = Webhook(url=url, secret=secret) if url else None

    async def on_stop(self) -> None:
        """Leave the broker. Alerts that the webhook did not take are in the topic."""
        self.hide()
        await self._topic.close()

    @mode.Service.task
    async def _watch(self) -> None:
        while not self.should_stop:
            started = time.monotonic()
            # A fault of ours must not end the worker, whose first duty is to count.
            await self._background.once("guard", self._turn_or_outage)
            took = time.monotonic() - started
            await self.sleep(max(self._interval - took, _REST * took))

    @mode.Service.task
    async def _deliver(self) -> None:
        if self._webhook is None:
            return
        delivering = asyncio.create_task(self._background.run("webhook", self._webhook.run))
        try:
            await self.wait_until_stopped()
        finally:
            delivering.cancel()

    async def _turn_or_outage(self) -> None:
        try:
            await self._turn()
        except OUTAGES as error:
            log.warning("the spend guard could not run: %s", error)

    async def _turn(self) -> None:
        if self._leads():
            with metrics.RUN_SECONDS.time():
                await self.run_once()
        elif self._memory is not None:
            # Another worker leads now: what we say would grow old.
            self.hide()

    async def run_once(self) -> list[SpendAlert]:
        """One look at the store; returns what was told. Raises one of `OUTAGES` where store or broker are away."""
        reading = await self._reader.read(self._clock())
        findings = find(reading, thresholds=self._thresholds)
        self._shown.show(reading, thresholds=self._thresholds, findings=findings)
        if self._memory is None:
            memory = Memory()
            memory.remember(await self._topic.newest())
            self._memory = memory
        alerts = self._memory.due(findings, at=reading.at)
        if alerts:
            await self._topic.publish(alerts)
            self._memory.remember(alerts)
            self._tell(alerts)
        metrics.LAST_RUN.set(time.time())
        return alerts

    def hide(self) -> None:
        """Forget what was told, and take back what `/metrics` shows."""
        self._memory = None
        self._shown.hide()

    def _tell(self, alerts: list[SpendAlert]) -> None:
        for alert in alerts:
            metrics.ALERTS.labels(alert.kind, alert.scope).inc()
            log.warning("%s %s: %s", alert.severity, alert.kind, alert.summary)
        if self._webhook is not None:
            self._webhook.put(alerts)
