"""The worker: a Faust app for life cycle, timers and low-volume topics, with the ingest service inside."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import faust

from spendmeter_clickhouse import Session, Store, StoreError
from spendmeter_events.topics import DIRECTORY
from spendmeter_stream import metrics
from spendmeter_stream.directory import Directory, EntryRecord
from spendmeter_stream.guard import SpendGuard
from spendmeter_stream.ingest.builder import BlockBuilder
from spendmeter_stream.ingest.service import Ingest
from spendmeter_stream.kafka.batches import make_faust_read_committed, skip_unreadable_batches
from spendmeter_stream.kafka.coordinator import wait_for_named_brokers
from spendmeter_stream.kafka.topic_admin import APP
from spendmeter_stream.kafka.topic_id import find_topic_id
from spendmeter_stream.maintenance.surplus import remove_surplus_when_due
from spendmeter_stream.price_feed import PriceFeed
from spendmeter_stream.pricing import PriceBookWatcher
from spendmeter_stream.recovery.reconcile import find_orphans, reconcile_suspects
from spendmeter_stream.retry import retry_forever
from spendmeter_stream.runtime.background import BackgroundTasks
from spendmeter_stream.runtime.boot import ANY_PORT, WorkerApp, faust_options
from spendmeter_stream.runtime.early_start import EarlyStart, EarlyStarted
from spendmeter_stream.runtime.health import WorkerHealth
from spendmeter_stream.runtime.readiness import WorkerReadiness
from spendmeter_stream.runtime.start import Start
from spendmeter_stream.runtime.store_health import check_store, forget_store
from spendmeter_stream.runtime.web import WorkerWeb
from spendmeter_stream.settings import StreamSettings
from spendmeter_stream.verify import check_drift, closed_days
from spendmeter_stream.verify.doubles import forget_double_reports, watch_double_reports

log = logging.getLogger(__name__)

_REFRESH_SECONDS: Final = 30.0
_DRIFT_SECONDS: Final = 900.0
_STORE_SECONDS: Final = 60.0
_RECONCILE_SECONDS: Final = 10.0
_RECONCILE_BACKOFF_SECONDS: Final = 60.0
_ORPHANS_SECONDS: Final = 900.0
_SURPLUS_SECONDS: Final = 900.0
"""How often the leader checks whether the daily removal is due."""
_DOUBLES_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Worker:
    """A Faust app and its parts."""

    app: faust.App
    ingest: Ingest
    directory: Directory
    prices: PriceBookWatcher
    health: WorkerHealth

    async def crashed(self) -> str:
        """Wait until Faust crashes, and return the reason. The process must then exit: Faust does not restart."""
        await self.app._crashed.wait()
        reason = self.app.crash_reason
        self.health.report("faust", reason or "crashed")
        return f"{type(reason).__name__}: {reason}" if reason else "no reason given"


def create_worker(
    *,
    settings: StreamSettings,
    store: Store,
    ingest_type: type[Ingest] = Ingest,
    web: bool = True,
    health: WorkerHealth | None = None,
    prices: PriceBookWatcher | None = None,
) -> Worker:
    """Create a worker. It opens no connections until the app starts.

    :param ingest_type: the class of the ingest service.
    :param web: serve `/healthz`, `/readyz` and `/metrics` on the worker's own port; False if another service does.
    :param health: registry of failing conditions and tasks; a new one by default.
    :param prices: the compiled price book; by default it is compiled here.
    :raises PriceBookError: the price book is invalid.
    """
    wait_for_named_brokers()
    skip_unreadable_batches()
    make_faust_read_committed()
    health = health or WorkerHealth()
    tasks = BackgroundTasks(health)
    app = WorkerApp(APP, **faust_options(settings))
    directory = Directory(session=store.session("directory"))
    prices = prices or PriceBookWatcher(directory=settings.prices_path)
    ingest = ingest_type(
        settings=settings,
        store=store,
        builder=BlockBuilder(book=lambda: prices.book, directory=directory),
        find_topic_id=lambda: find_topic_id(settings),
        tasks=tasks,
        health=health,
    )
    start = Start(settings=settings, store=store, health=health)
    feed = PriceFeed(watcher=prices, client_options=settings.client_options(), tasks=tasks)
    # The order matters: ingest starts after the rows of the price topic are in force.
    early = EarlyStart([feed, ingest])
    app.first = [*([_web(app, ingest, store, health, settings)] if web else []), start, early]
    guard = SpendGuard(settings=settings, session=store.session("guard"), leads=app.is_leader, tasks=tasks)
    for service in (EarlyStarted(early), feed, ingest, guard):
        app.service(service)  # type: ignore[arg-type]  # takes an instance as well
    _follow_directory(app, directory, tasks)
    _maintain(app, store, settings, tasks)
    return Worker(app, ingest, directory, prices, health)


def _web(app: WorkerApp, ingest: Ingest, store: Store, health: WorkerHealth, settings: StreamSettings) -> WorkerWeb:
    def ending() -> str | None:
        if app.crashed:
            return f"crashed: {app.crash_reason!r}"
        return "is stopping" if app.should_stop else None

    return WorkerWeb(
        # Read at start: Faust's command line has options for both.
        address=lambda: (app.conf.web_bind, 0 if app.conf.web_port == ANY_PORT else app.conf.web_port),
        metrics_token=settings.metrics_token,
        readiness=WorkerReadiness(
            health=health, session=store.session("health"), ending=ending, kafka=ingest.kafka_failure
        ),
    )


def _follow_directory(app: faust.App, directory: Directory, tasks: BackgroundTasks) -> None:
    topic = app.topic(DIRECTORY, key_type=bytes, value_type=bytes, value_serializer="raw", key_serializer="raw")

    @app.agent(topic, name="directory")
    async def follow(stream: Any) -> None:
        tasks.report("directory", None)
        try:
            # noack_take, because take() acknowledges in a `finally`: entries rejected by the store would be lost.
            async for events in stream.noack_take(500, within=0.5):
                await tasks.run("directory", partial(_apply, directory, [event.message for event in events]))
                for event in events:
                    event.ack()
        except Exception as error:
            # Faust restarts the agent from the first unacknowledged entry.
            tasks.failed("directory", error)
            raise

    @app.timer(_REFRESH_SECONDS)  # type: ignore[untyped-decorator]
    async def refresh() -> None:
        await tasks.once("directory_refresh", lambda: retry_forever("directory", directory.refresh))


async def _apply(directory: Directory, records: list[EntryRecord]) -> None:
    await retry_forever("directory", lambda: directory.apply(records))


def _maintain(app: faust.App, store: Store, settings: StreamSettings, tasks: BackgroundTasks) -> None:
    on_leader = partial(_run_on_leader, app, tasks)
    drift, health, suspects = store.session("drift"), store.session("store-health"), store.session("suspects")
    surplus = store.session("surplus")
    on_leader("drift", _DRIFT_SECONDS, partial(_check_drift, drift), forget=partial(metrics.ROLLUP_DRIFT.set, 0))
    on_leader("store_health", _STORE_SECONDS, partial(_check_store, health), forget=forget_store)
    reconcile = _reconciler(suspects, settings)
    on_leader("reconcile", _RECONCILE_SECONDS, reconcile, forget=partial(metrics.SUSPECT_BLOCKS.set, 0))
    # Every worker checks at start; this finds chunks that a worker of an earlier topic epoch began since.
    find = partial(find_orphans, suspects, settings)
    on_leader("orphans", _ORPHANS_SECONDS, partial(retry_forever, "orphans", find))
    remove = partial(remove_surplus_when_due, surplus)
    on_leader("surplus", _SURPLUS_SECONDS, partial(retry_forever, "surplus", remove))
    doubles = partial(_watch_doubles, surplus)
    on_leader("double_reports", _DOUBLES_SECONDS, doubles, forget=forget_double_reports)


def _run_on_leader(
    app: faust.App,
    tasks: BackgroundTasks,
    name: str,
    seconds: float,
    turn: Callable[[], Awaitable[object]],
    *,
    forget: Callable[[], object] = lambda: None,
) -> None:
    """Await `turn()` every `seconds` while this worker leads the group.

    :param forget: resets the gauges of a former leader.
    """

    @app.timer(seconds)  # type: ignore[untyped-decorator]
    async def run() -> None:
        if app.is_leader():
            await tasks.once(name, turn)
        else:
            forget()
            tasks.report(name, None)


async def _check_drift(session: Session) -> None:
    days = closed_days(datetime.now(UTC))
    await retry_forever("drift", lambda: check_drift(session, days=days))


async def _watch_doubles(session: Session) -> None:
    await retry_forever("double_reports", lambda: watch_double_reports(session, datetime.now(UTC)))


async def _check_store(session: Session) -> None:
    try:
        await check_store(session)
    except StoreError as error:
        # An unreachable store or a missing grant has its own alert: the task has not failed.
        log.warning("cannot read parts and disks from ClickHouse: %s", error)


def _reconciler(session: Session, settings: StreamSettings) -> Callable[[], Awaitable[None]]:
    not_before = 0.0

    async def turn() -> None:
        nonlocal not_before
        if time.monotonic() < not_before:
            return
        if not await retry_forever("reconcile", lambda: reconcile_suspects(session, settings)):
            # Each attempt may pause ingest, which must make progress in between.
            not_before = time.monotonic() + _RECONCILE_BACKOFF_SECONDS

    return turn
