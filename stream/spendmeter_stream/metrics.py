"""All metrics of the worker. docs/metrics.md documents each; a test compares the two."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter(
    "spendmeter_events", "Usage records processed, by outcome.", ["outcome"]
)  # stored | duplicate | dead_letter
DEAD_LETTERS = Counter("spendmeter_dead_letters", "Records written to the dead-letter topic, by error code.", ["code"])
UNPRICED = Counter(
    "spendmeter_unpriced_events", "Events that use a unit without a rate.", ["provider", "model", "unit"]
)
UNREAD = Counter(
    "spendmeter_unread_counts", "Counts of usage sections that no bucket took, by key.", ["provider", "key"]
)
CALLS = Counter("spendmeter_calls", "Calls stored, by outcome.", ["provider", "status"])
UNKNOWN_ORGS = Counter("spendmeter_unknown_orgs", "Events of an org that is not in the directory.")
UNKNOWN_USERS = Counter("spendmeter_unknown_users", "Events of a user who is not in the directory.")
CHUNKS = Counter("spendmeter_chunks", "Chunks stored, by what closed them.", ["reason"])
CHUNK_RECORDS = Histogram(
    "spendmeter_chunk_records",
    "Records per chunk.",
    buckets=(1, 10, 100, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000),
)
STEP_SECONDS = Histogram(
    "spendmeter_step_seconds",
    "Duration of one step of the chunk protocol, including retries.",
    ["step"],
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
RETRIES = Counter("spendmeter_retries", "Failed attempts that are retried, by step.", ["step"])
LAG_RECORDS = Gauge("spendmeter_consumer_lag_records", "Records not yet stored.", ["partition"])
LAG_SECONDS = Gauge("spendmeter_consumer_lag_seconds", "Age of the oldest record not yet stored.", ["partition"])
PARTITION_STOPPED = Gauge(
    "spendmeter_partition_stopped",
    "1 while a partition is stopped: too many consecutive bad records, or an internal error.",
    ["partition"],
)
RECORDS_SKIPPED = Counter(
    "spendmeter_records_skipped", "Records skipped because they cannot be decoded or applied.", ["topic", "reason"]
)
OFFSETS_LOST = Counter(
    "spendmeter_offsets_lost",
    "Offsets of the usage topic that retention removed before they were confirmed as stored.",
    ["partition"],
)
LAST_STORED = Gauge("spendmeter_last_stored_timestamp_seconds", "Time at which this worker last stored events.")
RECOVERED_CHUNKS = Counter(
    "spendmeter_recovered_chunks", "Chunks that an earlier owner left open and that were recovered."
)
ROWS_REINSERTED = Counter(
    "spendmeter_rows_reinserted",
    "Rows re-inserted after a ClickHouse crash kept a deduplication token but lost its rows.",
)
DIRECTORY_ENTRIES = Counter("spendmeter_directory_entries", "Directory records read, by outcome.", ["outcome"])
SURPLUS_REMOVED = Counter(
    "spendmeter_surplus_copies_removed", "Surplus copies of calls from other partitions that were removed."
)
EVENT_CONFLICTS = Counter(
    "spendmeter_event_conflicts", "Events dropped because another event with their id, but other content, is stored."
)
SUSPECTED_DOUBLE_REPORTS = Gauge(
    "spendmeter_suspected_double_reports",
    "Calls of the last 24 hours that may be a second report of another call, by evidence.",
    ["evidence"],
)
ROLLUP_DRIFT = Gauge(
    "spendmeter_rollup_drift",
    "Differences between raw events and rollups at the last check; 0 is correct.",
)
SUSPECT_BLOCKS = Gauge("spendmeter_suspect_blocks", "Suspect blocks that are not reconciled yet.")
MONTHS_REBUILT = Counter(
    "spendmeter_rollup_months_rebuilt", "Months whose rollups were rebuilt after an interrupted insert."
)
BACKGROUND_TASK_UP = Gauge(
    "spendmeter_background_task_up", "0 while a background task has failed and is not running, else 1.", ["task"]
)
BACKGROUND_TASK_FAILURES = Counter(
    "spendmeter_background_task_failures", "Failures of background tasks, each followed by a restart.", ["task"]
)

STORE_PARTS = Gauge("spendmeter_store_parts", "Active parts in the partition with the most parts, by table.", ["table"])
STORE_DISK_FREE = Gauge(
    "spendmeter_store_disk_free_ratio", "Free space of the ClickHouse disk divided by its size.", ["disk"]
)
STORE_CHECKED = Gauge(
    "spendmeter_store_checked_timestamp_seconds", "Time of this worker's last check of parts and disks."
)
PRICE_BOOK_VERIFIED = Gauge(
    "spendmeter_price_book_verified_timestamp_seconds", "Newest verification date of a price in force."
)
PRICE_BOOK_OLDEST = Gauge(
    "spendmeter_price_book_oldest_timestamp_seconds", "Oldest verification date of a row of the price book."
)


class _BoundedLabels:
    """Label values that emitters choose: past a limit, new ones are exported as `other`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: set[tuple[str, ...]] = set()

    def of(self, *values: str) -> tuple[str, ...]:
        """Return the values to export."""
        if values not in self._seen:
            if len(self._seen) >= self._limit:
                return ("other",) * len(values)
            self._seen.add(values)
        return values


_PROVIDERS = _BoundedLabels(100)
_MODELS = _BoundedLabels(500)
_KEYS = _BoundedLabels(500)


def count_outcome(stored: int, duplicates: int, dead_letter_codes: list[str]) -> None:
    """Count one chunk's records by outcome."""
    EVENTS.labels("stored").inc(stored)
    EVENTS.labels("duplicate").inc(duplicates)
    EVENTS.labels("dead_letter").inc(len(dead_letter_codes))
    for code in dead_letter_codes:
        DEAD_LETTERS.labels(code).inc()


def drop_background_task(task: str) -> None:
    """Stop exporting a task that completed."""
    with suppress(KeyError):
        BACKGROUND_TASK_UP.remove(task)


def show_price_book(newest: str, oldest: str) -> None:
    """Export the newest and the oldest verification date (ISO 8601) in the price book; empty for an empty book."""
    for gauge, day in ((PRICE_BOOK_VERIFIED, newest), (PRICE_BOOK_OLDEST, oldest)):
        if day:
            gauge.set(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


def count_unpriced(provider: str, model: str, unit: str) -> None:
    """Count an event with an unpriced unit."""
    UNPRICED.labels(*_MODELS.of(provider, model), unit).inc()


def count_unread(provider: str, key: str) -> None:
    """Count a count that no bucket took."""
    if key and key != "…":
        UNREAD.labels(*_KEYS.of(provider, key)).inc()


def count_calls(calls: Mapping[tuple[str, str], int]) -> None:
    """Count calls by (provider, status)."""
    for (provider, status), number in calls.items():
        CALLS.labels(*_PROVIDERS.of(provider), status).inc(number)
