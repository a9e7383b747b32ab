"""Comparison of models: cost by kind of token, and cost against latency."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from spendmeter_clickhouse.catalogue import DIMENSIONS, ROW_MEASURES
from spendmeter_events.usage_units import COMPONENTS
from spendmeter_rollups.catalogue.aggregates import add, aggregates
from spendmeter_rollups.catalogue.money import Money, add_exactly
from spendmeter_rollups.catalogue.orders import descends
from spendmeter_rollups.query import sums as queries
from spendmeter_rollups.query.params import ScopeParams, fold
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.views.answers import Answer, Measures, frame
from spendmeter_rollups.views.ranking import ModelColumn, OrderParam

_MEASURES: Final = (*ROW_MEASURES, *COMPONENTS)


class ModelsParams(ScopeParams):
    """Parameters of the comparison of models."""

    order_by: Annotated[
        ModelColumn,
        BeforeValidator(fold),
        Field(description="A column of the table; `key` is provider and model. Rows without a value are last."),
    ] = "cost"
    order: OrderParam = None
    limit: Annotated[int, Field(ge=1, le=200)] = 10


class ModelRow(Measures):
    """One model. Bar chart: the kinds of cost; scatter plot: `avg_latency_ms` against `cost`, sized by `requests`."""

    provider: str
    model: str
    input_cost: Money
    cached_cost: Money = Field(description="cache reads and writes")
    output_cost: Money
    other_cost: Money = Field(description="audio tokens, characters, audio seconds, images, tool calls")


class ModelsAnswer(Answer):
    """The first models by the chosen column, and the totals of all models."""

    rows: list[ModelRow]
    totals: Measures
    has_more: bool


async def models(usage: UsageReader, *, params: ModelsParams) -> ModelsAnswer:
    """Return models by the chosen column. The four kinds of cost of a row add up to its cost."""
    rows = await usage.read(
        queries.ranked_sums,
        DIMENSIONS["model"].columns,
        _MEASURES,
        order_by=params.order_by,
        descending=descends(params.order_by, params.order),
        limit=params.limit + 1,
    )
    found = [row for row in rows if not row["is_total"]]
    totals = add((row for row in rows if row["is_total"]), ROW_MEASURES)
    return ModelsAnswer(
        **frame(usage.scope),
        rows=[_row(row) for row in found[: params.limit]],
        totals=Measures(**aggregates(totals)),
        has_more=len(found) > params.limit,
    )


def _row(row: dict[str, object]) -> ModelRow:
    found = aggregates({measure: row[measure] for measure in _MEASURES})
    return ModelRow(
        **found,
        provider=row["provider"],
        model=row["model"],
        cached_cost=add_exactly(found["cache_read_cost"], found["cache_write_cost"]),
        other_cost=add_exactly(found["audio_cost"], found["unit_cost"]),
    )
