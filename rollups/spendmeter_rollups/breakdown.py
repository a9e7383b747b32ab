"""Usage by one dimension, ranked (features rows 8, 16, 20)."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field

from spendmeter_rollups.answers import Answer, Figures, frame
from spendmeter_rollups.dimensions import (
    DIMENSIONS,
    ROW_MEASURES,
    STUDENT_DIMENSIONS,
    STUDENT_ROLE,
    Dimension,
)
from spendmeter_rollups.extras import key_of, row_extras
from spendmeter_rollups.figures import add, figures
from spendmeter_rollups.money import Money
from spendmeter_rollups.params import ScopeParams
from spendmeter_rollups.problems import not_found
from spendmeter_rollups.queries import sums as queries
from spendmeter_rollups.reader import Reader, Row
from spendmeter_rollups.scope import Scope

COUNTS_USERS: Final = ("org", "role", "class", "section", "feature")
"""Where the number of users says something, and one rollup has it."""


class BreakdownParams(ScopeParams):
    """How many rows, ranked by what."""

    order_by: Annotated[Literal["cost", "requests", "errors", "total_tokens"], Field(description="largest first")] = (
        "cost"
    )
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    offset: Annotated[int, Field(ge=0, le=100_000)] = 0


class UserColumns(BaseModel):
    """What a table of users shows besides. `null` where there is none, as for `system`."""

    org_name: str | None
    role: str | None
    class_name: str | None
    section: str | None
    top_feature: str | None = Field(description="the one with most requests in the window")


class BreakdownRow(Figures):
    """One value of the dimension."""

    key: dict[str, str] = Field(description="the columns that identify the row", examples=[{"feature": "chat"}])
    share: float | None = Field(description="of the cost of the totals, 0 to 1")
    users: int | None = Field(
        default=None, description="distinct users; for orgs, roles, classes, sections and features"
    )
    name: str | None = Field(default=None, description="of an org or a user, from the directory")
    user: UserColumns | None = Field(default=None, description="for users")
    sparkline: list[Money] | None = Field(default=None, description="for agents: cost per bucket of the window")


class BreakdownAnswer(Answer):
    """Rows, and the totals of all rows, those beyond `limit` included."""

    dimension: str
    rows: list[BreakdownRow]
    totals: Figures
    has_more: bool = Field(description="there are rows beyond offset + limit")


def find_dimension(name: str) -> Dimension:
    """A dimension of the list. Raises `Problem` (404) for any other name."""
    dimension = DIMENSIONS.get(name)
    if dimension is None:
        raise not_found("dimension", f"there is no dimension {name!r}", allowed=list(DIMENSIONS))
    return dimension


async def breakdown(reader: Reader, scope: Scope, *, dimension: Dimension, params: BreakdownParams) -> BreakdownAnswer:
    """Classes and sections count the usage of students only, in their totals too."""
    if dimension.name in STUDENT_DIMENSIONS:
        scope = scope.narrowed(role=(STUDENT_ROLE,))
    rows, users = await asyncio.gather(_ranked(reader, scope, dimension, params), _users(reader, scope, dimension))
    totals = figures(add((row for row in rows if row["is_total"]), ROW_MEASURES), scope.rate)
    found = [row for row in rows if not row["is_total"]]
    shown = found[params.offset : params.offset + params.limit]
    keys = [key_of(row, dimension.columns) for row in shown]
    extras = await row_extras(reader, scope, dimension, keys)
    return BreakdownAnswer(
        **frame(scope),
        dimension=dimension.name,
        rows=[
            BreakdownRow(
                **_row(row, dimension, scope, totals),
                **extras.get(key, {}),
                users=None if users is None else users.get(key, 0),
            )
            for key, row in zip(keys, shown, strict=True)
        ],
        totals=Figures(**totals),
        has_more=len(found) > params.offset + params.limit,
    )


async def _ranked(reader: Reader, scope: Scope, dimension: Dimension, params: BreakdownParams) -> list[Row]:
    what = scope.sums(dimension.columns, ROW_MEASURES)
    # One row more than is shown tells whether there are more.
    limit = params.offset + params.limit + 1
    return await reader.rows(queries.ranked_sums(what, scope.pieces(what), order_by=params.order_by, limit=limit))


async def _users(reader: Reader, scope: Scope, dimension: Dimension) -> dict[tuple[str, ...], int] | None:
    if dimension.name not in COUNTS_USERS:
        return None
    what = scope.sums(dimension.columns, ("requests",))
    people = scope.sums((*dimension.columns, *DIMENSIONS["user"].columns), ("requests",))
    rows = await reader.rows(queries.unique_users(what, scope.pieces(people)))
    return {key_of(row, dimension.columns): row["users"] for row in rows}


def _row(row: Row, dimension: Dimension, scope: Scope, totals: dict[str, Any]) -> dict[str, Any]:
    found = figures({measure: row[measure] for measure in ROW_MEASURES}, scope.rate)
    whole = totals["cost"]
    return {
        **found,
        "key": {column: row[column] for column in dimension.columns},
        "share": round(float(found["cost"] / whole), 6) if whole else None,
    }
