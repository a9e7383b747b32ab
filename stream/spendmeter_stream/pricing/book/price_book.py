"""The price book: loaded whole, checked whole, then asked for the cards of each kind of call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self

from spendmeter_stream.pricing.book.cards import NO_CARD, CardTable, Timeline
from spendmeter_stream.pricing.book.checks import check
from spendmeter_stream.pricing.book.documents import Document, document_of_rows, read_documents
from spendmeter_stream.pricing.book.index import CallKind, Index
from spendmeter_stream.pricing.book.parsing import Parsed, parse
from spendmeter_stream.pricing.book.resolve import timeline_of
from spendmeter_stream.pricing.book.rows import PriceBookError

_ROWS_LAYER: Final = 2
_CACHED_KEYS: Final = 65_536
"""Model names come from outside: a flood of new ones empties the cache instead of filling the memory."""


class PriceBook:
    """Prices of every known provider and model. Immutable; a new book replaces it whole.

    Build one with `PriceBook.load()`; the constructor takes documents already read.
    """

    def __init__(self, *, documents: list[Document], below: PriceBook | None = None) -> None:
        """`below` is a book without rows on top, whose files need not be read and checked again.

        Raises `PriceBookError` with every fault of the documents.
        """
        parsed = parse(documents)
        faults = [*parsed.faults, *check(parsed, below._parsed.providers if below else [])]
        if faults:
            raise PriceBookError(faults)
        self._files: PriceBook = below or self
        self._parsed: Parsed = parsed.on_top_of(below._parsed) if below else parsed
        self._content: str = _content_hash(documents, below._content if below else "")
        self.version: Final = self._content[:12]
        self.prices: Final = tuple(self._parsed.prices)
        self.cards: Final = CardTable()
        self.verified_at: Final = max((price.terms.verified_at for price in self.prices), default="")
        """The newest day (ISO 8601) on which somebody compared a price with its source."""
        terms = [price.terms for price in self.prices] + [each.terms for each in self._parsed.multipliers]
        self.orgs: Final = frozenset(each.org for each in terms) - {""}
        self._index = Index.of(self._parsed)
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
        """A book with these rows, and no others, on top of this one's files.

        Each is shaped like a `[[price]]` or `[[multiplier]]` block, plus its `provider`.

        A row replaces the book's own rates for its units, models and tiers while it is in force.
        Raises `PriceBookError`; the place of a fault is `rows:N`, counted from 1.
        """
        return PriceBook(documents=document_of_rows(rows, layer=_ROWS_LAYER), below=self._files)

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
        return self._index.provider(name)

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


def _content_hash(documents: list[Document], below: str) -> str:
    # Over the values, not the bytes: a comment or a blank line changes no price and so no version.
    content = [
        [
            document.layer,
            document.head.data,
            [block.data for block in (*document.prices, *document.multipliers)],
        ]
        for document in documents
    ]
    text = below + json.dumps(content, default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
