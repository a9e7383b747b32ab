"""The guard service of the worker: on the leader, read spend, publish budget states and send alerts at an interval."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import mode
from aiokafka.errors import KafkaError

from spendmeter_clickhouse import Session
from spendmeter_events.alert import SpendAlert
from spendmeter_stream.guard import metrics
from spendmeter_stream.guard.evaluate.findings import find
from spendmeter_stream.guard.evaluate.thresholds import load_thresholds
from spendmeter_stream.guard.notify.alert_topic import AlertTopic
from spendmeter_stream.guard.notify.alerts import AlertHistory
from spendmeter_stream.guard.notify.state_topic import BudgetStateTopic
from spendmeter_stream.guard.notify.stored_alerts import StoredAlerts
from spendmeter_stream.guard.notify.webhook import Webhook
from spendmeter_stream.guard.read.spend_reader import SpendReader
from spendmeter_stream.guard.values import Reading
from spendmeter_stream.retry import OUTAGES
from spendmeter_stream.runtime.background import BackgroundTasks
from spendmeter_stream.settings import StreamSettings

log = logging.getLogger(__name__)

_IDLE_FACTOR: Final = 4.0
"""Minimum idle time after a run, in run durations: the guard uses at most a fifth of one processor of the store."""


class SpendGuard(mode.Service):
    """Run the spend guard on the leader. It has its own session, producer and tasks, and never raises."""

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
        self._reader = SpendReader(session=session, floor=self._thresholds.user.floor_usd)
        self._topic = AlertTopic(client_options=settings.client_options())
        self._stored = StoredAlerts(session)
        self._states = BudgetStateTopic(client_options=settings.client_options())
        self._exported = metrics.ExportedRows()
        self._history: AlertHistory | None = None
        url, secret = settings.alert_webhook_url, settings.alert_webhook_secret
        self._webhook = Webhook(url=url, secret=secret) if url else None

    async def on_stop(self) -> None:
        """Close the producers. Alerts that the webhook did not deliver remain in the topic."""
        self.reset()
        await self._topic.close()
        await self._states.close()

    @mode.Service.task
    async def _watch(self) -> None:
        while not self.should_stop:
            started = time.monotonic()
            # An error of the guard must not stop the worker, which ingests.
            await self._background.once("guard", self._run_or_log_outage)
            took = time.monotonic() - started
            await self.sleep(max(self._interval - took, _IDLE_FACTOR * took))

    @mode.Service.task
    async def _deliver(self) -> None:
        if self._webhook is None:
            return
        delivering = asyncio.create_task(self._background.run("webhook", self._webhook.run))
        try:
            await self.wait_until_stopped()
        finally:
            delivering.cancel()

    async def _run_or_log_outage(self) -> None:
        try:
            await self._run_if_leading()
        except OUTAGES as error:
            log.warning("spend guard run failed, retrying at the next interval: %s", error)

    async def _run_if_leading(self) -> None:
        if self._leads():
            with metrics.RUN_SECONDS.time():
                await self.run_once()
        elif self._history is not None:
            # Another worker leads now: our rows would become stale.
            self.reset()

    async def run_once(self) -> list[SpendAlert]:
        """Read spend once, send pending alerts and return them. Raises one of `OUTAGES` if store or broker are down."""
        reading = await self._reader.read(self._clock())
        # First, because a gate stops spend: alerts only report it.
        await self._publish_states(reading)
        findings = find(reading, thresholds=self._thresholds)
        self._exported.replace(reading, thresholds=self._thresholds, findings=findings)
        if self._history is None:
            history, sent = AlertHistory(), await self._topic.newest()
            history.record(sent)
            # A former leader may have stopped between sending and storing.
            await self._stored.store(sent)
            self._history = history
        alerts = self._history.pending(findings, at=reading.at)
        if alerts:
            await self._topic.publish(alerts)
            self._history.record(alerts)
            self._send(alerts)
        await self._stored.store(alerts)
        metrics.LAST_RUN.set(time.time())
        return alerts

    async def _publish_states(self, reading: Reading) -> None:
        defaults = [budget.budget_id for budget in reading.budgets if budget.per_user]
        try:
            await self._states.publish(reading.statuses(), at=reading.at, defaults=defaults)
        except KafkaError as error:
            # Such as a missing ACL: alerts must go out all the same.
            log.warning("budget states were not published, retrying at the next interval: %r", error)

    def reset(self) -> None:
        """Drop the alert history, the published states and the exported rows."""
        self._history = None
        self._stored.forget()
        self._states.forget()
        self._exported.clear()

    def _send(self, alerts: list[SpendAlert]) -> None:
        for alert in alerts:
            metrics.ALERTS.labels(alert.kind, alert.scope).inc()
            log.warning("%s %s: %s", alert.severity, alert.kind, alert.summary)
        if self._webhook is not None:
            self._webhook.put(alerts)
