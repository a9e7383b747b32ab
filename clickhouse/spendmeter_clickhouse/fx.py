"""Dated exchange rates: import a CSV file into `fx_rates`, all or nothing. See docs/currency.md."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from spendmeter_clickhouse.store import Session

COLUMNS: Final = ("date", "currency", "rate", "source")
_CODE: Final = re.compile(r"[A-Z]{3}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2100, 1, 1)
_QUANTUM: Final = Decimal("1e-12")
_MOST: Final = Decimal(10) ** 12
_SOURCE_LENGTH: Final = 128


@dataclass(frozen=True, slots=True)
class FxRate:
    """Exchange rate of a day: `per_usd` units of `currency` (ISO 4217) for one USD, according to `source`."""

    day: date
    currency: str
    per_usd: Decimal
    source: str


@dataclass(frozen=True, slots=True)
class ImportedRates:
    """Number of new or changed rates of a file, and of unchanged ones."""

    stored: int
    unchanged: int


class FxFileError(ValueError):
    """Invalid rates file; `faults` has one message per error, with its line."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


def read_rates(lines: Iterable[str]) -> list[FxRate]:
    """Read the rates of a CSV file with the columns date, currency, rate (units of the currency for one USD), source.

    :raises FxFileError: with all errors of the file.
    """
    reader = csv.DictReader(lines, skipinitialspace=True, strict=True)
    rates: dict[tuple[str, date], FxRate] = {}
    faults: list[str] = []
    try:
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise FxFileError([f"line 1: missing column {', '.join(missing)}; the header must be {','.join(COLUMNS)}"])
        for row in reader:
            _take(row, reader.line_num, rates, faults)
    except csv.Error as error:
        faults.append(f"line {reader.line_num}: {error}")
    if not rates and not faults:
        faults.append("the file has no rates")
    if faults:
        raise FxFileError(faults)
    return list(rates.values())


async def import_rates(session: Session, rates: Sequence[FxRate], *, now: datetime) -> ImportedRates:
    """Store new and changed rates; the last rate written for a day counts. Raises `StoreError`."""
    stored = {(rate.currency, rate.day): rate for rate in await list_rates(session)}
    fresh = [rate for rate in rates if stored.get((rate.currency, rate.day)) != rate]
    rows: list[tuple[object, ...]] = [(rate.currency, rate.day, rate.per_usd, rate.source, now) for rate in fresh]
    if rows:
        await session.insert("fx_rates", rows, ["currency", "rate_date", "per_usd", "source", "updated_at"])
    return ImportedRates(stored=len(fresh), unchanged=len(rates) - len(fresh))


async def list_rates(session: Session, *, currency: str = "") -> list[FxRate]:
    """Return all rates, or those of one currency, by currency and day. Raises `StoreError`."""
    answer = await session.query(
        "SELECT rate_date, currency, per_usd, source FROM fx_rates FINAL"
        " WHERE {currency:String} IN ('', currency) ORDER BY currency, rate_date",
        {"currency": currency},
    )
    return [FxRate(*row) for row in answer.result_rows]


def _take(
    row: dict[str | None, str | None], line: int, rates: dict[tuple[str, date], FxRate], faults: list[str]
) -> None:
    wrong: list[str] = []
    if None in row:
        wrong.append("more values than the header has columns")
    texts = {name: (row.get(name) or "").strip() for name in COLUMNS}
    day = _day(texts["date"], wrong)
    currency = _currency(texts["currency"], wrong)
    per_usd = _rate(texts["rate"], wrong)
    source = texts["source"]
    if not source or len(source) > _SOURCE_LENGTH or _CONTROL.search(source):
        wrong.append(f"a source is a text of 1 to {_SOURCE_LENGTH} characters")
    rate = FxRate(day, currency, per_usd, source)
    if not wrong and rates.setdefault((currency, day), rate) != rate:
        wrong.append(f"{currency} has another rate or source for {day} above")
    faults.extend(f"line {line}: {each}" for each in wrong)


def _day(text: str, wrong: list[str]) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not _FIRST_DAY <= day <= _LAST_DAY:
        wrong.append(f"{text!r} is not a day such as 2026-01-31")
    return day


def _currency(text: str, wrong: list[str]) -> str:
    if not _CODE.fullmatch(text):
        wrong.append(f"{text!r} is not a currency such as INR")
    elif text == "USD":
        wrong.append("one USD is one USD: it needs no rate")
    return text


def _rate(text: str, wrong: list[str]) -> Decimal:
    try:
        rate = Decimal(text)
        fits = rate.is_finite() and 0 < rate < _MOST and rate == rate.quantize(_QUANTUM)
    except InvalidOperation:
        rate, fits = Decimal(0), False
    if not fits:
        wrong.append(f"{text!r} is not a rate: a number above 0, of at most 12 digits before and after the point")
    return rate
