"""Answers of the guard's statements by key, and the quarters of an hour that they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from spendmeter_clickhouse import Session
from spendmeter_stream.guard.values import TOTAL, Key

QUARTER: Final = timedelta(minutes=15)


def quarter_end(now: datetime) -> datetime:
    """The end of the quarter of an hour in which `now` lies."""
    return now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0) + QUARTER


async def rows_by_key(session: Session, sql: str, parameters: Mapping[str, Any]) -> dict[Key, tuple[Any, ...]]:
    """Rows of (scope, org_id, name, values …) by key. Raises `StoreError`."""
    answer = await session.query(sql, parameters)
    return {to_key(*row[:3]): tuple(row[3:]) for row in answer.result_rows}


def to_key(scope: str, org_id: str, name: str) -> Key:
    """The key that the first three columns of a row name."""
    if scope == "all":
        return TOTAL
    if scope == "org":
        return Key("org", org_id, org_id)
    return Key("user" if scope == "user" else "feature", org_id, name)
