"""Repeat the arithmetic of a cost: counts times the rates of a stored price card, or list its rates. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Context, Decimal
from fractions import Fraction
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from spendmeter_clickhouse.prices.price_cards import RateOrigin, StoredRate
from spendmeter_events.usage_units import UNITS
from spendmeter_rollups.catalogue.money import Money, plain

_EXACT: Final = Context(prec=80)
_PICO: Final = 10**12
_NOT_STORED: Final = ("models", "factor", "listed", "starts", "ends")

Quantity = Annotated[
    Decimal,
    PlainSerializer(plain, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?$", "description": "exact decimal", "examples": ["12"]}),
]


class Origin(BaseModel):
    """The row of the price book behind a rate."""

    model_config = ConfigDict(serialize_by_alias=True)

    row: str = Field(description="file and line, or the key of a row of the price topic", examples=["openai.toml:12"])
    layer: str = Field(description="seed, reviewed or topic")
    models: list[str] = Field(description="model patterns of the row")
    serves: str = Field(description="the model that a moving alias served; empty for any other model")
    from_: str = Field(serialization_alias="from", description="in force from; empty: always")
    to: str = Field(description="exclusive; empty: no end")
    tiers: list[str]
    regions: list[str] = Field(description="empty: every region")
    negotiated: bool = Field(description="true for a row of one org")
    min_context: int = Field(description="threshold: minimum prompt length in tokens")
    daily_window: str
    listed_usd: str = Field(description="USD per unit in the row, without factors")
    factor: str = Field(description="product of `factors`", examples=["1.1"])
    factors: list[str] = Field(description="value, row and source of each factor")
    source: str
    verified_at: str = Field(description="the day on which the row was compared with its source")


class ChargeLine(BaseModel):
    """One unit of the call: billed times rate is cost, rounded half to even to 1e-12 USD."""

    unit: str
    counted: Quantity
    billed: Quantity = Field(description="after the row's minimum, step and replaced units")
    replaced_by: list[str] = Field(description="units of the call that replace this one, which is then not billed")
    rate_usd: str | None = Field(description="USD per unit: decimal, or a fraction; null without a rate")
    cost: Money | None = Field(description="USD; null without a rate")
    place_certain: bool = Field(description="false for the rate of another place")
    excludes_fee: bool = Field(description="true if the provider also charges a fee that events do not count")
    origin: Origin | None


class RateInUse(BaseModel):
    """The rate of one unit of a price card."""

    unit: str
    rate_usd: str = Field(description="USD per unit: decimal, or a fraction", examples=["0.00000015"])
    minimum: Quantity = Field(description="fewer units are billed as this many")
    step: Quantity = Field(description="counts are rounded up to a multiple of this; 0: not rounded")
    replaced_by: list[str] = Field(description="units that replace this one in calls that count both")
    place_certain: bool = Field(description="false for the rate of another place")
    excludes_fee: bool = Field(description="true if the provider also charges a fee that events do not count")
    origin: Origin


def card_rates(rates: Mapping[str, StoredRate]) -> list[RateInUse]:
    """Return the rates of a card, in the order of the catalogue."""
    return [_card_rate(rates[unit.name], 10**unit.decimals) for unit in UNITS if unit.name in rates]


def charge_lines(counts: Mapping[str, Decimal], rates: Mapping[str, StoredRate]) -> list[ChargeLine]:
    """Return one line per counted unit, in the order of the catalogue.

    :param counts: count by unit; audio in seconds with up to three decimals.
    """
    used = {unit.name: counts[unit.name] for unit in UNITS if counts[unit.name]}
    return list(_lines(used, rates))


def reported_line(price_version: str, cost: Decimal) -> ChargeLine:
    """Return the only line of a call with a reported cost, which has no rates."""
    return _line(price_version, Decimal(1), billed=Decimal(1), rate_usd=plain(cost), cost=cost)


def total(lines: list[ChargeLine]) -> Decimal:
    """Return the exact sum of the lines, in USD."""
    return _sum(line.cost for line in lines if line.cost is not None)


def _lines(used: Mapping[str, Decimal], rates: Mapping[str, StoredRate]) -> Iterator[ChargeLine]:
    scales = {unit.name: 10**unit.decimals for unit in UNITS}
    for unit, counted in used.items():
        rate = rates.get(unit)
        if rate is None:
            yield _line(unit, counted, billed=counted)
            continue
        replaced_by = [other for other in rate.unless if other in used]
        # As the worker counts: audio in whole milliseconds.
        billed = 0 if replaced_by else _billed(int(counted * scales[unit]), rate)
        yield _line(
            unit,
            counted,
            billed=Decimal(billed) / scales[unit],
            replaced_by=replaced_by,
            rate_usd=decimal_text(rate.pico * scales[unit] / _PICO),
            # round() of a fraction rounds half to even.
            cost=_usd(round(rate.pico * billed)),
            place_certain=not rate.place_unknown,
            excludes_fee=rate.lower_bound,
            origin=_origin(rate.origin, scales[unit]),
        )


def _billed(count: int, rate: StoredRate) -> int:
    least, step = max(count, rate.minimum), max(rate.step, 1)
    return -(-least // step) * step


def _line(unit: str, counted: Decimal, *, billed: Decimal, **priced: Any) -> ChargeLine:
    unpriced: dict[str, Any] = {
        "replaced_by": [], "rate_usd": None, "cost": None, "place_certain": True, "excludes_fee": False, "origin": None,
    }  # fmt: skip
    return ChargeLine(unit=unit, counted=counted, billed=billed, **{**unpriced, **priced})


def _origin(origin: RateOrigin, scale: int) -> Origin:
    values = {name: getattr(origin, name) for name in RateOrigin.__slots__ if name not in _NOT_STORED}
    return Origin(
        **values,
        models=list(origin.models),
        from_=origin.starts,
        to=origin.ends,
        listed_usd=decimal_text(origin.listed * scale / _PICO),
        factor=decimal_text(origin.factor),
    )


def _card_rate(rate: StoredRate, scale: int) -> RateInUse:
    return RateInUse(
        unit=rate.unit,
        rate_usd=decimal_text(rate.pico * scale / _PICO),
        minimum=Decimal(rate.minimum) / scale,
        step=Decimal(rate.step) / scale,
        replaced_by=list(rate.unless),
        place_certain=not rate.place_unknown,
        excludes_fee=rate.lower_bound,
        origin=_origin(rate.origin, scale),
    )


def _usd(pico: int) -> Decimal:
    return Decimal(pico).scaleb(-12, _EXACT)


def _sum(amounts: Iterator[Decimal] | Any) -> Decimal:
    result = Decimal(0)
    for amount in amounts:
        result = _EXACT.add(result, amount)
    return result


def decimal_text(value: Fraction) -> str:
    """Return all digits of a finite decimal, or `numerator/denominator`."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return str(value)
    return plain(_EXACT.divide(Decimal(value.numerator), Decimal(value.denominator)))
