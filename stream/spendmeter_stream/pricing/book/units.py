"""Units that are counted and priced, named as in the event contract.

A unit is a disjoint bucket of `UsageEvent`: no token is in two units, so a cost is a plain sum over units.
"""

from __future__ import annotations

from typing import Final

from spendmeter_events import usage_units as units

UNITS: Final = tuple(unit.name for unit in units.UNITS)
UNIT_INDEX: Final = {unit: index for index, unit in enumerate(UNITS)}
TOKEN_UNITS: Final = units.TOKENS

COUNT_COLUMNS: Final = tuple("audio_milliseconds" if unit == "audio_seconds" else unit for unit in UNITS)
"""The chunk column of each unit. Audio is counted in whole milliseconds, to stay an integer."""

CONTEXT_UNITS: Final = units.PROMPT_TOKENS
"""Units of the prompt length that context thresholds refer to: all input, cached or not."""

COMPONENTS: Final = units.COMPONENTS
"""Cost columns of the store and their units. `cost` is the sum of all six."""

DENOMINATORS: Final = {
    "per_million": 1_000_000,
    "per_thousand": 1_000,
    "per_unit": 1,
    "per_minute": 60,
    "per_hour": 3_600,
}
"""Rate tables of a price block and the number of units per rate. The last two are for audio seconds only."""

PICO: Final = 10**12
"""Pico-dollars per dollar: the scale of the store's Decimal(38, 12)."""

TIERS: Final = ("standard", "batch", "flex", "priority", "fast", "free")
"""Service tiers as served, in canonical spelling."""

QUALIFIERS: Final = ("image_quality", "image_size", "tool", "video_size")
"""Event tags that select between rates of one unit, sorted."""

QUALIFIED_UNITS: Final = ("images", "video_seconds", "tool_calls")
"""Units whose rate a tag may select."""

REPLACED: Final = {"images": "output_image_tokens"}
"""Unit → the unit that replaces it: calls that count both have the same output in two measures, and pay once."""

REGION_UNIT: Final = "region"
"""Unpriced unit of a call whose place has no price in the book: its rates are those of another place."""

FEE_UNIT: Final = "fee"
"""Unpriced unit of a call for which the provider charges a fee that events do not count."""

COST_SOURCE_TAG: Final = "cost_source"
"""Tag of an event with the name of the field that `provider_cost_usd` was read from."""

USAGE_TAG: Final = "usage"
"""Tag of an event with incomplete counts: its status is `partial` at best."""
