"""Find the counts of a usage section that were not read, so that no unknown token kind is taken for 0."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Set
from decimal import Decimal
from typing import Any, Final

from spendmeter_events.extract._sections.payload import field_name, fields_of

_MAX_DEPTH: Final = 6
_MAX_ITEMS: Final = 256

_COUNTED: Final = re.compile(
    "token|cach|audio|image|video|reason|think|thought|search|quer|request|call|char|second|minute|page|unit|count"
    "|pixel|frame|document|session|byte|num"
)
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NOT_COUNTS: Final = frozenset((
    "cost", "costs", "price", "prices", "pricing", "usd", "dollars", "tick", "ticks", "discount", "fee",
    "time", "times", "timestamp", "latency", "created", "at", "per", "ms", "ns", "us", "ttl", "ttft",
    "rate", "ratio", "percent", "fraction", "limit", "remaining", "max", "budget", "version", "status",
    "index", "id", "ids", "seed", "port", "throughput", "speed", "logprob",
))  # fmt: skip
"""Words that mark a name as a time, an amount of money or a setting: `time_to_first_token`."""
_NEVER_COUNTS: Final = frozenset(("cost", "costs", "price", "per", "limit", "remaining", "max", "budget"))
"""Words that exclude even names that end like a count: `max_output_tokens` is no count, `video_time_tokens` is."""
_COUNT_ENDINGS: Final = frozenset(("tokens", "count", "units", "requests"))


def unread_counts(section: object, read: Set[tuple[int, str]]) -> tuple[str, ...]:
    """Return the paths of the counts in this section that are neither 0 nor in `read` (section's id and key)."""
    return tuple(dict.fromkeys(_walk(section, read, "", 0)))


def _walk(section: object, read: Set[tuple[int, str]], path: str, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(section, (list, tuple)):
        for item in section[:_MAX_ITEMS]:
            yield from _walk(item, read, path, depth + 1)
    for name, value in fields_of(section).items():
        if (id(section), name) in read or _is_no_count(name):
            continue
        if looks_like_count(name, value):
            yield path + field_name(name)
        else:
            yield from _walk(value, read, f"{path}{field_name(name)}.", depth + 1)


def looks_like_count(name: str, value: Any) -> bool:
    """Return whether the value is a number other than 0 that may be billed: any whole number, others by their name."""
    counted = _COUNTED.search(name.lower()) is not None
    if isinstance(value, str):
        return counted and value.strip().isdecimal() and value.strip(" 0") != ""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)) or value == 0:
        return False
    if not isinstance(value, int) and math.isnan(value):
        return False
    return counted or value == value // 1


def _is_no_count(name: str) -> bool:
    words = [word.lower() for word in _WORDS.findall(name)]
    excluded = _NEVER_COUNTS if words and words[-1] in _COUNT_ENDINGS else _NOT_COUNTS
    return not excluded.isdisjoint(words)
