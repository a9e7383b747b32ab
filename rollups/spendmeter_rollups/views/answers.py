"""Models shared by all answers: window, currency, freshness and measures."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, create_model

from spendmeter_clickhouse.catalogue import MEASURES
from spendmeter_events.usage_units import UNITS
from spendmeter_rollups.catalogue.money import Money, Rate, plain
from spendmeter_rollups.problems import Fault
from spendmeter_rollups.query.scope import Scope

MOST_RATES: Final = 100


def unit_fields(*names: str) -> dict[str, Any]:
    """Return the model fields of measures: whole numbers, or exact decimals as strings."""
    return {name: (Money if MEASURES[name].decimal else int, ...) for name in names}


class WindowAnswer(BaseModel):
    """The window of the answer: [from, to)."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    preset: str = Field(description="the resolved preset; an unknown one means 30d, with a warning", examples=["30d"])
    from_: datetime = Field(alias="from", description="with the offset of `tz`")
    to: datetime = Field(description="exclusive")
    tz: str = Field(examples=["UTC"])

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """Return the window of `scope` in its time zone."""
        return cls(
            preset=scope.preset,
            from_=scope.window.start.astimezone(scope.zone),
            to=scope.window.end.astimezone(scope.zone),
            tz=scope.zone.key,
        )


class CurrencyAnswer(BaseModel):
    """A currency and a dated exchange rate."""

    code: str = Field(examples=["USD"])
    per_usd: str = Field(description="units of the currency per USD, on the last day", examples=["1"])
    rate_date: date | None = Field(description="the date of the rate; null for USD")
    rate_source: str | None = None

    @classmethod
    def of(cls, rate: Rate) -> Self:
        """Return `rate` as part of an answer."""
        return cls(code=rate.currency, per_usd=plain(rate.per_usd), rate_date=rate.on, rate_source=rate.source or None)


class UsedRate(BaseModel):
    """A rate that amounts were converted at, from `rate_date` until the next one."""

    rate_date: date
    per_usd: str
    source: str | None

    @classmethod
    def of(cls, rate: Rate) -> Self:
        """Return `rate` as part of an answer."""
        return cls(rate_date=rate.on, per_usd=plain(rate.per_usd), source=rate.source or None)


class ConversionAnswer(CurrencyAnswer):
    """The currency of all amounts. Each UTC day is converted at its own rate."""

    rates: list[UsedRate] = Field(
        [], description=f"the rates of the window's days, oldest first, at most the newest {MOST_RATES}; none for USD"
    )

    @classmethod
    def in_scope(cls, scope: Scope) -> Self:
        """Return the currency of the answer for `scope`."""
        first, last = scope.days
        rates = scope.rates.between(first, last)[-MOST_RATES:]
        newest = CurrencyAnswer.of(scope.rates.on(last))
        return cls(**newest.model_dump(), rates=[UsedRate.of(rate) for rate in rates])


class FreshnessAnswer(BaseModel):
    """How recent the data of this answer is."""

    as_of: datetime
    newest_event_at: datetime | None = Field(description="time of the newest call, as the call states it")
    stored_at: datetime | None = Field(
        description="when calls were last stored; for an org's key, not after its newest call"
    )
    lag_seconds: float | None = Field(description="from `stored_at` to `as_of`; null without calls")

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """Return the freshness of the data that the caller of `scope` may see."""
        stored = scope.span.stored
        lag = None if stored is None else max(0.0, round((scope.now - stored).total_seconds(), 3))
        return cls(as_of=scope.now, newest_event_at=scope.span.newest, stored_at=stored, lag_seconds=lag)


class Answer(BaseModel):
    """The fields common to all answers."""

    window: WindowAnswer
    currency: ConversionAnswer
    freshness: FreshnessAnswer
    warnings: list[Fault] = Field(
        [], description="parameters not understood, and what was answered instead; calls left out"
    )


def frame(scope: Scope) -> dict[str, Any]:
    """Return the fields of `Answer` for `scope`."""
    return {
        "window": WindowAnswer.of(scope),
        "currency": ConversionAnswer.in_scope(scope),
        "freshness": FreshnessAnswer.of(scope),
        "warnings": list(scope.warnings),
    }


class _Totals(BaseModel):
    requests: int
    errors: int
    success_rate: float | None = Field(description="1 - errors / requests")
    cost: Money = Field(description="list price of all calls, including BYOK")
    chargeable_cost: Money = Field(description="without calls on the org's own keys (BYOK)")
    total_tokens: int
    prompt_tokens: int = Field(description="uncached, cache read, cache write and audio input")
    completion_tokens: int = Field(description="text (reasoning included) and audio output")
    cached_tokens: int = Field(description="prompt tokens read from a cache")


if TYPE_CHECKING:
    _Units = _Totals
else:
    # One field per unit of the catalogue.
    _Units = create_model("_Units", __base__=_Totals, **unit_fields(*(unit.name for unit in UNITS)))


class Measures(_Units):
    """The measures of a row or a total. Token buckets are disjoint; amounts are exact decimals."""

    avg_latency_ms: float | None
    partial_requests: int = Field(description="calls with a price for some of their units only")
    unpriced_requests: int = Field(description="calls without a price")
    last_seen: datetime | None = Field(description="time of the newest call")
