"""docs/extractors.md lists every extractor and every tool that has a rate."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from spendmeter_events import extract

ROOT = Path(__file__).parents[3]
PAGE, PRICES = ROOT / "docs" / "extractors.md", ROOT / "stream" / "prices"


def test_the_table_lists_every_extractor() -> None:
    listed = re.findall(r"^\| `(from_\w+)\(", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    assert sorted(listed) == [name for name in extract.__all__ if name.startswith("from_")]


def test_the_page_names_every_tool_with_a_rate() -> None:
    named = set(re.findall(r"`(?:tool=)?([a-z_0-9]+)`", PAGE.read_text("utf-8")))
    documents = [tomllib.loads(path.read_text("utf-8")) for path in PRICES.rglob("*.toml")]
    blocks = [block for document in documents for block in document.get("price", [])]
    assert {tool for block in blocks for tool in block.get("tools_per_thousand", {})} - named == set()
