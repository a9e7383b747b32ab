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
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any, Final

from spendmeter_clickhouse import Session, Store, StoreSettings, migrate
from spendmeter_events.traffic import INCIDENTS
from spendmeter_stream.directory import Directory
from spendmeter_stream.guard.evaluate.findings import Finding
from spendmeter_stream.guard.read.spend_reader import SpendReader
from tests.support.demo_store import fill_with_demo, store_calls
from tests.support.guard_history import FLOOR, RUN_SECONDS, findings, moments, seconds_to_find, set_budgets
from tests.support.promtool import call_counters, first_alert, stuck_worker, unpriced_counters

SEED: Final = 7
END: Final = datetime(2026, 11, 22, tzinfo=UTC)
DAYS: Final = 90
HEADROOM: Final = Decimal("1.25")
EVERY_HOURS: Final = 1
"""A spike is judged by the last hour, so every call is in some look's. Their minute is odd: looks are not at the
edges of quarters."""
LOOKS_TIMED: Final = 80
READERS: Final = 2
"""Sessions that look side by side, each at a part of the days: ClickHouse answers most looks on one core."""


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
        first = END - timedelta(days=DAYS) + timedelta(minutes=37)
        times = list(moments(first, END, every=timedelta(hours=hours)))
        alarms = await _alarms(store, times)
        seconds = await _seconds_a_look(session)
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


async def _alarms(store: Store, times: Sequence[datetime]) -> list[tuple[datetime, Finding]]:
    part = -(-len(times) // READERS)

    async def look(start: int) -> list[tuple[datetime, Finding]]:
        with store.session(f"look-{start}") as session:
            return await findings(session, times[start : start + part])

    found = await asyncio.gather(*(look(start) for start in range(0, len(times), part)))
    return [finding for several in found for finding in several]


async def _seconds_a_look(session: Session) -> tuple[float, float]:
    """Processor time of the first look of a quarter of an hour, and of those after it, as in production: medians."""
    reader, start = SpendReader(session=session, floor=FLOOR), END - timedelta(hours=17)
    firsts: list[float] = []
    others: list[float] = []
    for look in range(LOOKS_TIMED):
        quarter, later = divmod(look, 10)
        began = time.process_time()
        await reader.read(start + quarter * timedelta(minutes=15) + later * timedelta(seconds=RUN_SECONDS))
        (others if later else firsts).append(time.process_time() - began)
    return median(firsts), median(others)


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
