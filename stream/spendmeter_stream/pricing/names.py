"""Finding the rows of a model: names differ in case, prefix and date stamp between providers and gateways."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from typing import Final

_DATED: Final = re.compile(r"[-@](20\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(-v\d+(:\d+)?)?$")
_RESOURCE: Final = re.compile(r"^(?:projects/[^/]+/locations/[^/]+/)?publishers/[^/]+/models/|^models/")


def provider_key(name: str) -> str:
    """One spelling for a provider's name: lower case, and `-` for blank, `_` and `.`."""
    return re.sub(r"[\s_.]+", "-", name.strip().lower())


def spellings(model: str, prefixes: Collection[str]) -> list[str]:
    """The names that `model` may stand under, nearest first: as given, without prefixes, without its date.

    `prefixes` are the provider's own and the names of providers as aggregators write them (`openai/`).
    """
    names = [model.strip().lower()]
    bare = _RESOURCE.sub("", names[0])
    stripping = True
    while stripping:
        names.append(bare)
        found = max((prefix for prefix in prefixes if bare.startswith(prefix)), key=len, default="")
        bare, stripping = bare[len(found) :], bool(found)
    dashed = [_DATED.sub(r"-\1-\2-\3", name) for name in names]
    undated = [_DATED.sub("", name) for name in names]
    return list(dict.fromkeys([*names, *dashed, *undated]))


def best_pattern(names: Iterable[str], patterns: Collection[str]) -> str | None:
    """The pattern for a model: an exact name first, else the glob with the most literal characters."""
    names = list(names)
    for name in names:
        if name in patterns:
            return name
    for name in names:
        fitting = [pattern for pattern in patterns if "*" in pattern and _regex(pattern).fullmatch(name)]
        if fitting:
            return max(fitting, key=lambda pattern: (literal_length(pattern), pattern))
    return None


def literal_length(pattern: str) -> int:
    return len(pattern) - pattern.count("*")


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))))


def ambiguous_globs(patterns: Collection[str]) -> Iterator[tuple[str, str]]:
    """Pairs of globs that one name could match and that are equally near: as many literal characters each."""
    globs = sorted(pattern for pattern in patterns if "*" in pattern)
    for index, first in enumerate(globs):
        for second in globs[index + 1 :]:
            if literal_length(first) == literal_length(second) and _meet(first, second):
                yield first, second


@cache
def _meet(first: str, second: str) -> bool:
    """Whether some name matches both globs."""
    if not first or not second:
        return set(first + second) <= {"*"}
    if first[0] == "*":
        return _meet(first[1:], second) or _meet(first, second[1:])
    if second[0] == "*":
        return _meet(first, second[1:]) or _meet(first[1:], second)
    return first[0] == second[0] and _meet(first[1:], second[1:])
