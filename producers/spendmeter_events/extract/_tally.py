"""Counts read off a usage section, and the arithmetic that makes them disjoint.

Nothing is ever clamped: a count that cannot be is a fault, and a fault ends in `InconsistentUsage`.
"""

from __future__ import annotations

from typing import Any, Final

from spendmeter_events.event import MAX_COUNT
from spendmeter_events.extract._payload import pick, shape_of
from spendmeter_events.extract.errors import InconsistentUsage
from spendmeter_events.extract.usage import State, Usage

NOT_THE_SUM: Final = "the total is not the sum of its parts"


class Tally:
    """Reads counts and notes what is wrong with them, so that one error can tell it all."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def count(self, section: object, *names: str) -> int | None:
        """A whole count under the first of these names; None where it was not told or is a fault.

        Digits in a string count too: protobuf's JSON and HTTP headers carry integers so.
        """
        value = self._number(section, names)
        if value is None or value.is_integer():
            return None if value is None else int(value)
        self.faults.append(f"{names[0]} is not a whole count")
        return None

    def seconds(self, section: object, *names: str) -> float | None:
        """Seconds, to the millisecond."""
        value = self._number(section, names)
        return None if value is None else round(value, 3)

    def usd(self, section: object, *names: str) -> float | None:
        """US dollars that the provider says it charged."""
        return self._number(section, names)

    def input_side(
        self,
        total: int,
        *,
        cached: int | None = None,
        writes: tuple[int, int] = (0, 0),
        audio: int | None = None,
    ) -> dict[str, int]:
        """The buckets of an input count that includes cached, written and (uncached) audio tokens."""
        cached, audio = cached or 0, audio or 0
        uncached = total - cached - sum(writes) - audio
        if uncached < 0:
            self.faults.append("cached, written and audio tokens exceed the input they are part of")
            return {}
        return {
            "input_tokens": uncached,
            "cache_read_tokens": cached,
            "cache_write_5m_tokens": writes[0],
            "cache_write_1h_tokens": writes[1],
            "input_audio_tokens": audio,
        }

    def output_side(self, total: int, *, reasoning: int | None = None, audio: int | None = None) -> dict[str, int]:
        """The buckets of an output count that includes reasoning and audio tokens."""
        reasoning, audio = reasoning or 0, audio or 0
        if reasoning + audio > total:
            self.faults.append("reasoning and audio tokens exceed the output they are part of")
            return {}
        return {
            "output_tokens": total - audio,
            "output_audio_tokens": audio,
            "reasoning_tokens": reasoning,
        }

    def writes(self, total: int | None, short: int | None, long: int | None) -> tuple[int, int]:
        """Cache writes by lifetime (short, long). What the breakdown leaves over has the short, default one."""
        short, long = short or 0, long or 0
        if total is None:
            return short, long
        rest = total - short - long
        if rest < 0:
            self.faults.append("cache writes by lifetime exceed their total")
            return 0, 0
        return short + rest, long

    def resolve(self, prompt: int | None, completion: int | None, total: int | None) -> tuple[int | None, int | None]:
        """Input and output; the one that was not told is what the total leaves for it."""
        if total is None or (prompt is None) == (completion is None):
            return prompt, completion
        rest = total - (prompt or 0) - (completion or 0)
        if rest < 0:
            self.faults.append(NOT_THE_SUM)
            return prompt, completion
        return (rest, completion) if prompt is None else (prompt, rest)

    def settle(self, section: object, *, provider: str, state: State = "complete", **fields: Any) -> Usage:
        """The `Usage` of these fields. Raises `InconsistentUsage` when a fault was noted."""
        if not self.faults:
            return Usage(provider=provider, state=state, **fields)
        known = Usage(provider=provider, state="inconsistent", **fields)
        raise InconsistentUsage(provider=provider, faults=tuple(self.faults), shape=shape_of(section), known=known)

    def _number(self, section: object, names: tuple[str, ...]) -> float | None:
        value = pick(section, *names)
        if isinstance(value, str):
            value = _parsed(value)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.faults.append(f"{names[0]} is not a number")
        elif not 0 <= value <= MAX_COUNT:  # NaN is not in any range either
            self.faults.append(f"{names[0]} is negative or impossibly large")
        else:
            return float(value)
        return None


def _parsed(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value
