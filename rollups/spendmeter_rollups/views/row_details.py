"""Additional fields of breakdown rows: names, user columns, sparklines of agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spendmeter_clickhouse.catalogue import Dimension
from spendmeter_rollups.query import lookups
from spendmeter_rollups.query import sums as queries
from spendmeter_rollups.query.reader import Reader, Row
from spendmeter_rollups.query.statement import milliseconds
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.views.series import MAX_SPARKS, check_values, resolve_granularity, series_edges

Key = tuple[str, ...]


def key_of(row: Row, columns: Sequence[str]) -> Key:
    """Return the values of `columns` in `row`."""
    return tuple(row[column] for column in columns)


async def row_details(usage: UsageReader, dimension: Dimension, rows: Sequence[Row]) -> dict[Key, dict[str, Any]]:
    """Return the additional fields of `rows`, by key."""
    if not rows:
        return {}
    keys, reader = [key_of(row, dimension.columns) for row in rows], usage.reader
    if dimension.name == "org":
        names = {row["org_id"]: row["name"] for row in await reader.rows(lookups.org_names([k[0] for k in keys]))}
        return {key: {"name": names.get(key[0]) or None} for key in keys}
    if dimension.name == "user":
        return await _users(reader, rows)
    if dimension.name == "agent":
        return await _sparklines(usage, dimension, keys)
    return {}


async def _users(reader: Reader, rows: Sequence[Row]) -> dict[Key, dict[str, Any]]:
    features = {(row["org_id"], row["user_id"]): row["top_feature"] or None for row in rows}
    found: dict[Key, dict[str, Any]] = {}
    for row in await reader.rows(lookups.identities(list(features))):
        key = (row["org_id"], row["user_id"])
        columns = {name: row[name] or None for name in ("org_name", "role", "class_name", "section")}
        found[key] = {
            "name": row["name"] or None,
            "user": {**columns, "top_feature": features[key]},
        }
    return found


async def _sparklines(usage: UsageReader, dimension: Dimension, keys: Sequence[Key]) -> dict[Key, dict[str, Any]]:
    scope = usage.scope
    edges = series_edges(scope, resolve_granularity(scope, "auto"))
    check_values(len(keys), edges, limit=len(keys), most=MAX_SPARKS)
    rows = await usage.read(queries.ranked_series, dimension.columns, ("cost",), edges=edges, keys=keys)
    costs = {(row["position"], row["bucket"]): scope.rate.convert(row["cost"]) for row in rows}
    starts = [milliseconds(edge) for edge in edges[:-1]]
    return {
        key: {"sparkline": [costs.get((position, start), 0) for start in starts]}
        for position, key in enumerate(keys, start=1)
    }
