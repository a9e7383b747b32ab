"""Names in the source: a class name occurs once, and so does a module name unless docs/architecture.md lists it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).parents[3]
_FOLDERS = ("producers", "clickhouse", "stream", "rollups", "deploy", "grafana", "docs")


def _modules() -> Iterator[Path]:
    for folder in _FOLDERS:
        for path in sorted((_ROOT / folder).rglob("*.py")):
            if not any(part.startswith(".") for part in path.relative_to(_ROOT).parts):
                yield path


def _listed() -> set[str]:
    page = (_ROOT / "docs/architecture.md").read_text()
    section = page.partition("## Names\n")[2].partition("\n## ")[0]
    return set(re.findall(r"`(\w+)`", section))


def test_a_class_name_occurs_once() -> None:
    names = Counter(
        node.name
        for path in _modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_module_names_that_occur_more_than_once_are_listed_in_the_docs() -> None:
    names = Counter(path.stem for path in _modules() if path.stem != "__init__")
    assert {name for name, count in names.items() if count > 1} == _listed()
