"""Write `stream/prices/transcribed/` from a copy of LiteLLM's price map.

    python -m docs.build.transcribe_prices MAP DAY

Only models without a price in the seed and the reviewed files get a row. Each row names its provider's page, and notes
that its rates were read in the map, not on the page.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeAlias

from docs.build.price_map import Entry, unpriced
from docs.build.price_pages import PAGES

from spendmeter_stream.pricing import PriceBook, packaged_directory
from spendmeter_stream.pricing.book.documents import TRANSCRIBED_FOLDER
from spendmeter_stream.pricing.book.index import CallKind
from spendmeter_stream.pricing.book.units import FEE_UNIT, REGION_UNIT

_Rates: TypeAlias = tuple[tuple[str, Decimal], ...]
_Tags: TypeAlias = tuple[tuple[str, str], ...]

_MILLION: Final = Decimal(10**6)
_WIDTH: Final = 116
_WITHHELD: Final = ("images", "output_tokens")
"""Rates that the book omits from some models on purpose, because one count has several prices."""
NOTE: Final = "as transcribed in BerriAI/litellm's price map"


def main(path: Path, day: str) -> None:
    folder = packaged_directory() / TRANSCRIBED_FOLDER
    for old in folder.glob("*.toml"):
        old.unlink()
    folder.mkdir(exist_ok=True)
    book = PriceBook.load()
    missing: dict[str, list[Entry]] = defaultdict(list)
    for entry, lacking in unpriced(book, path, datetime.fromisoformat(day).replace(tzinfo=UTC)):
        if row := _row(book, entry, lacking):
            missing[book.provider_name(row.provider) or row.provider].append(row)
    for provider, found in sorted(missing.items()):
        (folder / f"{provider}.toml").write_text(_file(provider, found, day), encoding="utf-8")


def _row(book: PriceBook, entry: Entry, lacking: set[str]) -> Entry | None:
    """Return an entry with the missing rates of a model; None if no row can add them.

    A model without rows, or at a place without a price, gets a new row. Otherwise the missing units are added to the
    pattern that the model matches: an exact name would hide the rows of that pattern.
    """
    candidates = book.candidates(CallKind(entry.provider, entry.model, "standard", ""))
    rows = candidates.rows if candidates else []
    if not rows or REGION_UNIT in lacking:
        return entry
    patterns = [each for row in rows for each in row.price.patterns if _matches(each, entry.model.lower())]
    makers = {row.price.terms.provider for row in rows}
    # Vertex AI shares the list of the Gemini API. The rate of a reseller is not that of the maker.
    own = makers == {book.provider_name(entry.provider)} or (entry.provider == "vertex" and makers == {"google"})
    rates = {unit: rate for unit, rate in entry.rates.items() if unit in lacking and unit not in _WITHHELD}
    if not (patterns and own and rates) or FEE_UNIT in lacking:
        return None
    return replace(entry, provider=makers.pop(), model=max(patterns, key=len), rates=rates)


def _matches(pattern: str, model: str) -> bool:
    """Return whether a pattern matches the model after any prefix."""
    return model.endswith(pattern) or (pattern.endswith("*") and pattern[:-1] in model)


def _file(provider: str, found: list[Entry], day: str) -> str:
    page = PAGES.get(provider, "https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json")
    head = (
        f"# Written by docs/build/transcribe_prices.py: models that ../seed and ../{provider}.toml lack.\n"
        f'provider = "{provider}"\n\n'
        f'[defaults]\nfrom = "beginning"\nsource = "{page}"\nverified_at = {day}\nnote = "{NOTE}"\n'
    )
    groups: dict[tuple[_Rates, _Tags, str], list[str]] = defaultdict(list)
    for entry in _distinct(found):
        rates, tags = tuple(sorted(entry.rates.items())), tuple(sorted(entry.tags.items()))
        groups[rates, tags, _page(entry)].append(entry.model.lower())
    return head + "".join(_block(models, *key) for key, models in groups.items())


def _distinct(found: list[Entry]) -> Iterable[Entry]:
    # The map has some ids twice, with and without a prefix; the first is the one without.
    # Of several entries with one pattern, the first rate of each unit counts.
    rows: dict[tuple[str, _Tags], Entry] = {}
    for entry in found:
        key = entry.model.lower(), tuple(sorted(entry.tags.items()))
        rows[key] = replace(entry, rates={**entry.rates, **rows[key].rates}) if key in rows else entry
    return rows.values()


def _page(entry: Entry) -> str:
    return entry.source if entry.source.startswith("https://") and '"' not in entry.source else ""


def _block(models: list[str], rates: _Rates, tags: _Tags, page: str) -> str:
    tokens = [(unit, rate * _MILLION) for unit, rate in rates if unit not in ("images", "audio_seconds")]
    per_million = ", ".join(f"{unit} = {_plain(rate)}" for unit, rate in tokens)
    lines = ["", "[[price]]", f"models = [{_wrapped(models)}]"]
    lines += [f"per_million = {{ {per_million} }}"] if per_million else []
    lines += [f"per_unit = {{ {unit} = {_plain(rate)} }}" for unit, rate in rates if unit == "images"]
    lines += [f"per_hour = {{ {unit} = {_plain(rate * 3600)} }}" for unit, rate in rates if unit == "audio_seconds"]
    when = ", ".join(f'{tag} = "{value}"' for tag, value in tags)
    lines += [f"when = {{ {when} }}"] if tags else []
    lines += [f'source = "{page}"'] if page else []
    return "\n".join([*lines, ""])


def _plain(rate: Decimal) -> str:
    return f"{rate.normalize():f}"


def _wrapped(models: list[str]) -> str:
    lines, line = [""], "   "
    for model in sorted(set(models)):
        if len(line) + len(model) + 4 > _WIDTH:
            lines.append(line)
            line = "   "
        line += f' "{model}",'
    return "\n".join([*lines, line, ""])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
