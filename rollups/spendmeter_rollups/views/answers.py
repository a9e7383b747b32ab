"""What every answer says about itself, and the figures they share. Answers of one endpoint are beside it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from spendmeter_rollups.catalogue.money import Money, Rate, plain
from spendmeter_rollups.query.scope import Scope


class WindowAnswer(BaseModel):
    """The window that was counted: [from, to)."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    preset: str = Field(description="as resolved: an unknown preset means 30d", examples=["30d"])
    from_: datetime = Field(alias="from", description="with the offset of `tz`")
    to: datetime = Field(description="not included")
    tz: str = Field(examples=["UTC"])

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """The window of `scope` in its zone."""
        return cls(
            preset=scope.preset,
            from_=scope.window.start.astimezone(scope.zone),
            to=scope.window.end.astimezone(scope.zone),
            tz=scope.zone.key,
        )


class CurrencyAnswer(BaseModel):
    """The currency of all amounts, and the dated rate they were converted at."""

    code: str = Field(examples=["USD"])
    per_usd: str = Field(description="units of the currency for one USD", examples=["1"])
    rate_date: date | None = Field(description="the day the rate is from; null for USD")
    rate_source: str | None = None

    @classmethod
    def of(cls, rate: Rate) -> Self:
        """The rate as an answer names it."""
        return cls(code=rate.currency, per_usd=plain(rate.per_usd), rate_date=rate.on, rate_source=rate.source or None)


class FreshnessAnswer(BaseModel):
    """How far behind this answer may be."""

    as_of: datetime
    newest_event_at: datetime | None = Field(description="when the newest counted call was made")
    lag_seconds: float | None = Field(description="from the newest call to `as_of`; null without any call")

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """As far as the caller of `scope` may know."""
        newest = scope.span.newest
        lag = None if newest is None else max(0.0, round((scope.now - newest).total_seconds(), 3))
        return cls(as_of=scope.now, newest_event_at=newest, lag_seconds=lag)


class Answer(BaseModel):
    """The frame of every answer."""

    window: WindowAnswer
    currency: CurrencyAnswer
    freshness: FreshnessAnswer


def frame(scope: Scope) -> dict[str, BaseModel]:
    """The fields of `Answer` for `scope`."""
    return {
        "window": WindowAnswer.of(scope),
        "currency": CurrencyAnswer.of(scope.rate),
        "freshness": FreshnessAnswer.of(scope),
    }


class Measures(BaseModel):
    """The measures of a row or a total. Tokens are counts in disjoint buckets; amounts are exact decimals."""

    requests: int
    errors: int
    success_rate: float | None = Field(description="1 - errors / requests")
    cost: Money = Field(description="list price of everything, BYOK included")
    chargeable_cost: Money = Field(description="without calls on the org's own keys (BYOK)")
    total_tokens: int
    prompt_tokens: int = Field(description="uncached, cache read, cache write and audio input")
    completion_tokens: int = Field(description="text (reasoning included) and audio output")
    cached_tokens: int = Field(description="prompt tokens read from a cache")
    input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    input_audio_tokens: int
    output_audio_tokens: int
    characters: int
    audio_seconds: Money
    images: int
    tool_calls: int
    avg_latency_ms: float | None
    partial_requests: int = Field(description="calls that lack a price for some of their units")
    unpriced_requests: int = Field(description="calls that lack a price altogether")
    last_seen: datetime | None = Field(description="the newest call")
