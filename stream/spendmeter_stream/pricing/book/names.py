"""Finding the rows of a model: names differ in case, prefix and date stamp between providers and gateways."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final, Generic, TypeVar

_T = TypeVar("_T")

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


class Patterns(Generic[_T]):
    """Values by model pattern: an exact name, or the beginning of one (`gpt-4o-mini-tts*`)."""

    def __init__(self) -> None:
        self._exact: dict[str, list[_T]] = {}
        self._prefixes: dict[str, list[_T]] = {}

    def add(self, patterns: Iterable[str], value: _T) -> None:
        for pattern in patterns:
            kind, name = (self._prefixes, pattern[:-1]) if pattern.endswith("*") else (self._exact, pattern)
            kind.setdefault(name, []).append(value)

    def nearest(self, names: list[str]) -> list[_T]:
        """The values of the exact name, else of the longest prefix; of the nearest spelling that has any."""
        for name in names:
            if name in self._exact:
                return self._exact[name]
        for name in names:
            fitting = [prefix for prefix in self._prefixes if name.startswith(prefix)]
            if fitting:
                return self._prefixes[max(fitting, key=len)]
        return []
