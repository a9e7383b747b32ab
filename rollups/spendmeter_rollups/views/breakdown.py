"""Usage by one dimension or by two, ranked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field

from spendmeter_clickhouse.catalogue import DIMENSIONS, ROW_MEASURES, USERS, Dimension
from spendmeter_rollups.catalogue.aggregates import add, aggregates
from spendmeter_rollups.catalogue.dimensions import STUDENT_ROLE, counts_students, crossed
from spendmeter_rollups.catalogue.money import Money, subtract_exactly
from spendmeter_rollups.catalogue.orders import KEY, descends
from spendmeter_rollups.catalogue.tags import PREFIX, public_name, tag_dimension
from spendmeter_rollups.problems import invalid_parameter, not_found, too_much
from spendmeter_rollups.query import sums as queries
from spendmeter_rollups.query.params import ScopeParams, Value, fold
from spendmeter_rollups.query.reader import Row
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.views.answers import Answer, Measures, frame
from spendmeter_rollups.views.ranking import (
    COUNTS_USERS,
    OrderParam,
    RowColumn,
    check_order,
    ranked_keys,
    ranked_rows,
    rows_of,
)
from spendmeter_rollups.views.row_details import key_of, row_details
from spendmeter_rollups.views.user_table import keyed_users

_NAMES: Final = [*DIMENSIONS, f"{PREFIX}KEY"]
MOST_SORTED: Final = 100_000
"""Rows of an export in another order than by key: all keys are kept in memory."""
_SHARES: Final = {"share": "cost", "request_share": "requests", "token_share": "total_tokens"}
"""Share → the measure that it divides by the total."""


class BreakdownParams(ScopeParams):
    """Parameters of a breakdown."""

    order_by: Annotated[
        RowColumn,
        BeforeValidator(fold),
        Field(description="A column of the table; `key` is the first one. Rows without a value are last."),
    ] = "cost"
    order: OrderParam = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    offset: Annotated[int, Field(ge=0, le=10_000, description="for more rows, use the export")] = 0


class SortedParams(ScopeParams):
    """Parameters of an export of a breakdown."""

    order_by: Annotated[
        RowColumn,
        BeforeValidator(fold),
        Field(description="as in the breakdown, except that `key` is the default"),
    ] = KEY
    order: OrderParam = None


class GroupParams(ScopeParams):
    """Parameters that name one or two dimensions."""

    group_by: list[Value] = Field(
        ["org"], min_length=1, max_length=2, description="a dimension; repeat it to cross two", examples=[["role"]]
    )


class CrossParams(GroupParams, BreakdownParams):
    """Parameters of a breakdown by one or two dimensions."""


class SortedCrossParams(GroupParams, SortedParams):
    """Parameters of an export of a breakdown by one or two dimensions."""


class UserColumns(BaseModel):
    """Additional columns of a user; null if unknown, as for `system`."""

    org_name: str | None
    role: str | None
    class_name: str | None
    section: str | None
    top_feature: str | None = Field(description="the feature with most requests in the window")


class UserBudgetColumns(BaseModel):
    """A user's monthly budget: their own, or the limit of each user of their org or role. Always the current month."""

    budget_id: UUID
    amount: Money = Field(description="in `currency`")
    currency: str
    spent: Money | None = Field(description="month to date; null without an exchange rate")
    used_share: float | None = Field(description="spent / amount; above 1 if exceeded")
    default: bool = Field(description="whether it is the limit of each user")


class BreakdownRow(Measures):
    """One value of the dimension, or one combination of two."""

    key: dict[str, str] = Field(description="the columns that identify the row", examples=[{"feature": "chat"}])
    share: float | None = Field(description="share of the total cost, 0 to 1")
    request_share: float | None = Field(description="share of all requests, 0 to 1")
    token_share: float | None = Field(description="share of all tokens, 0 to 1")
    users: int | None = Field(
        default=None, description="distinct users; for orgs, roles, classes, sections and features"
    )
    name: str | None = Field(
        default=None, description="of an org, user, agent, task, configuration or feature, from the directory"
    )
    org_name: str | None = Field(default=None, description="for users, classes and sections")
    avatar_url: str | None = Field(default=None, description="of an agent, from the directory")
    names: dict[str, str] | None = Field(
        default=None, description="for two dimensions: names by column of the key", examples=[{"agent_id": "Tutor"}]
    )
    user: UserColumns | None = Field(default=None, description="for users")
    budget: UserBudgetColumns | None = Field(default=None, description="for users; null without a budget")
    sparkline: list[Money] | None = Field(default=None, description="for agents: cost per bucket of the window")


class BreakdownAnswer(Answer):
    """Rows, and the totals of all rows, including those beyond `limit`."""

    dimension: str = Field(description="two dimensions are separated by a comma", examples=["feature", "role,model"])
    rows: list[BreakdownRow]
    other: Measures | None = Field(
        description="the sum of all rows that are not on this page; null if there are none. `last_seen` is null"
    )
    totals: Measures
    has_more: bool = Field(description="there are rows beyond offset + limit")


def find_dimension(name: str) -> Dimension:
    """Return a dimension by name. Raises `Problem` (404) for an unknown name."""
    dimension = DIMENSIONS.get(name) or tag_dimension(name)
    if dimension is None:
        raise not_found("dimension", f"unknown dimension {name!r}", allowed=_NAMES)
    return dimension


def find_group(names: Sequence[str]) -> Dimension:
    """Return the dimension of `group_by`, two of them crossed. Raises `Problem` (422)."""
    found = [DIMENSIONS.get(name) or tag_dimension(name) for name in names]
    known = [dimension for dimension in found if dimension]
    if len(known) < len(found):
        raise invalid_parameter("group_by", f"unknown dimension {names[found.index(None)]!r}", allowed=_NAMES)
    if len(set(names)) < len(names):
        raise invalid_parameter("group_by", "the same dimension twice", allowed=["two different dimensions"])
    return crossed(known)


async def breakdown(usage: UsageReader, *, dimension: Dimension, params: BreakdownParams) -> BreakdownAnswer:
    """Return one page of a breakdown. Classes and sections, and their totals, count students only."""
    usage = students_of(usage, dimension)
    check_order(dimension, params.order_by)
    # One row more than the page, so that `has_more` is known.
    ranked = ranked_rows(
        usage,
        dimension,
        order_by=params.order_by,
        order=params.order,
        offset=params.offset,
        limit=params.limit + 1,
    )
    (total, found), users = await asyncio.gather(ranked, _users(usage, dimension))
    whole, shown = add(total, ROW_MEASURES), found[: params.limit]
    totals, partial = aggregates(whole), bool(params.offset) or len(found) > params.limit
    return BreakdownAnswer(
        **frame(usage.scope),
        dimension=dimension.name,
        rows=await _rows(usage, dimension, shown, users=users, totals=totals),
        other=_other(whole, shown) if partial else None,
        totals=Measures(**totals),
        has_more=len(found) > params.limit,
    )


def _other(whole: Mapping[str, Any], shown: Sequence[Row]) -> Measures:
    added = add(shown, ROW_MEASURES)
    rest = {name: None if name == "last_seen" else _less(whole[name], added[name]) for name in added}
    return Measures(**aggregates(rest))


def _less(whole: Any, part: Any) -> Any:
    return subtract_exactly(whole, part) if isinstance(whole, Decimal) else whole - part


async def all_rows(
    usage: UsageReader, dimension: Dimension, *, portion: int, order_by: str = KEY, order: str | None = None
) -> AsyncIterator[list[BreakdownRow]]:
    """Yield every row of the breakdown, at most `portion` at a time, for exports. Raises `Problem` (422)."""
    usage = students_of(usage, dimension)
    total, users = await asyncio.gather(usage.sums((), ROW_MEASURES), _users(usage, dimension))
    totals, descending = aggregates(add(total, ROW_MEASURES)), descends(order_by, order)
    if order_by == KEY and not descending:
        portions = _rows_by_key(usage, dimension, portion=portion)
    else:
        portions = _ranked_portions(usage, dimension, portion=portion, order_by=order_by, descending=descending)
    async for found in portions:
        yield await _rows(usage, dimension, found, users=users, totals=totals)


async def _rows_by_key(usage: UsageReader, dimension: Dimension, *, portion: int) -> AsyncIterator[list[Row]]:
    after: tuple[str, ...] = ()
    while True:
        found = await _keyed(usage, dimension, after=after, limit=portion)
        yield found
        if len(found) < portion:
            return
        after = key_of(found[-1], dimension.columns)


async def _ranked_portions(
    usage: UsageReader, dimension: Dimension, *, portion: int, order_by: str, descending: bool
) -> AsyncIterator[list[Row]]:
    # Ranked once, so that calls stored meanwhile neither repeat nor hide rows.
    keys = await ranked_keys(usage, dimension, order_by=order_by, descending=descending, limit=MOST_SORTED + 1)
    if len(keys) > MOST_SORTED:
        raise too_much(f"the export has more than {MOST_SORTED} rows: add filters, or omit order_by and order")
    for start in range(0, len(keys), portion):
        yield await rows_of(usage, dimension, keys[start : start + portion])


def students_of(usage: UsageReader, dimension: Dimension) -> UsageReader:
    """Restrict the usage to students for the dimensions class and section."""
    return usage.narrowed(role=(STUDENT_ROLE,)) if counts_students(dimension) else usage


async def _keyed(usage: UsageReader, dimension: Dimension, *, after: tuple[str, ...], limit: int) -> list[Row]:
    if dimension.name == "user":
        return await keyed_users(usage, after=after, limit=limit)
    return await usage.read(queries.keyed_sums, dimension.columns, ROW_MEASURES, after=after, limit=limit)


async def _users(usage: UsageReader, dimension: Dimension) -> dict[tuple[str, ...], int] | None:
    if dimension.name not in COUNTS_USERS:
        return None
    rows = await usage.sums(dimension.columns, (USERS,))
    return {key_of(row, dimension.columns): row[USERS] for row in rows}


async def _rows(
    usage: UsageReader,
    dimension: Dimension,
    rows: Sequence[Row],
    *,
    users: dict[tuple[str, ...], int] | None,
    totals: Mapping[str, Any],
) -> list[BreakdownRow]:
    """Build the rows of the answer. `totals` are in the scope's currency."""
    keys = [key_of(row, dimension.columns) for row in rows]
    details = await row_details(usage, dimension, rows)
    return [
        BreakdownRow(
            **_row(row, dimension, totals),
            **details.get(key, {}),
            users=None if users is None else users.get(key, 0),
        )
        for key, row in zip(keys, rows, strict=True)
    ]


def _row(row: Row, dimension: Dimension, totals: Mapping[str, Any]) -> dict[str, Any]:
    found = aggregates({measure: row[measure] for measure in ROW_MEASURES})
    shares = {name: _share(found[measure], totals[measure]) for name, measure in _SHARES.items()}
    return {**found, **shares, "key": {public_name(column): row[column] for column in dimension.columns}}


def _share(part: Any, whole: Any) -> float | None:
    return round(float(Decimal(part) / Decimal(whole)), 6) if whole else None
