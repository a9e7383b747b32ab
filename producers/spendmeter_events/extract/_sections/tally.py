"""Read the counts of a usage section, and make them disjoint.

Counts are never clamped: an impossible count is a fault. A fault, or a count that was not read, raises
`InconsistentUsage`, which carries what is certain.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Final, NamedTuple

from spendmeter_events.event import MAX_COUNT
from spendmeter_events.extract._sections.payload import fields_of, pick, shape_of
from spendmeter_events.extract._sections.unread import unread_counts
from spendmeter_events.extract.errors import InconsistentUsage
from spendmeter_events.extract.usage import State, Usage

NOT_THE_SUM: Final = "the total is not the sum of its parts"
PARTS_EXCEED: Final = "cached, written, audio and image tokens exceed the input they are part of"
CACHED_EXCEED: Final = "cached audio and image tokens exceed audio and image tokens"
Place = tuple[object, tuple[str, ...]]
"""A section, and names of a count in it, in snake case; camel case is read too."""


class Kinds(NamedTuple):
    """Tokens that are not text."""

    audio: int = 0
    image: int = 0


NO_KINDS: Final = Kinds()


class Tally:
    """Read counts and collect their faults, so that one error reports all of them."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.ambiguous = False
        """Whether a count can be read in two ways."""
        self._read: set[tuple[int, str]] = set()
        self._sections: list[object] = []  # keeps them alive, so that no id is reused
        self._unpriced: list[str] = []

    def count(self, section: object, *names: str) -> int | None:
        """Return the count under these names; None if it is absent or a fault.

        Strings of digits are accepted: protobuf's JSON and HTTP headers carry integers as strings.
        """
        return self.first((section, names))

    def first(self, *places: Place) -> int | None:
        """Return the first count other than 0 in these places, else 0 or None.

        Places that repeat the count are marked as read; one that contradicts it stays unread.
        """
        value = self._number(places, whole=True)
        return None if value is None else int(value)

    def seconds(self, section: object, *names: str) -> float | None:
        """Return seconds, rounded to milliseconds."""
        value = self._number(((section, names),))
        return None if value is None else round(value, 3)

    def usd(self, section: object, *names: str) -> float | None:
        """Return the cost that the provider reports, in USD."""
        return self._number(((section, names),))

    def skip(self, section: object, *names: str) -> None:
        """Mark these names as read, because they repeat other counts or are not billed."""
        self._sections.append(section)
        self._read |= {(id(section), spelling) for name in names for spelling in spellings(name)}

    def flag(self, name: str) -> None:
        """Report a count as unread, because it has no bucket."""
        self._unpriced.append(name)

    def input_side(
        self,
        total: int,
        *,
        cached: int | None = None,
        writes: tuple[int, int] = (0, 0),
        kinds: Kinds = NO_KINDS,
        cached_kinds: Kinds = NO_KINDS,
    ) -> dict[str, int]:
        """Return the buckets of an input count that includes cached and written tokens, each of any kind.

        `kinds` are all audio and image tokens, `cached_kinds` those of them that were cached, as far as it is reported.
        Parts that exceed the count cannot be part of it, so it is taken as the uncached count.
        """
        if kinds.audio < cached_kinds.audio or kinds.image < cached_kinds.image:
            self.faults.append(CACHED_EXCEED)
            kinds = cached_kinds = NO_KINDS
        cached = cached or sum(cached_kinds)
        audio, image = kinds.audio - cached_kinds.audio, kinds.image - cached_kinds.image
        uncached = total - cached - sum(writes) - audio - image
        if uncached < 0 and not any(cached_kinds):
            # More cached tokens than text: some of them are images or audio, and it is not reported how many.
            cached_kinds = Kinds(image=min(image, -uncached), audio=min(audio, max(-uncached - image, 0)))
            audio, image = audio - cached_kinds.audio, image - cached_kinds.image
            uncached += sum(cached_kinds)
            self.ambiguous = True
        text = cached - sum(cached_kinds)
        if uncached < 0 or text < 0:
            self.faults.append(PARTS_EXCEED)
            uncached, text = total, max(text, 0)
        return {
            "input_tokens": uncached,
            "cache_read_tokens": text,
            "cache_write_5m_tokens": writes[0],
            "cache_write_1h_tokens": writes[1],
            "input_audio_tokens": audio,
            "cache_read_audio_tokens": cached_kinds.audio,
            "input_image_tokens": image,
            "cache_read_image_tokens": cached_kinds.image,
        }

    def output_side(self, total: int, *, reasoning: int | None = None, kinds: Kinds = NO_KINDS) -> dict[str, int]:
        """Return the buckets of an output count that includes reasoning, audio and image tokens."""
        reasoning = reasoning or 0
        if reasoning + sum(kinds) > total:
            self.faults.append("reasoning, audio and image tokens exceed the output they are part of")
            return {"output_tokens": total}
        return {
            "output_tokens": total - sum(kinds),
            "output_audio_tokens": kinds.audio,
            "output_image_tokens": kinds.image,
            "reasoning_tokens": reasoning,
        }

    def writes(self, total: int | None, short: int | None, long: int | None) -> tuple[int, int]:
        """Return cache writes by lifetime (short, long); writes without a breakdown count as short."""
        short, long = short or 0, long or 0
        if not total:  # some SDKs report 0 beside a breakdown
            return short, long
        rest = total - short - long
        if rest < 0:
            self.faults.append("cache writes by lifetime exceed their total")
            return total, 0
        return short + rest, long

    def fill_from_total(
        self, prompt: int | None, completion: int | None, total: int | None
    ) -> tuple[int | None, int | None]:
        """Return input and output; one that is not reported is computed from the total."""
        if total is None or (prompt is None) == (completion is None):
            return prompt, completion
        rest = total - (prompt or 0) - (completion or 0)
        if rest < 0:
            self.faults.append(NOT_THE_SUM)
            return prompt, completion
        return (rest, completion) if prompt is None else (prompt, rest)

    def usage(self, section: object, *, provider: str, state: State = "complete", **fields: Any) -> Usage:
        """Return the `Usage` of these fields. Raises `InconsistentUsage` if there are faults or unread counts."""
        unread = tuple(dict.fromkeys((*unread_counts(section, self._read), *self._unpriced)))
        if state == "complete":
            state = "ambiguous" if self.ambiguous else "unread" if unread else state
        if self.faults:
            state = "inconsistent"
        known = Usage(provider=provider, state=state, unread=unread, **fields)
        if not self.faults and not unread:
            return known
        faults = (*self.faults, *(f"{name} was not read" for name in unread))
        raise InconsistentUsage(provider=provider, faults=faults, shape=shape_of(section), known=known)

    def _number(self, places: tuple[Place, ...], *, whole: bool = False) -> float | None:
        found = [
            (section, name, number)
            for section, names in places
            for name in _present(section, names)
            if (number := self._checked(section, name, whole)) is not None
        ]
        value = next((number for _, _, number in found if number), 0.0 if found else None)
        for section, name, number in found:
            if number in (0, value):
                self._mark(section, name)
        return value

    def _checked(self, section: object, name: str, whole: bool) -> float | None:
        value = pick(section, name)
        value = _parsed(value) if isinstance(value, str) else value
        if value is None or isinstance(value, Mapping) or fields_of(value):  # a breakdown, which contains counts
            return None
        value = float(value) if isinstance(value, Decimal) else value
        if isinstance(value, float) and math.isnan(value):  # SDKs in JavaScript: not reported
            return None
        fault = ""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            fault = "is not a number"
        elif not 0 <= value <= MAX_COUNT:
            fault = "is negative or impossibly large"
        elif whole and value != math.floor(value):
            fault = "is not a whole count"
        if not fault:
            return float(value)
        self._mark(section, name)
        self.faults.append(f"{name} {fault}")
        return None

    def _mark(self, section: object, name: str) -> None:
        self._sections.append(section)
        self._read.add((id(section), name))


@cache
def spellings(name: str) -> tuple[str, ...]:
    """Return the name unchanged and in camel case: `cached_tokens`, `cachedTokens`."""
    first, *rest = name.split("_")
    return tuple(dict.fromkeys((name, first + "".join(word.capitalize() for word in rest))))


@cache
def _all_spellings(names: tuple[str, ...]) -> dict[str, None]:
    return dict.fromkeys(spelling for name in names for spelling in spellings(name))


def _present(section: object, names: tuple[str, ...]) -> Collection[str]:
    """Return the spellings of these names that the section may have; for a dict, only those that it has."""
    if section is None:
        return ()
    every = _all_spellings(names)
    if not isinstance(section, dict):
        return every
    return () if every.keys().isdisjoint(section) else [name for name in every if name in section]


def part(section: object, *names: str) -> Any:
    """Return the first of these subsections that has fields, in snake or camel case."""
    found = (pick(section, name) for name in _present(section, names))
    return next((value for value in found if fields_of(value)), None)


def _parsed(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value
