"""Usage rows for tests of queries, inserted directly into `usage_events`; materialized views fill the rollups."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from spendmeter_clickhouse import Store

_COSTS = ("input_cost", "cache_read_cost", "cache_write_cost", "output_cost", "audio_cost", "unit_cost")


def usage_row(number: int, occurred_at: datetime, **columns: Any) -> dict[str, Any]:
    """Return a row; `cost` is the sum of its parts, and the id is derived from `number`."""
    row: dict[str, Any] = {
        "event_id": UUID(int=number),
        "kind": "usage",
        "occurred_at": occurred_at,
        "org_id": "acme",
        "user_id": "ann",
        "role": "student",
        "class_name": "7",
        "section": "A",
        "feature": "chat",
        "action": "user_interaction",
        "agent_id": "",
        "task_id": "",
        "configuration_id": "",
        "conversation_id": "",
        "request_id": f"request-{number}",
        "service": "chat",
        "provider": "openai",
        "model": "gpt-4o",
        "key_source": "platform",
        "requests": 1,
        "input_tokens": 0,
        "cache_read_tokens": 0,
        "cache_write_5m_tokens": 0,
        "cache_write_1h_tokens": 0,
        "output_tokens": 0,
        "reasoning_tokens": 0,
        "input_audio_tokens": 0,
        "output_audio_tokens": 0,
        "characters": 0,
        "audio_seconds": Decimal(0),
        "images": 0,
        "video_seconds": 0,
        "tool_calls": 0,
        **dict.fromkeys(_COSTS, Decimal(0)),
        "cache_savings": Decimal(0),
        "pricing_status": "priced",
        "partial_requests": 0,
        "unpriced_requests": 0,
        "cache_unpriced_requests": 0,
        "provider_cost": None,
        "status": "ok",
        "error_type": "",
        "error_message": "",
        "latency_ms": None,
        "ttft_ms": None,
        "streamed": False,
        "tags": {},
        "topic_id": "test",
        "topic_offset": number,
        "ingested_at": datetime(2026, 11, 22, tzinfo=UTC),
        **columns,
    }
    return row | {"cost": sum((row[part] for part in _COSTS), Decimal(0))}


_ROLLUPS = ("usage_15m", "usage_hourly", "usage_daily", "user_daily", "latency_daily")


def merge_rollups(store: Store) -> None:
    """Merge the parts of each rollup, which builds projections. Parts with and without them need separate merges."""
    with store.session("merge") as session:
        for table in _ROLLUPS:
            asyncio.run(session.command(f"OPTIMIZE TABLE {table} FINAL"))


def insert_usage(store: Store, rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows made by `usage_row`, all with the same columns.

    Under a token of their own: tests that share a store insert equal rows, and `TRUNCATE` keeps the log of seen blocks.
    """
    found = list(rows)
    columns = list(found[0])
    values = [tuple(row[column] for column in columns) for row in found]
    settings = {"async_insert": 0, "insert_deduplication_token": uuid4().hex}
    with store.session("usage") as session:
        asyncio.run(
            session.run(lambda client: client.insert("usage_events", values, column_names=columns, settings=settings))
        )
