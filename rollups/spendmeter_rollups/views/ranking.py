"""Rank the rows of a breakdown by any of its columns."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from spendmeter_clickhouse.catalogue import ROW_MEASURES, USERS, Dimension
from spendmeter_rollups.catalogue.orders import MODEL_ORDERS, NAMES, ORDERS, ROW_ORDERS, descends
from spendmeter_rollups.problems import invalid_parameter
from spendmeter_rollups.query import sums as queries
from spendmeter_rollups.query.directory import NAMED, named_keys
from spendmeter_rollups.query.params import fold
from spendmeter_rollups.query.reader import Row
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.views.row_details import key_of
from spendmeter_rollups.views.user_table import user_rows

if TYPE_CHECKING:
    RowColumn = str
    ModelColumn = str
else:
    RowColumn = Literal[(*ROW_ORDERS, USERS, *NAMES)]
    ModelColumn = Literal[(*ROW_ORDERS, *MODEL_ORDERS)]

OrderParam = Annotated[
    Literal["asc", "desc"] | None,
    BeforeValidator(fold),
    Field(description="Default: `desc`, largest or newest first, for figures and times; `asc` for texts."),
]

COUNTS_USERS: Final = ("org", "role", "class", "section", "feature")
"""Dimensions with a meaningful number of users, available from one rollup."""

_NAMED_BY: Final = {
    "org": ("org_id",),
    "user": ("org_id", "user_id"),
    **{kind: (column,) for column, kind in NAMED.items()},
}


def check_order(dimension: Dimension, order_by: str) -> None:
    """Refuse a column that the table of `dimension` lacks. Raises `Problem` (422)."""
    lacking = {USERS} if dimension.name not in COUNTS_USERS else set()
    lacking |= {name for name in NAMES if _entry(dimension, name) is None}
    if order_by in lacking:
        allowed = [name for name in (*ROW_ORDERS, USERS, *NAMES) if name not in lacking]
        raise invalid_parameter("order_by", f"{order_by!r} is no column of this table", allowed=allowed)


async def ranked_rows(
    usage: UsageReader, dimension: Dimension, *, order_by: str, order: str | None, offset: int, limit: int
) -> tuple[list[Row], list[Row]]:
    """Return the totals of all rows, and `limit` rows from `offset` on. Rows of users include `top_feature`."""
    columns, descending, limit = dimension.columns, descends(order_by, order), offset + limit
    if order_by in (*NAMES, USERS) or dimension.name == "user":
        total, keys = await asyncio.gather(
            usage.sums((), ROW_MEASURES),
            ranked_keys(usage, dimension, order_by=order_by, descending=descending, limit=limit),
        )
        return total, await rows_of(usage, dimension, keys[offset:])
    if "user_id" in columns:
        # Users times another dimension: too many keys for totals in the same query.
        total, rows = await asyncio.gather(
            usage.sums((), ROW_MEASURES),
            usage.read(
                queries.ranked_keys, columns, ROW_MEASURES, order_by=order_by, limit=limit, descending=descending
            ),
        )
        return total, rows[offset:]
    rows = await usage.read(
        queries.ranked_sums, columns, ROW_MEASURES, order_by=order_by, limit=limit, descending=descending
    )
    return [row for row in rows if row["is_total"]], [row for row in rows if not row["is_total"]][offset:]


async def ranked_keys(
    usage: UsageReader, dimension: Dimension, *, order_by: str, descending: bool, limit: int
) -> list[Row]:
    """Return the first `limit` keys of the table, without most of its measures."""
    entry = _entry(dimension, order_by)
    if entry is not None:
        return await usage.read(
            named_keys, dimension.columns, ("requests",), entry=entry, limit=limit, descending=descending
        )
    measures = ORDERS[order_by].measures
    return await usage.read(
        queries.ranked_keys, dimension.columns, measures, order_by=order_by, limit=limit, descending=descending
    )


def _entry(dimension: Dimension, order_by: str) -> tuple[str, ...] | None:
    """Return the key in the directory of the name that `order_by` sorts by; None if rows have no such name."""
    columns = set(dimension.columns)
    if order_by == "name":
        return _NAMED_BY.get(dimension.name)
    return ("org_id",) if order_by == "org_name" and "org_id" in columns and len(columns) > 1 else None


async def rows_of(usage: UsageReader, dimension: Dimension, ranked: list[Row]) -> list[Row]:
    """Return all measures of the `ranked` keys, in the same order."""
    if dimension.name == "user":
        return await user_rows(usage, ranked)
    keys = [key_of(row, dimension.columns) for row in ranked]
    rows = await usage.read(queries.sums, dimension.columns, ROW_MEASURES, among=keys) if keys else []
    found = {key_of(row, dimension.columns): row for row in rows}
    return [found[key] for key in keys]
