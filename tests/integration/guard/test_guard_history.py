"""The guard over demo traffic: its readings equal the raw events, quiet days are quiet, and incidents are found.

`python -m benchmarks incidents` does the same over all ninety days (docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from spendmeter_clickhouse import Session, Store
from spendmeter_clickhouse.budgets import calendar_month
from spendmeter_events.traffic import INCIDENTS
from spendmeter_stream.directory import Directory
from spendmeter_stream.guard.read.spend_reader import SpendReader
from spendmeter_stream.guard.values import TOTAL, Key, Reading, Spend
from tests.support.demo_store import fill_with_demo, store_calls
from tests.support.guard_history import RUN_SECONDS, findings, moments, seconds_to_find, set_budgets

END = datetime(2026, 11, 3, tzinfo=UTC)
"""Months begin within the window: at 18:30 UTC in India, at 04:00 in New York."""
ZONES = {"sunrise-delhi": "Asia/Kolkata", "lakeside-pokhara": "Asia/Kathmandu", "maplewood-newyork": "America/New_York"}


@pytest.fixture(scope="module")
def session(store: Store) -> Iterator[Session]:
    # A third of the traffic is as bursty and loads three times faster; the benchmark uses all of it.
    fill_with_demo(store, days=18, end=END, seed=7, scale=0.3)
    with store.session("guard") as session:
        yield session


async def sums(session: Session, key: Key, spans: dict[str, tuple[datetime, datetime]]) -> dict[str, Decimal]:
    """Return the USD of `key` in each span, from raw events by the simplest query."""
    column = {"org": "org_id", "user": "user_id", "feature": "feature"}[key.scope]
    where = f"{column} = {{name:String}}" + (" AND org_id = {org:String}" if key.org_id else "")
    found: dict[str, Decimal] = {}
    for name, (start, end) in spans.items():
        answer = await session.query(
            f"SELECT sum(event.cost) FROM usage_events AS event WHERE {where if key != TOTAL else 'true'}"
            " AND key_source = 'platform' AND occurred_at >= {start:DateTime64(3, 'UTC')}"
            " AND occurred_at < {end:DateTime64(3, 'UTC')}",
            {"name": key.name, "org": key.org_id, "start": start, "end": end},
        )
        found[name] = answer.result_rows[0][0]
    return found


def spans(now: datetime, zone: ZoneInfo) -> dict[str, tuple[datetime, datetime]]:
    ago = {"15m": timedelta(minutes=15), "1h": timedelta(hours=1), "6h": timedelta(hours=6)}
    windows = {name: (now - span, now) for name, span in ago.items()}
    return {**windows, "month_to_date": (calendar_month(now, zone)[0], now)}


def busiest(reading: Reading) -> list[Key]:
    """Return the key of each kind with the highest spend, and one org of each zone."""

    def most(keys: list[Key]) -> Key:
        return max(keys, key=lambda key: reading.spend[key].month)

    keys = list(reading.spend)
    return [
        TOTAL,
        most([key for key in keys if key.scope == "user"]),
        most([key for key in keys if key.scope == "feature" and key.org_id]),
        most([key for key in keys if key.scope == "feature" and not key.org_id]),
        *(Key("org", org_id, org_id) for org_id in ZONES),
    ]


@pytest.mark.parametrize(
    "now",
    [
        # October in New York and by UTC, November in India and Nepal: for an hour and for ten minutes.
        datetime(2026, 10, 31, 19, 47, 13, tzinfo=UTC),
        datetime(2026, 10, 31, 18, 40, tzinfo=UTC),
        # Closed periods end on the day before.
        datetime(2026, 11, 2, 0, 4, 59, tzinfo=UTC),
        datetime(2026, 11, 1, 3, 10, tzinfo=UTC),
        datetime(2026, 11, 2, 9, 15, tzinfo=UTC),
    ],
)
async def test_a_reading_equals_the_raw_events(session: Session, now: datetime) -> None:
    reader = SpendReader(session=session, floor=0.02)
    # Mostly in the same quarter-hour: the second run reuses the closed periods of the first.
    await reader.read(now - timedelta(minutes=2))
    reading = await reader.read(now)
    zones = reading.zones
    for key in busiest(reading):
        expected = await sums(session, key, spans(now, zones.get(key.org_id, ZoneInfo("UTC"))))
        assert reading.spend.get(key, Spend()).windows() == expected, key


async def test_late_events_count_at_once_or_from_the_next_quarter_on(session: Session) -> None:
    now = datetime(2026, 10, 20, 9, 16, tzinfo=UTC)
    reader, late = SpendReader(session=session, floor=2.0), Key("org", "late", "late")
    assert (await reader.read(now)).spend_of(late) == Spend()
    await session.command(
        "INSERT INTO usage_events (event_id, occurred_at, org_id, user_id, feature, key_source, cost) VALUES"
        " (generateUUIDv4(), '2026-10-20 08:20:00', 'late', 'u', 'chat', 'platform', 2),"
        " (generateUUIDv4(), '2026-10-20 05:00:00', 'late', 'u', 'chat', 'platform', 3)"
    )
    two, five = Decimal(2), Decimal(5)
    assert (await reader.read(now + timedelta(seconds=10))).spend_of(late) == Spend(Decimal(0), two, two, two)
    assert (await reader.read(now + timedelta(minutes=14))).spend_of(late) == Spend(Decimal(0), Decimal(0), five, five)


async def test_usual_spend_equals_the_raw_events(session: Session) -> None:
    now = datetime(2026, 11, 2, 9, 7, tzinfo=UTC)
    reading = await SpendReader(session=session, floor=0.02).read(now)
    people = [key for key in reading.baselines if key.scope == "user"]
    assert people
    hour_end = datetime(2026, 11, 2, 9, 15, tzinfo=UTC)
    for key in [*people[:2], *(key for key in busiest(reading) if key.scope != "user" and key != TOTAL)]:
        days = {
            str(day): (hour_end - timedelta(days=day, hours=1), hour_end - timedelta(days=day)) for day in range(1, 15)
        }
        expected = [float(amount) for amount in (await sums(session, key, days)).values()]
        assert reading.baselines[key].same_hours == pytest.approx(expected), key


async def test_a_busy_hour_is_the_third_most_expensive_of_the_key_or_its_surroundings(session: Session) -> None:
    now = datetime(2026, 11, 2, 9, 7, tzinfo=UTC)
    baselines = (await SpendReader(session=session, floor=2.0).read(now)).baselines
    answer = await session.query(
        "SELECT sum(event.cost) AS cost FROM usage_events AS event WHERE org_id = 'sunrise-delhi'"
        " AND key_source = 'platform' AND occurred_at < '2026-11-02 00:00:00'"
        " GROUP BY toStartOfHour(occurred_at) ORDER BY cost DESC LIMIT 3"
    )
    third = float(answer.result_rows[2][0])
    assert baselines[Key("org", "sunrise-delhi", "sunrise-delhi")].busy == pytest.approx(third)
    # A feature is scored by its org if the org's usual spend is higher.
    assert baselines[Key("feature", "sunrise-delhi", "chat")].busy == pytest.approx(third)


async def test_quiet_days_are_quiet(session: Session) -> None:
    """Every key has a budget that is a quarter above its spend."""
    await set_budgets(session, headroom=Decimal("1.25"), now=END)
    times = moments(END - timedelta(days=3, minutes=23), END, every=timedelta(hours=5))
    assert await findings(session, times) == []


@pytest.mark.parametrize(
    ("incident", "start", "org_id", "within"),
    [
        ("runaway_loop", datetime(2026, 11, 2, 6, 12, 3, tzinfo=UTC), "sunrise-delhi", 60),
        ("stolen_key_at_night", datetime(2026, 11, 1, 20, 30, 7, tzinfo=UTC), "niketan-bengaluru", 60),
        # 15 USD per hour: the amount determines the time.
        ("price_jump", datetime(2026, 11, 2, 5, 1, 11, tzinfo=UTC), "greenfield-pune", 900),
    ],
)
async def test_an_incident_is_found(session: Session, incident: str, start: datetime, org_id: str, within: int) -> None:
    known = Directory(session=session)
    await known.refresh()
    await store_calls(session, INCIDENTS[incident](seed=7, start=start), known=known, name=incident)
    found = await seconds_to_find(session, start, org_id, most=within // RUN_SECONDS)
    assert found is not None
