"""An independent implementation of the answers: polars over raw rows, with buckets by local time.

The service computes bucket edges and reads rollups between them; the oracle uses neither.
Amounts are integers of 1e-12 USD.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from spendmeter_clickhouse.catalogue import DIMENSIONS
from tests.support.usage import usage_row

PICO = Decimal("1e-12")
BEGIN = datetime(2025, 9, 20, tzinfo=UTC)
END = datetime(2026, 4, 10, tzinfo=UTC)
ZONES = (
    "UTC",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "America/New_York",
    "Europe/Paris",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Pacific/Apia",
    "Africa/Cairo",
)
VALUES: dict[str, tuple[str, ...]] = {
    "org": ("acme", "beta", "gamma"),
    "role": ("student", "teacher", ""),
    "feature": ("chat", "rag", "quiz"),
    "provider": ("openai", "anthropic"),
    "model": ("small", "large", "huge"),
    "key_source": ("platform", "byok"),
    "user": ("ann", "bob", "cid", "system"),
    "class": ("7", "8"),
    "section": ("A", "B"),
    "action": ("user_interaction", "guardrail_check"),
    "agent": ("", "tutor", "coach"),
    "task": ("", "grade"),
    "configuration": ("strict", "loose"),
    "service": ("chat", "speech"),
    "status": ("ok", "error", "cancelled"),
    "error_type": ("timeout", "rate_limit"),
}
COLUMNS = {name: dimension.columns[-1] for name, dimension in DIMENSIONS.items()}
TAGS = {"env": ("prod", "test"), "a'); DROP TABLE x --": ("1", "é:,=")}
_DRAWN = (
    "org",
    "feature",
    "provider",
    "model",
    "key_source",
    "user",
    "action",
    "agent",
    "task",
    "configuration",
    "service",
)
SUMMED = (
    "requests",
    "errors",
    "cost",
    "chargeable_cost",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "output_tokens",
    "characters",
)


def random_rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Return calls of seven months, a third of them within a second of a local midnight or a clock change."""
    chance = random.Random(seed)
    return [_row(number, chance) for number in range(count)]


def _row(number: int, chance: random.Random) -> dict[str, Any]:
    adjustment = chance.random() < 0.02
    status = chance.choices(("ok", "error", "cancelled"), (90, 8, 2))[0]
    role = chance.choice(VALUES["role"])
    student = role == "student"
    return usage_row(
        number,
        _moment(chance),
        kind="adjustment" if adjustment else "usage",
        requests=0 if adjustment else 1,
        **{COLUMNS[name]: chance.choice(VALUES[name]) for name in _DRAWN},
        role=role,
        class_name=chance.choice("78") if student else "",
        section=chance.choice("AB") if student else "",
        status=status,
        error_type=chance.choice(("timeout", "rate_limit")) if status == "error" else "",
        input_tokens=chance.randrange(5000),
        cache_read_tokens=chance.randrange(3000),
        cache_write_5m_tokens=chance.randrange(100),
        output_tokens=chance.randrange(1000),
        characters=chance.randrange(50),
        input_cost=chance.randrange(-(10**9) if adjustment else 0, 10**10) * PICO,
        output_cost=chance.randrange(10**10) * PICO,
        unit_cost=chance.randrange(3) * PICO,
        tags={key: chance.choice(values) for key, values in TAGS.items() if chance.random() < 0.7},
        latency_ms=None if adjustment or chance.random() < 0.1 else int(chance.lognormvariate(6, 1)),
    )


def _moment(chance: random.Random) -> datetime:
    moment = BEGIN + timedelta(milliseconds=chance.randrange(int((END - BEGIN).total_seconds() * 1000)))
    if chance.random() < 0.33:
        zone = ZoneInfo(chance.choice(ZONES))
        local = moment.astimezone(zone).replace(hour=chance.choice((0, 1, 2, 3)), minute=0, second=0, microsecond=0)
        near = local.replace(fold=chance.randrange(2)).astimezone(UTC)
        moment = near + timedelta(milliseconds=chance.randrange(-1000, 1000))
    return min(max(moment, BEGIN), END)


def frame_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Return rows as the oracle's data frame."""
    picked = [
        {
            "at": row["occurred_at"],
            "ms": round(row["occurred_at"].timestamp() * 1000),
            "cost": int(row["cost"] / PICO),
            "chargeable_cost": int(row["cost"] / PICO) if row["key_source"] == "platform" else 0,
            **{f"tag:{key}": row["tags"].get(key, "") for key in TAGS},
            "errors": row["requests"] if row["status"] == "error" else 0,
            **{name: row[name] for name in (*SUMMED, *_KEPT) if name not in ("cost", "chargeable_cost", "errors")},
        }
        for row in rows
    ]
    return pl.DataFrame(picked, schema_overrides={"at": pl.Object, "latency_ms": pl.Int64})


_KEPT = (*COLUMNS.values(), "kind", "latency_ms")


def select(frame: pl.DataFrame, start: datetime, end: datetime, filters: dict[str, list[str]]) -> pl.DataFrame:
    """Return the rows of [start, end) that match `filters` (query parameter → values); classes are of students."""
    found = frame.filter(
        (pl.col("ms") >= round(start.timestamp() * 1000)) & (pl.col("ms") < round(end.timestamp() * 1000))
    )
    for name, values in filters.items():
        found = found.filter(pl.col(COLUMNS[name]).is_in(values))
        if name in ("class", "section"):
            found = found.filter(pl.col("role") == "student")
    return found


def totals(frame: pl.DataFrame) -> dict[str, int]:
    """Return the sums of `frame`."""
    return {name: int(frame[name].sum()) for name in SUMMED}


def users(frame: pl.DataFrame) -> int:
    """Return the number of distinct users with a request."""
    active = frame.filter((pl.col("requests") > 0) & (pl.col("user_id") != "system"))
    return active.select("org_id", "user_id").unique().height


def grouped(frame: pl.DataFrame, columns: list[str]) -> dict[tuple[str, ...], dict[str, int]]:
    """Return key → sums."""
    found = frame.group_by(columns).agg(pl.col(name).sum() for name in SUMMED)
    return {
        tuple(row[column] for column in columns): {name: int(row[name]) for name in SUMMED}
        for row in found.iter_rows(named=True)
    }


@lru_cache(maxsize=100_000)
def local_label(moment: datetime, granularity: str, zone: str) -> str:
    """Return the local start of the bucket that contains `moment`."""
    local = moment.astimezone(ZoneInfo(zone))
    if granularity == "hour":
        return local.strftime("%Y-%m-%d %H %z")
    day = local.date()
    if granularity == "week":
        day -= timedelta(days=day.weekday())
    if granularity == "month":
        day = day.replace(day=1)
    return day.isoformat()


def by_bucket(frame: pl.DataFrame, granularity: str, zone: str) -> dict[str, dict[str, int]]:
    """Return bucket label → sums."""
    found: dict[str, dict[str, int]] = {}
    for row in frame.iter_rows(named=True):
        sums = found.setdefault(local_label(row["at"], granularity, zone), dict.fromkeys(SUMMED, 0))
        for name in SUMMED:
            sums[name] += row[name]
    return found
