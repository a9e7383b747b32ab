"""Additional fields of breakdown rows: names, user columns, sparklines of agents."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from spendmeter_clickhouse.budgets.snapshot import BudgetSnapshot
from spendmeter_clickhouse.catalogue import Dimension
from spendmeter_events.event import SYSTEM_USER
from spendmeter_rollups.query import sums as queries
from spendmeter_rollups.query.reader import Row
from spendmeter_rollups.query.statement import milliseconds
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.views.directory_names import names_of_keys
from spendmeter_rollups.views.series import MAX_SPARKS, check_values, resolve_granularity, series_edges

Key = tuple[str, ...]


def key_of(row: Row, columns: Sequence[str]) -> Key:
    """Return the values of `columns` in `row`."""
    return tuple(row[column] for column in columns)


async def row_details(usage: UsageReader, dimension: Dimension, rows: Sequence[Row]) -> dict[Key, dict[str, Any]]:
    """Return the additional fields of `rows`, by key."""
    if not rows:
        return {}
    columns = dimension.columns
    keys = [key_of(row, columns) for row in rows]
    names = await names_of_keys(usage, columns, keys)
    found: dict[Key, dict[str, Any]] = {key: names.of(columns, key) for key in keys}
    if dimension.name == "agent":
        for key, sparkline in (await _sparklines(usage, dimension, keys)).items():
            found[key] |= sparkline
    if dimension.name == "user":
        snapshot = await usage.reader.budgets.current(usage.scope.now)
        for key, row in zip(keys, rows, strict=True):
            identity = names.identity(*key)
            found[key]["user"] = {**identity, "top_feature": row["top_feature"] or None}
            found[key]["budget"] = _budget(snapshot, *key, role=identity["role"])
    return found


def _budget(snapshot: BudgetSnapshot, org_id: str, user_id: str, *, role: str | None) -> dict[str, Any] | None:
    found = None if user_id == SYSTEM_USER else snapshot.of_user(org_id, user_id, role)
    if found is None:
        return None
    budget, usd = found
    rate = Decimal(1) if budget.currency == "USD" else snapshot.rates.get(budget.currency)
    return {
        "budget_id": budget.budget_id,
        "amount": budget.amount,
        "currency": budget.currency,
        "spent": usd * rate if rate else None,
        "used_share": round(float(usd * rate / budget.amount), 6) if rate else None,
        "default": budget.per_user,
    }


async def _sparklines(usage: UsageReader, dimension: Dimension, keys: Sequence[Key]) -> dict[Key, dict[str, Any]]:
    scope = usage.scope
    edges = series_edges(scope, resolve_granularity(scope, "auto"))
    check_values(len(keys), edges, limit=len(keys), most=MAX_SPARKS)
    rows = await usage.read(queries.ranked_series, dimension.columns, ("cost",), edges=edges, keys=keys)
    costs = {(row["position"], row["bucket"]): row["cost"] for row in rows}
    starts = [milliseconds(edge) for edge in edges[:-1]]
    return {
        key: {"sparkline": [costs.get((position, start), 0) for start in starts]}
        for position, key in enumerate(keys, start=1)
    }
