"""The price book: loaded whole, checked whole, then asked for the cards of each kind of call."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple, Self

from spendmeter_stream.pricing.cards import NO_CARD, CardTable, Timeline
from spendmeter_stream.pricing.checks import check
from spendmeter_stream.pricing.documents import Document, document_of_rows, read_documents
from spendmeter_stream.pricing.names import best_pattern, provider_key, spellings
from spendmeter_stream.pricing.parsing import Parsed, parse
from spendmeter_stream.pricing.resolve import Candidates, timeline_of
from spendmeter_stream.pricing.rows import Multiplier, PriceBookError, PriceRow, Provider, Terms

_ROWS_LAYER: Final = 2
_CACHED_KEYS: Final = 65_536
"""Model names come from outside: a flood of new ones empties the cache instead of filling the memory."""


class CallKind(NamedTuple):
    """What decides a call's rates, besides its time and its prompt length. All as the event spells them."""

    provider: str
    model: str
    tier: str
    region: str
    org: str = ""
    qualifiers: tuple[tuple[str, str], ...] = ()


class PriceBook:
    """Prices of every known provider and model. Immutable; a new book replaces it whole.

    Build one with `PriceBook.load()`; the constructor takes documents already read.
    """

    def __init__(self, *, documents: list[Document]) -> None:
        """Raises `PriceBookError` with every fault of the documents."""
        parsed = parse(documents)
        faults = [*parsed.faults, *check(parsed)]
        if faults:
            raise PriceBookError(faults)
        self._documents = documents
        self.version: Final = _content_hash(documents)
        self.rows: Final = tuple(parsed.rows)
        self.multipliers: Final = tuple(parsed.multipliers)
        self.cards: Final = CardTable()
        terms = [row.terms for row in parsed.rows] + [each.terms for each in parsed.multipliers]
        self.orgs: Final = frozenset(each.org for each in terms) - {""}
        self._index = _Index.of(parsed)
        self._timelines: dict[CallKind, Timeline] = {}
        self._lock = Lock()

    @classmethod
    def load(cls, directory: Path | None = None) -> Self:
        """The book of a directory of `*.toml` files; without one, the book that ships with this package.

        Raises `PriceBookError`, which lists every fault with its file and line.
        """
        documents, faults = read_documents(directory or packaged_directory())
        if faults:
            raise PriceBookError([*faults, *parse(documents).faults])
        return cls(documents=documents)

    def with_rows(self, rows: Iterable[Mapping[str, Any]]) -> PriceBook:
        """A book with rows on top: each a `[[price]]` or `[[multiplier]]` block plus its `provider`.

        A row replaces the book's own rates for its units, models and tiers while it is in force.
        Raises `PriceBookError`; the place of a fault is `rows:N`, counted from 1.
        """
        below = [document for document in self._documents if document.layer < _ROWS_LAYER]
        return PriceBook(documents=[*below, *document_of_rows(rows, layer=_ROWS_LAYER)])

    def timeline(self, kind: CallKind) -> Timeline:
        """The cards of one kind of call by time; an unknown provider or model has the unknown card."""
        found = self._timelines.get(kind)
        if found is not None:
            return found
        with self._lock:
            if len(self._timelines) >= _CACHED_KEYS:
                self._timelines.clear()
            found = self._resolve(kind)
            self._timelines[kind] = found
        return found

    def provider_name(self, name: str) -> str | None:
        """The book's own name for a provider as an event spells it, or None."""
        return self._index.names.get(provider_key(name))

    def _resolve(self, kind: CallKind) -> Timeline:
        provider = self.provider_name(kind.provider)
        if provider is None:
            return NO_CARD
        candidates = self._index.candidates(provider, kind)
        return timeline_of(candidates, self.cards) if candidates.rows else NO_CARD


def packaged_directory() -> Path:
    """`stream/prices` in a checkout, `spendmeter_stream/prices` in the wheel."""
    package = Path(str(files("spendmeter_stream")))
    inside, beside = package / "prices", package.parent / "prices"
    return inside if inside.is_dir() else beside


def _content_hash(documents: list[Document]) -> str:
    # Over the values, not the bytes: a comment or a blank line changes no price and so no version.
    content = [
        [
            document.layer,
            document.head.data,
            [block.data for block in (*document.prices, *document.multipliers)],
        ]
        for document in documents
    ]
    text = json.dumps(content, default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class _Index:
    """Rows by provider, by who they are for, and by pattern, so that a model finds its own in each group."""

    def __init__(self, *, providers: Mapping[str, Provider]) -> None:
        self.providers = providers
        self.names = {
            provider_key(name): provider.name
            for provider in providers.values()
            for name in (provider.name, *provider.aliases)
        }
        self._gateway_prefixes = {
            f"{name}/" for provider in providers.values() for name in (provider.name, *provider.aliases)
        }
        self._rows: dict[tuple[str, str, int], dict[str, list[PriceRow]]] = {}
        self._multipliers: dict[str, list[Multiplier]] = defaultdict(list)

    @classmethod
    def of(cls, parsed: Parsed) -> Self:
        index = cls(providers=merged(parsed.providers))
        for row in parsed.rows:
            terms = row.terms
            group = index._rows.setdefault((terms.provider, terms.org, terms.layer), {})
            group.setdefault(row.pattern, []).append(row)
        for multiplier in parsed.multipliers:
            index._multipliers[multiplier.terms.provider].append(multiplier)
        return index

    def candidates(self, provider: str, kind: CallKind) -> Candidates:
        """The rows and multipliers that can hold for this kind of call at some time."""
        header = self.providers[provider]
        tier = self._tier(header, kind.tier)
        names = self._spellings(kind.model, header)
        rows = self._own_rows(provider, names, kind.org)
        if all(row.terms.org for row in rows):
            rows += self._resold_rows(header, kind.model)
        region = kind.region.strip().lower()
        return Candidates(
            rows=[row for row in rows if _reaches(row.terms, tier, region)],
            multipliers=[
                each for each in self._own_multipliers(provider, names, kind.org) if _reaches(each.terms, tier, region)
            ],
            qualifiers=kind.qualifiers,
        )

    def _spellings(self, model: str, header: Provider) -> list[str]:
        return spellings(model, {*header.strip, *self._gateway_prefixes})

    def _own_rows(self, provider: str, names: list[str], org: str) -> list[PriceRow]:
        rows: list[PriceRow] = []
        for layer in (0, 1, _ROWS_LAYER):
            for scope in {"", org}:
                group = self._rows.get((provider, scope, layer), {})
                pattern = best_pattern(names, group)
                rows += group[pattern] if pattern is not None else []
        return rows

    def _own_multipliers(self, provider: str, names: list[str], org: str) -> list[Multiplier]:
        """Of each kind (a region's, an org's) those with the nearest pattern: they do not pile up."""
        groups: dict[tuple[str, bool, int], dict[str, list[Multiplier]]] = {}
        for each in self._multipliers.get(provider, ()):
            if each.terms.org in ("", org):
                group = groups.setdefault((each.terms.org, bool(each.terms.regions), each.terms.layer), {})
                group.setdefault(each.pattern, []).append(each)
        nearest = [(group, best_pattern(names, group)) for group in groups.values()]
        return [each for group, pattern in nearest if pattern is not None for each in group[pattern]]

    def _resold_rows(self, header: Provider, model: str) -> list[PriceRow]:
        """Only the maker's standard list price carries over: its tiers and regions are its own."""
        for maker in header.resells:
            names = self._spellings(model, header)
            rows = self._own_rows(maker, names, "")
            if rows:
                return [row for row in rows if "standard" in row.terms.tiers and not row.terms.regions]
        return []

    @staticmethod
    def _tier(header: Provider, tier: str) -> str:
        name = tier.strip().lower() or "standard"
        return header.tier_aliases.get(name, name)


def _reaches(terms: Terms, tier: str, region: str) -> bool:
    return tier in terms.tiers and (not terms.regions or region in terms.regions)


def merged(providers: Iterable[Provider]) -> dict[str, Provider]:
    """One header for each provider, though its seed and its reviewed file both have one."""
    found: dict[str, Provider] = {}
    for provider in providers:
        other = found.get(provider.name, provider)
        found[provider.name] = Provider(
            name=provider.name,
            aliases=tuple(dict.fromkeys((*other.aliases, *provider.aliases))),
            resells=tuple(dict.fromkeys((*other.resells, *provider.resells))),
            strip=tuple(dict.fromkeys((*other.strip, *provider.strip))),
            tier_aliases={**other.tier_aliases, **provider.tier_aliases},
            place=other.place,
        )
    return found
