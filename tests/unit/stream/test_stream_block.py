"""A block has one row per event, every column of the table, exact costs, and users as in the directory."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from spendmeter_clickhouse import Store, StoreSettings
from spendmeter_events import UsageEvent
from spendmeter_stream.directory import Directory, UserAttributes, UserVersions, history_of, with_version
from spendmeter_stream.ingest.block import build_block
from spendmeter_stream.ingest.decode import Events
from spendmeter_stream.ingest.gaps import count_gaps
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.pricing import PriceBook
from tests.support.metrics import metric
from tests.support.records import event

TABLE = Path(__file__).parents[3] / "clickhouse" / "migrations" / "0001_usage_events.sql"
NOW = datetime(2026, 11, 22, 12, 0, 0, 999_999, tzinfo=UTC)


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook.load()


def build(book: PriceBook, *events: UsageEvent, users: dict[tuple[str, str], Any] | None = None) -> pa.Table:
    return build_block(
        Events.of(events, range(100, 100 + len(events))),
        coordinates=Coordinates("life-1", 3),
        book=book,
        users=users or {},
        ingested_at=NOW,
    )


def row(book: PriceBook, **changes: Any) -> dict[str, Any]:
    (only,) = build(book, event(1, **changes)).to_pylist()
    return dict(only)


def test_it_fills_every_column_that_has_no_default_for_a_call(book: PriceBook) -> None:
    columns = set(re.findall(r"^    (\w+) [A-Z]\w*[( ,]", TABLE.read_text(), flags=re.MULTILINE)) - {"INDEX"}
    assert set(build(book, event(1)).column_names) == columns - {"kind", "requests", "adjusts", "adjustment"}


def test_a_cost_is_exact(book: PriceBook) -> None:
    priced = row(book, input_tokens=1, output_tokens=1)
    assert (priced["input_cost"], priced["output_cost"]) == (Decimal("0.0000025"), Decimal("0.00001"))
    assert priced["cost"] == Decimal("0.0000125")
    assert priced["pricing_status"] == "priced"
    assert priced["price_version"] == book.version


def test_the_largest_counts_do_not_overflow(book: PriceBook) -> None:
    priced = row(book, input_tokens=2**40, output_tokens=2**40)
    assert priced["cost"] == 2**40 * Decimal("0.0000125")


def test_an_unknown_model_is_reported(book: PriceBook) -> None:
    unpriced = row(book, model="nobody-knows")
    assert (unpriced["pricing_status"], unpriced["cost"]) == ("unpriced", 0)
    assert sorted(unpriced["unpriced_units"]) == ["input_tokens", "output_tokens"]
    assert (unpriced["unpriced_requests"], unpriced["partial_requests"]) == (1, 0)


def test_a_call_without_a_user_is_the_systems(book: PriceBook) -> None:
    assert row(book, user_id=None)["user_id"] == "system"


def test_users_are_stamped_as_they_stand(book: PriceBook) -> None:
    users = {("school-1", "user-1"): UserAttributes("student", "8", "B")}
    stamped, other = build(book, event(1), event(2, user_id="stranger"), users=users).to_pylist()
    assert (stamped["role"], stamped["class_name"], stamped["section"]) == ("student", "8", "B")
    assert (other["role"], other["class_name"], other["section"]) == ("", "", "")


MARCH = datetime(2026, 3, 1, tzinfo=UTC)
PUPIL, TEACHER = UserAttributes("student", "12", "A"), UserAttributes("teacher")


def test_a_late_event_has_the_attributes_of_its_time(book: PriceBook) -> None:
    """Row B13. Calls before the first version have its attributes."""
    versions = history_of({0: PUPIL, 1000: PUPIL, round(MARCH.timestamp() * 1000): TEACHER})
    assert isinstance(versions, UserVersions)
    times = ("2025-01-01T00:00:00Z", "2026-02-28T23:59:59.999Z", "2026-03-01T00:00:00Z")
    calls = [event(number, occurred_at=at) for number, at in enumerate(times, 1)]
    roles = [row["role"] for row in build(book, *calls, users={("school-1", "user-1"): versions}).to_pylist()]
    assert roles == ["student", "student", "teacher"]


def test_a_user_who_never_changed_has_no_list_of_versions() -> None:
    assert history_of({5: PUPIL, 9: PUPIL}) is PUPIL
    changed = with_version(PUPIL, 7, TEACHER)
    assert [changed.at(time) for time in (6, 7)] == [PUPIL, TEACHER]
    assert with_version(changed, 7, PUPIL) is PUPIL
    assert with_version(None, 7, TEACHER) is TEACHER


def test_times_and_seconds_keep_milliseconds(book: PriceBook) -> None:
    kept = row(book, occurred_at="2026-11-02T10:00:00.123456+05:45", audio_seconds=1.0005)
    assert kept["occurred_at"] == datetime(2026, 11, 2, 4, 15, 0, 123_000, tzinfo=UTC)
    assert kept["audio_seconds"] == Decimal("1.000")
    assert kept["ingested_at"] == NOW.replace(microsecond=999_000)


def test_unreported_values_stay_unknown(book: PriceBook) -> None:
    blank = row(book)
    assert (blank["latency_ms"], blank["ttft_ms"], blank["provider_cost"]) == (None, None, None)
    stored = row(book, latency_ms=0, ttft_ms=5, provider_cost_usd=0.1)
    assert (stored["latency_ms"], stored["ttft_ms"], stored["provider_cost"]) == (0, 5, Decimal("0.1"))


def test_coordinates_are_those_of_the_record(book: PriceBook) -> None:
    rows = build(book, event(1), event(2)).to_pylist()
    assert [(r["topic_id"], r["topic_partition"], r["topic_offset"]) for r in rows] == [
        ("life-1", 3, 100),
        ("life-1", 3, 101),
    ]
    assert [r["event_id"] for r in rows] == [event(1).event_id.bytes, event(2).event_id.bytes]


def test_no_events_make_no_rows(book: PriceBook) -> None:
    assert build(book).num_rows == 0


def test_a_block_counts_the_keys_that_were_not_read(book: PriceBook, tmp_path: Path) -> None:
    """Given events with unread counts, then each key is counted; and an empty block has nothing to count."""
    unread = {"usage": "unread", "usage_unread": "video_tokens,details.odd_tokens,…"}
    events = [event(1, tags=unread), event(2, tags=unread), event(3, tags={"usage": "aborted"}), event(4)]

    def counted(key: str) -> float:
        return metric("spendmeter_unread_counts_total", provider=events[0].provider, key=key)

    with Store(StoreSettings(store_dsn=f"chdb://{tmp_path / 'store'}")) as store:
        directory = Directory(session=store.session("directory"))
        newest = metric("spendmeter_last_stored_timestamp_seconds")
        # A recovery has an empty block if its records have expired.
        count_gaps(Events.of([]), build(book), directory)
        assert metric("spendmeter_last_stored_timestamp_seconds") == newest
        before = [counted(key) for key in ("video_tokens", "details.odd_tokens", "…", "")]
        count_gaps(Events.of(events), build(book, *events), directory)
    after = [counted(key) for key in ("video_tokens", "details.odd_tokens", "…", "")]
    assert [late - early for late, early in zip(after, before, strict=True)] == [2, 2, 0, 0]
