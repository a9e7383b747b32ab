"""Match model names, which differ in case, prefix and date stamp between providers and gateways."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, Generic, NamedTuple, TypeVar

_T = TypeVar("_T")

_DATED: Final = re.compile(r"[-@](20\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(-v\d+(:\d+)?)?$")
_RESOURCE: Final = re.compile(
    r"^(?:arn:[^:/]*:[^:/]*:(?P<arn>[^:/]*):[^/]*/"
    r"|(?:projects/[^/]+/locations/(?P<location>[^/]+)/)?publishers/[^/]+/models/"
    r"|models/)"
)


def provider_key(name: str) -> str:
    """Normalise a provider's name: lower case, and `-` for blank, `_` and `.`."""
    return re.sub(r"[\s_.]+", "-", name.strip().lower())


class Spelling(NamedTuple):
    """The names to look a model up by, nearest first: as given, without prefixes, without its date."""

    names: list[str]
    placed: list[str]
    """Names that contain the place, such as `eu.anthropic.claude-3`: their rows apply to this place only."""
    place: str
    """Region or deployment type that a prefix or the resource name selects; empty if none does."""
    undated: frozenset[str]
    """Names from which the date was removed."""


def spell(
    model: str, prefixes: Collection[str], *, endings: Collection[str] = (), places: Mapping[str, str] | None = None
) -> Spelling:
    """Return the names of `model`.

    :param prefixes: prefixes of the provider, and provider names as in gateways (`openai/`).
    :param endings: endings that do not change the price (`:nitro`).
    :param places: prefix (`eu.`) → the place that it selects.
    """
    names, place, placed = _without_prefixes(model.strip().lower(), prefixes, places or {})
    ending = max((each for each in endings if names[0].endswith(each)), key=len, default="")
    if ending:
        names += [name.removesuffix(ending) for name in names]
        placed += [name.removesuffix(ending) for name in placed]
    dashed = [_DATED.sub(r"-\1-\2-\3", name) for name in names]
    undated = [_DATED.sub("", name) for name in names]
    return Spelling(
        names=list(dict.fromkeys([*names, *dashed, *undated])),
        placed=list(dict.fromkeys([*placed, *(_DATED.sub("", name) for name in placed)])),
        place=place,
        undated=frozenset(undated) - frozenset(names),
    )


def _without_prefixes(
    model: str, prefixes: Collection[str], places: Mapping[str, str]
) -> tuple[list[str], str, list[str]]:
    resource = _RESOURCE.match(model)
    place = (resource["arn"] or resource["location"] or "") if resource else ""
    names, placed = [model], list[str]()
    bare = model[resource.end() :] if resource else model
    known = {*prefixes, *places}
    while True:
        names.append(bare)
        found = max((prefix for prefix in known if bare.startswith(prefix)), key=len, default="")
        if not found:
            return names, place, placed
        if found in places:
            # The prefix wins over the region of the resource: the profile's geography decides the price.
            place, placed = places[found], list(dict.fromkeys(names))
        bare = bare[len(found) :]


class Patterns(Generic[_T]):
    """Values by model pattern: an exact name, a prefix (`gpt-4o-mini-tts*`) or an ending (`*:free`)."""

    def __init__(self) -> None:
        self._exact: dict[str, list[_T]] = {}
        self._prefixes: dict[str, list[_T]] = {}
        self._endings: dict[str, list[_T]] = {}

    def add(self, patterns: Iterable[str], value: _T) -> None:
        for pattern in patterns:
            if pattern.endswith("*"):
                self._prefixes.setdefault(pattern[:-1], []).append(value)
            elif pattern.startswith("*"):
                self._endings.setdefault(pattern[1:], []).append(value)
            else:
                self._exact.setdefault(pattern, []).append(value)

    def nearest(self, names: list[str], applies: Callable[[_T], bool] = lambda _: True) -> list[_T]:
        """Return the applicable values of the nearest pattern that has any.

        An exact match of the nearest spelling is nearest, then the longest ending, then the longest prefix.
        """
        for pattern in self._matching(names):
            if found := [value for value in pattern if applies(value)]:
                return found
        return []

    def _matching(self, names: list[str]) -> Iterable[list[_T]]:
        yield from (self._exact[name] for name in names if name in self._exact)
        for name in names:
            endings = [ending for ending in self._endings if name.endswith(ending)]
            yield from (self._endings[ending] for ending in sorted(endings, key=len, reverse=True))
        for name in names:
            prefixes = [prefix for prefix in self._prefixes if name.startswith(prefix)]
            yield from (self._prefixes[prefix] for prefix in sorted(prefixes, key=len, reverse=True))
