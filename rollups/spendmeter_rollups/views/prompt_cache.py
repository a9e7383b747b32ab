"""Savings of prompt caches."""

from __future__ import annotations

import asyncio
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from pydantic import BaseModel, Field

from spendmeter_clickhouse.catalogue import DIMENSIONS
from spendmeter_events.usage_units import CACHE_READS, CACHE_WRITES, PROMPT_TOKENS
from spendmeter_rollups.catalogue.aggregates import add
from spendmeter_rollups.catalogue.money import Money
from spendmeter_rollups.query.statement import milliseconds
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.query.windows import Granularity
from spendmeter_rollups.views.answers import Answer, frame
from spendmeter_rollups.views.series import resolve_granularity, series_edges
from spendmeter_rollups.views.timeseries import GranularityParams

_MEASURES: Final = (
    "requests",
    *PROMPT_TOKENS,
    "cache_savings",
    "cache_unpriced_requests",
)


class CacheMeasures(BaseModel):
    """Prompt cache measures; null if no call read or wrote a cache."""

    hit_rate: float | None = Field(description="cache reads / all prompt tokens, 0 to 1")
    cache_read_tokens: int | None = Field(description="tokens served from caches")
    cache_write_tokens: int | None
    savings: Money | None = Field(
        description="cache reads at the input price, minus their cost, minus the surcharge of cache writes"
    )


class CachePoint(CacheMeasures):
    """Prompt cache measures of one bucket."""

    start: datetime


class SkippedModel(BaseModel):
    """A model excluded from the savings because a price is missing."""

    provider: str
    model: str
    requests: int


class CacheAnswer(Answer):
    """Prompt cache measures of the window and of each bucket."""

    totals: CacheMeasures
    skipped_models: list[SkippedModel]
    granularity: Granularity
    points: list[CachePoint]


async def prompt_cache(usage: UsageReader, *, params: GranularityParams) -> CacheAnswer:
    """Return the savings of prompt caches. They are negative if cache writes cost more than cache reads saved."""
    scope = usage.scope
    granularity = resolve_granularity(scope, params.granularity)
    edges = series_edges(scope, granularity)
    models, buckets = await asyncio.gather(
        usage.sums(DIMENSIONS["model"].columns, _MEASURES), usage.sums((), _MEASURES, edges=edges)
    )
    by_bucket = {row["bucket"]: row for row in buckets}
    empty = add((), _MEASURES)
    return CacheAnswer(
        **frame(scope),
        totals=CacheMeasures(**_measures(add(models, _MEASURES))),
        skipped_models=[
            SkippedModel(provider=row["provider"], model=row["model"], requests=row["cache_unpriced_requests"])
            for row in sorted(models, key=lambda row: (row["provider"], row["model"]))
            if row["cache_unpriced_requests"] > 0
        ],
        granularity=granularity,
        points=[
            CachePoint(
                start=edge.astimezone(scope.zone),
                **_measures(by_bucket.get(milliseconds(edge), empty)),
            )
            for edge in edges[:-1]
        ],
    )


def _measures(sums: dict[str, Any]) -> dict[str, float | int | Decimal | None]:
    read, write = (sum(sums[name] for name in names) for names in (CACHE_READS, CACHE_WRITES))
    if not read and not write:
        return {"hit_rate": None, "cache_read_tokens": None, "cache_write_tokens": None, "savings": None}
    return {
        "hit_rate": round(read / sum(sums[name] for name in PROMPT_TOKENS), 6),
        "cache_read_tokens": read,
        "cache_write_tokens": write,
        "savings": sums["cache_savings"],
    }
