"""Finding the rows of a model: names differ in case, prefix and date stamp between providers and gateways."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

_DATED: Final = re.compile(r"[-@](20\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(-v\d+(:\d+)?)?$")
_RESOURCE: Final = re.compile(r"^(?:arn:[^/]*/|(?:projects/[^/]+/locations/[^/]+/)?publishers/[^/]+/models/|models/)")


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
    """The pattern for a model: an exact name first, else the longest prefix (`gpt-4o-mini-tts*`)."""
    names = list(names)
    for name in names:
        if name in patterns:
            return name
    for name in names:
        fitting = [pattern for pattern in patterns if matches(pattern, name)]
        if fitting:
            return max(fitting, key=len)
    return None


def matches(pattern: str, name: str) -> bool:
    """Whether `name` is the pattern, or begins as a pattern that ends in `*` does."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
