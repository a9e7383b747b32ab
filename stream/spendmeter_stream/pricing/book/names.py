"""Match model names, which differ in case, prefix and date stamp between providers and gateways."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final, Generic, TypeVar

_T = TypeVar("_T")

_DATED: Final = re.compile(r"[-@](20\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(-v\d+(:\d+)?)?$")
_RESOURCE: Final = re.compile(r"^(?:arn:[^/]*/|(?:projects/[^/]+/locations/[^/]+/)?publishers/[^/]+/models/|models/)")


def provider_key(name: str) -> str:
    """Normalise a provider's name: lower case, and `-` for blank, `_` and `.`."""
    return re.sub(r"[\s_.]+", "-", name.strip().lower())


def spellings(model: str, prefixes: Collection[str]) -> list[str]:
    """Return the names to look `model` up by, nearest first: as given, without prefixes, without its date.

    :param prefixes: the provider's own, and provider names as gateways write them (`openai/`).
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


class Patterns(Generic[_T]):
    """Values by model pattern: an exact name or a prefix (`gpt-4o-mini-tts*`)."""

    def __init__(self) -> None:
        self._exact: dict[str, list[_T]] = {}
        self._prefixes: dict[str, list[_T]] = {}

    def add(self, patterns: Iterable[str], value: _T) -> None:
        for pattern in patterns:
            kind, name = (self._prefixes, pattern[:-1]) if pattern.endswith("*") else (self._exact, pattern)
            kind.setdefault(name, []).append(value)

    def nearest(self, names: list[str]) -> list[_T]:
        """Return the values of the nearest spelling with an exact match, else of the longest matching prefix."""
        for name in names:
            if name in self._exact:
                return self._exact[name]
        for name in names:
            matching = [prefix for prefix in self._prefixes if name.startswith(prefix)]
            if matching:
                return self._prefixes[max(matching, key=len)]
        return []
