"""Units of usage: the disjoint counts of a `UsageEvent` that are stored, summed and priced.

Everything that names or lists units derives from this table: columns, rollups, verify, answers, boards, price rows.
A new unit is one line here and one field in `UsageEvent` and in each of its readers; a test counts the places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit. No token is in two of them, so a cost is a plain sum over units."""

    name: str
    """Field of the event, column of ClickHouse, and unit of the price book."""
    cost: str
    """The cost component that it is part of."""
    side: Literal["prompt", "completion", ""] = ""
    """For tokens: prompt tokens together are the length that context thresholds refer to."""
    cache: Literal["read", "write", ""] = ""
    uncached: str = ""
    """For cache tokens: the unit that they would be in without the cache."""
    as_text: str = ""
    """The unit whose rate applies to a model without a separate rate for this kind of token."""
    decimals: int = 0


UNITS: Final = (
    Unit("input_tokens", "input_cost", "prompt"),
    Unit("cache_read_tokens", "cache_read_cost", "prompt", "read", "input_tokens"),
    Unit("cache_write_5m_tokens", "cache_write_cost", "prompt", "write", "input_tokens"),
    Unit("cache_write_1h_tokens", "cache_write_cost", "prompt", "write", "input_tokens"),
    Unit("output_tokens", "output_cost", "completion"),
    Unit("input_audio_tokens", "audio_cost", "prompt"),
    Unit("cache_read_audio_tokens", "cache_read_cost", "prompt", "read", "input_audio_tokens"),
    Unit("output_audio_tokens", "audio_cost", "completion"),
    Unit("input_image_tokens", "input_cost", "prompt", as_text="input_tokens"),
    Unit("cache_read_image_tokens", "cache_read_cost", "prompt", "read", "input_image_tokens", "cache_read_tokens"),
    Unit("output_image_tokens", "output_cost", "completion"),
    Unit("characters", "unit_cost"),
    Unit("audio_seconds", "unit_cost", decimals=3),
    Unit("images", "unit_cost"),
    Unit("video_seconds", "unit_cost"),
    Unit("tool_calls", "unit_cost"),
)

TOKENS: Final = tuple(unit.name for unit in UNITS if unit.side)
PROMPT_TOKENS: Final = tuple(unit.name for unit in UNITS if unit.side == "prompt")
COMPLETION_TOKENS: Final = tuple(unit.name for unit in UNITS if unit.side == "completion")
CACHE_TOKENS: Final = tuple(unit.name for unit in UNITS if unit.cache)
CACHE_READS: Final = tuple(unit.name for unit in UNITS if unit.cache == "read")
CACHE_WRITES: Final = tuple(unit.name for unit in UNITS if unit.cache == "write")
UNCACHED: Final = {unit.name: unit.uncached for unit in UNITS if unit.cache}
AS_TEXT: Final = {unit.name: unit.as_text for unit in UNITS if unit.as_text}
OTHER_UNITS: Final = tuple(unit.name for unit in UNITS if not unit.side)
WHOLE_UNITS: Final = tuple(unit.name for unit in UNITS if not unit.decimals)
REASONING: Final = "reasoning_tokens"
"""Informational: part of `output_tokens`, stored and summed, never priced by itself."""

COMPONENTS: Final = {
    cost: tuple(unit.name for unit in UNITS if unit.cost == cost) for cost in dict.fromkeys(u.cost for u in UNITS)
}
"""Cost column → its units. `cost` is the sum of all components."""
