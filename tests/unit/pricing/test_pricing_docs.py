"""docs/pricing.md lists every key, unit, tier and disagreement."""

from __future__ import annotations

import tomllib
from pathlib import Path

from spendmeter_stream.pricing.book import parsing, units

_ROOT = Path(__file__).parents[3]
_PAGE = (_ROOT / "docs" / "pricing.md").read_text()


def test_every_word_of_a_price_file_is_documented() -> None:
    keys = {*parsing.PRICE_KEYS, *parsing.MULTIPLIER_KEYS, *parsing.HEAD_KEYS, "defaults"}
    words = {*keys, *parsing.CHARACTER_COUNTS, *units.UNITS, *units.TIERS, *units.QUALIFIERS}

    assert not [word for word in sorted(words) if f"`{word}`" not in _PAGE]


def test_every_disagreement_is_documented_as_it_is_listed() -> None:
    listed = tomllib.loads((Path(__file__).parent / "disagreements.toml").read_text())["disagreement"]

    assert not [each["id"] for each in listed if f"| `{each['id']}` | {each['reason']} | {each['page']} |" not in _PAGE]
