"""False alarms over the demo's ninety days, and how soon each of six incidents is noticed.

Run as a process of its own: `python -m benchmarks.incidents [HOURS BETWEEN LOOKS]`. It prints one line of JSON. Spend
is found by the guard itself, reading a store as of each moment; what Prometheus' rules find is found by `promtool` over
the counters that the worker would have shown, scraped every 15 s. The sixth incident, a stuck worker, is a chunk that
never ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from spendmeter_clickhouse import Session, Store, StoreSettings, migrate
from spendmeter_events.traffic import INCIDENTS
from spendmeter_stream.directory import Directory
from tests.support.demo_store import fill_with_demo, store_calls
from tests.support.guard_history import findings, moments, seconds_to_find, set_budgets
from tests.support.promtool import call_counters, first_alert, stuck_worker, unpriced_counters

SEED: Final = 7
END: Final = datetime(2026, 11, 22, tzinfo=UTC)
DAYS: Final = 90
HEADROOM: Final = Decimal("1.25")
EVERY_HOURS: Final = 3
"""A look is at 60 minutes, so this samples the ninety days: all 2,160 hours take a quarter of an hour of the machine.
Its minute is odd, so that looks are not at the edges of quarters."""


@dataclass(frozen=True, slots=True)
class Staged:
    """An incident, when it begins, and who must notice."""

    name: str
    start: datetime
    org_id: str
    alert: str = ""
    """The Prometheus rule; empty where the guard must find it."""


# Each on a day of its own, in the hours in which it would happen, and at no round second.
STAGED: Final = (
    Staged("runaway_loop", datetime(2026, 11, 17, 6, 12, 3, tzinfo=UTC), "sunrise-delhi"),
    Staged("stolen_key_at_night", datetime(2026, 11, 18, 20, 30, 7, tzinfo=UTC), "niketan-bengaluru"),
    Staged("price_jump", datetime(2026, 11, 19, 5, 1, 11, tzinfo=UTC), "greenfield-pune"),
    Staged("error_storm", datetime(2026, 11, 20, 7, 0, 2, tzinfo=UTC), "sunrise-delhi", "ProviderErrorBurst"),
    Staged("unpriced_model", datetime(2026, 11, 21, 6, 40, 9, tzinfo=UTC), "riverside-kolkata", "UnpricedUsage"),
)


async def measure(store: Store, hours: int) -> dict[str, Any]:
    """Alerts of the quiet days, looking every `hours` hours, and seconds to notice each incident."""
    with store.session("incidents") as session:
        budgets = await set_budgets(session, headroom=HEADROOM, now=END)
        started = time.perf_counter()
        first = END - timedelta(days=DAYS) + timedelta(minutes=37)
        times = list(moments(first, END, every=timedelta(hours=hours)))
        alarms = await findings(session, iter(times))
        seconds = (time.perf_counter() - started) / len(times)
        noticed = {staged.name: await _stage(session, staged) for staged in STAGED}
        noticed["stuck_worker"] = first_alert("WorkerStuck", stuck_worker()), "rule WorkerStuck"
    return {
        "looks": len(times),
        "hours": hours,
        "budgets": budgets,
        "alarms": [f"{moment:%F %R} {finding.kind} {finding.key}" for moment, finding in alarms],
        "seconds_a_look": seconds,
        "noticed": noticed,
    }


async def _stage(session: Session, staged: Staged) -> tuple[int | None, str]:
    known = Directory(session=session)
    await known.refresh()
    calls = INCIDENTS[staged.name](seed=SEED, start=staged.start)
    await store_calls(session, calls, known=known, name=staged.name)
    if staged.alert:
        read = call_counters if staged.alert == "ProviderErrorBurst" else unpriced_counters
        series, begins = await read(session, staged.start)
        seconds = first_alert(staged.alert, series, after=begins)
        return (None if seconds is None else seconds - begins), f"rule {staged.alert}"
    found = await seconds_to_find(session, staged.start, staged.org_id, most=360)
    return (None, "") if found is None else (found[0], f"guard, {found[1].kind} of {found[1].key.scope}")


def run(hours: int = EVERY_HOURS) -> dict[str, Any]:
    """Fill a store of its own, and measure."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(StoreSettings(store_dsn=f"chdb://{folder}/store")) as store,
    ):
        asyncio.run(migrate(store))
        fill_with_demo(store, days=DAYS, end=END, seed=SEED)
        return asyncio.run(measure(store, hours))


if __name__ == "__main__":
    print(json.dumps(run(*map(int, sys.argv[1:]))))
