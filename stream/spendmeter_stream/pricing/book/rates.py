"""Parse the rates of a price block."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from spendmeter_stream.pricing.book.field_values import BlockReader
from spendmeter_stream.pricing.book.rows import UnitRate, pico_rate
from spendmeter_stream.pricing.book.units import DENOMINATORS, QUALIFIED_UNITS, QUALIFIERS, UNITS

TOOLS: Final = "tools_per_thousand"
"""USD per thousand calls of each tool. Each becomes a rate of `tool_calls`, selected by the tag `tool`."""

RATE_KEYS: Final = (*DENOMINATORS, TOOLS, "when", "currency", "usd", "free")

_FREE: Final = tuple(UnitRate(unit, Fraction(0), ()) for unit in UNITS)


def rates_of(reader: BlockReader) -> tuple[bool, tuple[UnitRate, ...]]:
    """Return whether the block is free, and its rates. A free block prices every unit at 0."""
    if reader.flag("free"):
        for key in (*DENOMINATORS, TOOLS):
            if key in reader.block.data:
                reader.fault(key, "a free price has no rates")
        return True, _FREE
    exchange = _exchange(reader)
    rates = (*_tables(reader, exchange), *_tools(reader, exchange))
    if not rates:
        reader.fault("", f"a price needs a rate in one of {', '.join((*DENOMINATORS, TOOLS))}, or free = true")
    elif not any(rate.pico for rate in rates):
        reader.fault("", "every rate is 0: set free = true, or give a rate")
    return False, rates


def _tables(reader: BlockReader, exchange: Fraction | int) -> Iterator[UnitRate]:
    when, seen = _when(reader), set[str]()
    for table in (name for name in DENOMINATORS if name in reader.block.data):
        per = DENOMINATORS[table]
        for unit, value in reader.table(table).items():
            rate = reader.number(table, value) * exchange
            if unit not in UNITS:
                reader.one_of(table, unit, UNITS, "unit")
            elif unit in seen:
                reader.fault(table, f"{unit!r} has two rates")
            elif per in (60, 3_600) and unit != "audio_seconds":
                reader.fault(table, f"{table!r} prices audio_seconds, not {unit!r}")
            elif when and unit not in QUALIFIED_UNITS:
                reader.fault("when", f"tags choose rates of {', '.join(QUALIFIED_UNITS)}, not of {unit!r}")
            else:
                seen.add(unit)
                yield UnitRate(unit, pico_rate(rate, per, unit), when)


def _tools(reader: BlockReader, exchange: Fraction | int) -> Iterator[UnitRate]:
    for tool, value in reader.table(TOOLS).items():
        rate = reader.number(TOOLS, value) * exchange
        yield UnitRate("tool_calls", pico_rate(rate, 1_000, "tool_calls"), (("tool", tool.lower()),))


def _when(reader: BlockReader) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    for tag, value in reader.table("when").items():
        reader.one_of("when", tag, QUALIFIERS, "tag")
        if isinstance(value, str):
            pairs.append((tag, value.lower()))
        else:
            reader.fault("when", f"the value of {tag!r} must be a string")
    return tuple(sorted(pairs))


def _exchange(reader: BlockReader) -> Fraction | int:
    """Return the dollars for one unit of the block's currency."""
    currency = reader.text("currency", "USD")
    if currency == "USD":
        return 1
    if "usd" not in reader.block.data:
        reader.fault("currency", f"the ledger is in USD: give 'usd', the dollars for one {currency}")
        return 1
    return reader.number("usd", reader.block.data["usd"])
