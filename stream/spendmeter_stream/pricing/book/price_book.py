"""The price book: loaded and checked as a whole, then queried for the cards of each kind of call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self

from spendmeter_stream.pricing.book.alias_checks import check_aliases
from spendmeter_stream.pricing.book.cards import NO_CARD, CardTable, Timeline
from spendmeter_stream.pricing.book.checks import check
from spendmeter_stream.pricing.book.documents import Document, document_of_rows, read_documents
from spendmeter_stream.pricing.book.index import CallKind, Index
from spendmeter_stream.pricing.book.parsing import Parsed, parse
from spendmeter_stream.pricing.book.resolve import Candidates, timeline_of
from spendmeter_stream.pricing.book.rows import ROWS_LAYER, Alias, Multiplier, Price, PriceBookError

_CACHED_KEYS: Final = 65_536
"""Bound on cached kinds of call. Model names are user input: a flood of new ones clears the cache, not the memory."""


class PriceBook:
    """Prices of every known provider and model. Immutable; a new book replaces it as a whole.

    Use `PriceBook.load()`; the constructor takes parsed documents.
    """

    def __init__(self, *, documents: list[Document], below: PriceBook | None = None) -> None:
        """Build a book from documents, on top of the checked files of `below`.

        :raises PriceBookError: lists every fault of the documents.
        """
        parsed = parse(documents)
        faults = [*parsed.faults, *check(parsed, below._parsed.providers if below else [])]
        self._files: PriceBook = below or self
        self._parsed: Parsed = parsed.on_top_of(below._parsed) if below else parsed
        if not faults:
            self._index = Index.of(self._parsed)
            faults = list(check_aliases(parsed.aliases, self._index))
        if faults:
            raise PriceBookError(faults)
        self._content: str = _content_hash(documents, below._content if below else "")
        self.version: Final = self._content[:12]
        self.prices: Final = tuple(self._parsed.prices)
        self.cards: Final = CardTable()
        self.blocks: Final[tuple[Price | Multiplier | Alias, ...]] = (
            *self.prices,
            *self._parsed.multipliers,
            *self._parsed.aliases,
        )
        """Every row with its own source: prices, multipliers and alias periods."""
        self.verified_at: Final = max((price.terms.verified_at for price in self.prices), default="")
        """Newest day (ISO 8601) on which a price was compared with its source."""
        self.oldest_verified_at: Final = min((each.terms.verified_at for each in self.blocks), default="")
        """Oldest of these days among all rows."""
        terms = [price.terms for price in self.prices] + [each.terms for each in self._parsed.multipliers]
        self.orgs: Final = frozenset(each.org for each in terms) - {""}
        self.scopes: Final = frozenset(
            (tier, region, each.org) for each in terms for tier in each.tiers for region in each.regions or ("",)
        )
        """Tier, region and org of every row: the kinds of call between which prices differ."""
        self._timelines: dict[CallKind, Timeline] = {}
        self._lock = Lock()

    @classmethod
    def load(cls, directory: Path | None = None) -> Self:
        """Load the `*.toml` files of a directory, by default the packaged book.

        :raises PriceBookError: lists every fault with its file and line.
        """
        documents, faults = read_documents(directory or packaged_directory())
        if faults:
            raise PriceBookError([*faults, *parse(documents).faults])
        return cls(documents=documents)

    def with_rows(self, rows: Iterable[Mapping[str, Any]], *, keys: Iterable[str] | None = None) -> PriceBook:
        """Return a book with exactly these rows on top of this book's files.

        A row is a `[[price]]`, `[[multiplier]]` or `[[alias]]` block plus its `provider`, in any spelling. It
        replaces the files' rates of its units, models and tiers while it is in force.

        :raises PriceBookError: the place of a fault is the row's key, or else `rows:N`, counted from 1.
        """
        named = [{**row, **self._files._named(row)} for row in rows]
        return PriceBook(documents=document_of_rows(named, layer=ROWS_LAYER, keys=keys), below=self._files)

    def timeline(self, kind: CallKind) -> Timeline:
        """Return the cards of one kind of call by time. An unknown provider or model has the unknown card."""
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
        """Return the book's name for a provider as an event spells it, or None."""
        return self._index.provider(name)

    def _named(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the book's name of a row's provider, which may be spelled as gateways and logs do."""
        name = row.get("provider")
        known = self.provider_name(name) if isinstance(name, str) else None
        return {"provider": known} if known else {}

    def candidates(self, kind: CallKind) -> Candidates | None:
        """Return every row that can apply to a kind of call; None if the provider is unknown."""
        provider = self.provider_name(kind.provider)
        return None if provider is None else self._index.candidates(provider, kind)

    def aliases(self, provider: str, model: str) -> list[Alias]:
        """Return the periods of a moving alias, oldest first; empty for any other model or an unknown provider."""
        name = self.provider_name(provider)
        return [] if name is None else self._index.aliases(name, model)

    def _resolve(self, kind: CallKind) -> Timeline:
        candidates = self.candidates(kind)
        return timeline_of(candidates, self.cards) if candidates and candidates.rows else NO_CARD


def packaged_directory() -> Path:
    """Return `stream/prices` in a checkout, `spendmeter_stream/prices` in the wheel."""
    package = Path(str(files("spendmeter_stream")))
    inside, beside = package / "prices", package.parent / "prices"
    return inside if inside.is_dir() else beside


def _content_hash(documents: list[Document], below: str) -> str:
    # Hash values, not bytes: a comment or a blank line changes no price and must not change the version.
    content = [
        [
            document.layer,
            document.head.data,
            [block.data for block in (*document.prices, *document.multipliers, *document.aliases)],
        ]
        for document in documents
    ]
    text = below + json.dumps(content, default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
