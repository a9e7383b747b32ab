"""Searchable lists of values for each filter."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from spendmeter_clickhouse.catalogue import Dimension
from spendmeter_rollups.query.directory import values as values_query
from spendmeter_rollups.query.params import ScopeParams, Value
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.views.answers import Answer, frame
from spendmeter_rollups.views.directory_names import names_of_keys
from spendmeter_rollups.views.row_details import key_of


class ValuesParams(ScopeParams):
    """Parameters of a search for filter values."""

    q: Annotated[
        Value, Field(description="part of a value or name, case-insensitive; empty returns those with most requests")
    ] = ""
    limit: Annotated[int, Field(ge=1, le=500)] = 50


class FilterValue(BaseModel):
    """One value with usage in the window."""

    value: str
    name: str | None = Field(description="of an org, user, agent, task, configuration or feature, from the directory")
    org_id: str | None = Field(default=None, description="for users, classes and sections")
    requests: int


class ValuesAnswer(Answer):
    """Values, most requests first."""

    dimension: str
    values: list[FilterValue]


async def values(usage: UsageReader, *, dimension: Dimension, params: ValuesParams) -> ValuesAnswer:
    """Search values of a dimension. Other filters apply, so that every value listed has usage."""
    rows = await usage.read(values_query, dimension.columns, ("requests",), search=params.q, limit=params.limit)
    keys = [key_of(row, dimension.columns) for row in rows]
    names = await names_of_keys(usage, dimension.columns, keys)
    return ValuesAnswer(
        **frame(usage.scope),
        dimension=dimension.name,
        values=[
            FilterValue(
                value=row[dimension.columns[-1]],
                name=names.of(dimension.columns, key).get("name"),
                org_id=row["org_id"] if dimension.columns[:-1][:1] == ("org_id",) else None,
                requests=row["requests"],
            )
            for key, row in zip(keys, rows, strict=True)
        ],
    )
