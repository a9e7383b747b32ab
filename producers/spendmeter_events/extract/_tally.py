"""Read the counts of a usage section, and make them disjoint.

Counts are never clamped: an impossible count is a fault, and a fault raises `InconsistentUsage`.
"""

from __future__ import annotations

from typing import Any, Final

from spendmeter_events.event import MAX_COUNT
from spendmeter_events.extract._payload import pick, shape_of
from spendmeter_events.extract.errors import InconsistentUsage
from spendmeter_events.extract.usage import State, Usage

NOT_THE_SUM: Final = "the total is not the sum of its parts"


class Tally:
    """Reads counts and collects their faults, so that one error reports all of them."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def count(self, section: object, *names: str) -> int | None:
        """Return the count under the first of these names; None if it is absent or a fault.

        Strings of digits are accepted: protobuf's JSON and HTTP headers carry integers as strings.
        """
        value = self._number(section, names)
        if value is None or value.is_integer():
            return None if value is None else int(value)
        self.faults.append(f"{names[0]} is not a whole count")
        return None

    def seconds(self, section: object, *names: str) -> float | None:
        """Return seconds, rounded to milliseconds."""
        value = self._number(section, names)
        return None if value is None else round(value, 3)

    def usd(self, section: object, *names: str) -> float | None:
        """Return the charge that the provider reports, in USD."""
        return self._number(section, names)

    def input_side(
        self,
        total: int,
        *,
        cached: int | None = None,
        writes: tuple[int, int] = (0, 0),
        audio: int | None = None,
    ) -> dict[str, int]:
        """Return the buckets of an input count that includes cached, written and (uncached) audio tokens."""
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
        """Return the buckets of an output count that includes reasoning and audio tokens."""
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
        """Return cache writes by lifetime (short, long); those without a breakdown have the default, short one."""
        short, long = short or 0, long or 0
        if total is None:
            return short, long
        rest = total - short - long
        if rest < 0:
            self.faults.append("cache writes by lifetime exceed their total")
            return 0, 0
        return short + rest, long

    def fill_from_total(
        self, prompt: int | None, completion: int | None, total: int | None
    ) -> tuple[int | None, int | None]:
        """Return input and output; if one is not reported, it is computed from the total."""
        if total is None or (prompt is None) == (completion is None):
            return prompt, completion
        rest = total - (prompt or 0) - (completion or 0)
        if rest < 0:
            self.faults.append(NOT_THE_SUM)
            return prompt, completion
        return (rest, completion) if prompt is None else (prompt, rest)

    def usage(self, section: object, *, provider: str, state: State = "complete", **fields: Any) -> Usage:
        """Return the `Usage` of these fields. Raises `InconsistentUsage` if there are faults."""
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
        elif not 0 <= value <= MAX_COUNT:  # also excludes NaN
            self.faults.append(f"{names[0]} is negative or impossibly large")
        else:
            return float(value)
        return None


def _parsed(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value
