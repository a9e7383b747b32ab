"""Run the guard's queries, and map their rows to keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spendmeter_clickhouse import Session
from spendmeter_stream.guard.values import TOTAL, Key


async def rows_by_key(session: Session, sql: str, parameters: Mapping[str, Any]) -> dict[Key, tuple[Any, ...]]:
    """Return rows of (scope, org_id, name, values …) by key. Raises `StoreError`."""
    answer = await session.query(sql, parameters)
    return {to_key(*row[:3]): tuple(row[3:]) for row in answer.result_rows}


def to_key(scope: str, org_id: str, name: str) -> Key:
    """Return the key of a row from its first three columns."""
    if scope == "all":
        return TOTAL
    if scope == "org":
        return Key("org", org_id, org_id)
    return Key("user" if scope == "user" else "feature", org_id, name)
