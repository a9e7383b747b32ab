"""Every metric of the worker, in one place. docs/metrics.md explains each; a test holds the two together."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter(
    "spendmeter_events", "Usage records read, by what became of them.", ["outcome"]
)  # stored | duplicate | dead_letter
DEAD_LETTERS = Counter("spendmeter_dead_letters", "Records that were dead-lettered, by error code.", ["code"])
UNPRICED = Counter(
    "spendmeter_unpriced_events", "Events with a used unit that has no rate.", ["provider", "model", "unit"]
)
CALLS = Counter("spendmeter_calls", "Calls stored, by outcome.", ["provider", "status"])
UNKNOWN_ORGS = Counter("spendmeter_unknown_orgs", "Events of an org that the directory does not know.")
UNKNOWN_USERS = Counter("spendmeter_unknown_users", "Events of a user that the directory does not know.")
CHUNKS = Counter("spendmeter_chunks", "Chunks stored, by why they were closed.", ["reason"])
CHUNK_RECORDS = Histogram(
    "spendmeter_chunk_records",
    "Records in a chunk.",
    buckets=(1, 10, 100, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000),
)
STEP_SECONDS = Histogram(
    "spendmeter_step_seconds",
    "Time of one step of the chunk protocol, retries included.",
    ["step"],
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
RETRIES = Counter("spendmeter_retries", "Attempts that failed and will be made again, by step.", ["step"])
LAG_RECORDS = Gauge("spendmeter_consumer_lag_records", "Records not yet stored.", ["partition"])
LAG_SECONDS = Gauge("spendmeter_consumer_lag_seconds", "Age of the oldest record not yet stored.", ["partition"])
PARTITION_STOPPED = Gauge(
    "spendmeter_partition_stopped",
    "1 while a partition is not processed: too many bad records in a row, or a fault.",
    ["partition"],
)
RECORDS_SKIPPED = Counter(
    "spendmeter_records_skipped", "Records passed over because they cannot be read or used.", ["topic", "reason"]
)
OFFSETS_LOST = Counter(
    "spendmeter_offsets_lost",
    "Offsets of the usage topic that retention removed before they were known to be stored.",
    ["partition"],
)
NEWEST_EVENT = Gauge("spendmeter_newest_event_timestamp_seconds", "When the newest stored event occurred.")
RECOVERED_CHUNKS = Counter("spendmeter_recovered_chunks", "Open chunks of an earlier owner that were recovered.")
ROWS_REINSERTED = Counter(
    "spendmeter_rows_reinserted", "Rows that a killed store remembered without having them, and that were put back."
)
DIRECTORY_ENTRIES = Counter("spendmeter_directory_entries", "Directory records read.", ["outcome"])
SURPLUS_REMOVED = Counter(
    "spendmeter_surplus_copies_removed", "Copies of calls that were stored in another partition, too, and removed."
)
ROLLUP_DRIFT = Gauge(
    "spendmeter_rollup_drift",
    "Differences between raw events and rollups at the last check; 0 is the only good value.",
)
SUSPECT_BLOCKS = Gauge("spendmeter_suspect_blocks", "Suspect blocks of interrupted inserts, not yet reconciled.")
MONTHS_REBUILT = Counter(
    "spendmeter_rollup_months_rebuilt", "Months whose rollups were rebuilt after an interrupted insert."
)
BACKGROUND_TASK_UP = Gauge(
    "spendmeter_background_task_up", "0 while a background task has failed and does not run again, else 1.", ["task"]
)
BACKGROUND_TASK_FAILURES = Counter(
    "spendmeter_background_task_failures", "Times that a background task failed and was started again.", ["task"]
)

STORE_PARTS = Gauge("spendmeter_store_parts", "Active parts of the table's fullest partition.", ["table"])
STORE_DISK_FREE = Gauge("spendmeter_store_disk_free_ratio", "Free space of ClickHouse's disk over its size.", ["disk"])
STORE_CHECKED = Gauge(
    "spendmeter_store_checked_timestamp_seconds", "When this worker last asked the store for parts and disks."
)
PRICE_BOOK_VERIFIED = Gauge(
    "spendmeter_price_book_verified_timestamp_seconds", "The newest day on which a price in force was verified."
)

_MAX_PROVIDERS = 100
_providers: set[str] = set()
_MAX_MODELS = 500
_models: set[tuple[str, str]] = set()


def count_outcome(stored: int, duplicates: int, dead_letter_codes: list[str]) -> None:
    """What became of one chunk's records."""
    EVENTS.labels("stored").inc(stored)
    EVENTS.labels("duplicate").inc(duplicates)
    EVENTS.labels("dead_letter").inc(len(dead_letter_codes))
    for code in dead_letter_codes:
        DEAD_LETTERS.labels(code).inc()


def drop_background_task(task: str) -> None:
    """Stop exporting a task that ended because its work is done."""
    with suppress(KeyError):
        BACKGROUND_TASK_UP.remove(task)


def show_price_book(verified_at: str) -> None:
    """The newest day (ISO 8601) on which a price of the book in force was verified; nothing for an empty book."""
    if verified_at:
        PRICE_BOOK_VERIFIED.set(datetime.fromisoformat(verified_at).replace(tzinfo=UTC).timestamp())


def count_unpriced(provider: str, model: str, unit: str) -> None:
    """An event lacking a rate. Names come from emitters, so past a bound they share one label."""
    if (provider, model) not in _models:
        if len(_models) >= _MAX_MODELS:
            provider, model = "other", "other"
        _models.add((provider, model))
    UNPRICED.labels(provider, model, unit).inc()


def count_calls(calls: Mapping[tuple[str, str], int]) -> None:
    """(provider, status) → calls of one block. Providers come from emitters, so past a bound they share one label."""
    for (provider, status), number in calls.items():
        if provider not in _providers:
            if len(_providers) >= _MAX_PROVIDERS:
                provider = "other"
            _providers.add(provider)
        CALLS.labels(provider, status).inc(number)
