"""Write `docs/pricing-coverage.md` from a copy of LiteLLM's price map.

python -m docs.build.price_coverage MAP DAY
"""

from __future__ import annotations

import sys
import textwrap
from collections import Counter, defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from docs.build.price_map import Entry, entries, priced_calls
from docs.build.price_pages import PAGES

from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.pricing.book.documents import TRANSCRIBED_FOLDER
from spendmeter_stream.pricing.book.index import CallKind

PAGE: Final = Path(__file__).parents[1] / "pricing-coverage.md"
_EQUAL: Final = Decimal("0.005")
"""Relative difference up to which two costs agree: the map rounds some rates to three digits."""


_DISAGREEMENTS: Final = (
    "",
    "## Disagreements",
    "USD for 1,000 of each unit that the map prices (1,000 seconds of audio), at noon UTC of the day of the map. The",
    "page decides. Until the two are compared with it, the book keeps the rate of its own source.",
    "",
    "| provider | id | here | map | page |",
    "|---|---|---|---|---|",
)
_NOT_PRICED: Final = (
    "",
    "Differences from genai-prices: see [Agreement with genai-prices](pricing.md#agreement-with-genai-prices).",
    "",
    "## Not priced in full",
    "| provider | id | without a rate |",
    "|---|---|---|",
)


def main(path: Path, day: str) -> None:
    book = PriceBook.load()
    at = datetime.fromisoformat(day).replace(tzinfo=UTC, hour=12)
    found = list(priced_calls(book, path, at))
    unrated = sum(entry is None for _, entry in entries(path))
    PAGE.write_text(page(book, found, day, unrated), encoding="utf-8")
    sys.stdout.write(f"{PAGE}: {_share(found):.2f} % priced\n")


def _share(found: list[tuple[Entry, dict[str, Any]]]) -> float:
    return 100 * sum(_is_priced(priced) for _, priced in found) / len(found)


def _is_priced(priced: dict[str, Any]) -> bool:
    return priced["pricing_status"] in ("priced", "free")


def page(book: PriceBook, found: list[tuple[Entry, dict[str, Any]]], day: str, unrated: int) -> str:
    """Return the page: the share, a line per provider, the disagreements and the ids without a full price."""
    total: Counter[str] = Counter()
    done: Counter[str] = Counter()
    copied: Counter[str] = Counter()
    different: dict[str, list[str]] = defaultdict(list)
    lacking: list[str] = []
    for entry, priced in found:
        provider = book.provider_name(entry.provider) or entry.provider
        total[provider] += 1
        if not _is_priced(priced):
            lacking.append(f"| {provider} | `{entry.id}` | {', '.join(priced['unpriced_units'])} |")
            continue
        done[provider] += 1
        copied[provider] += _is_transcribed(book, entry)
        if abs(priced["cost"] - entry.cost()) > _EQUAL * max(priced["cost"], entry.cost()):
            different[provider].append(_difference(provider, entry, priced["cost"]))
    lines = ["# Coverage of prices", textwrap.fill(_intro(found, day, done, copied, unrated), 120), ""]
    lines += ["| provider | ids | priced | of these transcribed | disagreements |", "|---|---|---|---|---|"]
    lines += [
        f"| {name} | {count} | {done[name]} | {copied[name]} | {len(different[name])} |"
        for name, count in sorted(total.items(), key=lambda item: (-item[1], item[0]))
    ]
    differences = [line for name in sorted(different) for line in sorted(different[name])]
    return "\n".join([*lines, *_DISAGREEMENTS, *differences, *_NOT_PRICED, *sorted(lacking), ""])


def _intro(
    found: list[tuple[Entry, dict[str, Any]]], day: str, done: Counter[str], copied: Counter[str], unrated: int
) -> str:
    full = done.total()
    return (
        f"Written by `python -m docs.build.price_coverage` against a copy of LiteLLM's price map of {day}: of its"
        f" {len(found):,} ids with a rate for chat, embeddings, images or audio, {full:,} ({_share(found):.1f} %) are"
        f" priced in every unit that the map prices. {copied.total():,} of these have rows transcribed from the same"
        f" map (`stream/prices/transcribed/`), so that their agreement is no evidence; the other"
        f" {full - copied.total():,} have rates from the seed or by hand. The map has another {unrated:,} ids without a"
        " rate per unit (subscriptions, provisioned throughput, free previews), which are not counted."
    )


def _is_transcribed(book: PriceBook, entry: Entry) -> bool:
    candidates = book.candidates(CallKind(entry.provider, entry.model, "standard", ""))
    rows = candidates.rows if candidates else []
    return any(row.price.terms.place.file.startswith(TRANSCRIBED_FOLDER) for row in rows)


def _difference(provider: str, entry: Entry, cost: Decimal) -> str:
    source = entry.source if entry.source.startswith("https://") else PAGES.get(provider, "")
    return f"| {provider} | `{entry.id}` | {cost.normalize():f} | {entry.cost().normalize():f} | {source} |"


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
