"""Draw docs/architecture.md's picture and table from the import graph and the packages' docstrings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from docs.build.imports import PACKAGES, ROOT, Graph, imports, modules, reduced

PAGE: Final = ROOT / "docs" / "architecture.md"
_BLOCK: Final = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def page(text: str) -> str:
    """Return `text` with its generated blocks regenerated."""
    blocks = {"picture": picture, "packages": packages}
    return _BLOCK.sub(lambda found: f"{found[1]}{blocks[found[2]]()}{found[3]}", text)


def picture() -> str:
    """Return a Mermaid chart of the sub-packages: an arrow leads to what is imported, implied arrows are left out."""
    graph = _drawn(imports(modules()))
    lines = ["```mermaid", "flowchart TD"]
    for package, folder in reversed(PACKAGES.items()):
        lines.append(f'  subgraph {package} ["{folder}/"]')
        lines += [f'    {_node(name)}["{_label(name)}"]' for name in sorted(graph) if _package(name) == package]
        lines.append("  end")
    lines += [f"  {_node(name)} --> {_node(target)}" for name in sorted(graph) for target in sorted(graph[name])]
    return "\n".join([*lines, "```", ""])


def packages() -> str:
    """Return a table of the packages: their number of modules and their purpose."""
    rows = ["| package | modules | what it does |", "|---|---|---|"]
    known = modules()
    for name, path in known.items():
        if path.name == "__init__.py" and name.count(".") <= 2:
            count = sum(1 for other in path.parent.glob("*.py") if other.name != "__init__.py")
            rows.append(f"| `{name}` | {count} | {_first_line(path)} |")
    return "\n".join([*rows, ""])


def _drawn(graph: Graph) -> Graph:
    """Return only sub-packages and entry points; settings, errors and metrics are imported everywhere."""
    kept = {name for name in graph if _is_package(name) or name.endswith((".app", ".worker", ".producer", ".store"))}
    inside = {name: frozenset(target for target in graph[name] if target in kept) for name in kept}
    return reduced(inside)


def _is_package(name: str) -> bool:
    return name in set(_sub_packages())


def _sub_packages() -> Iterator[str]:
    for package, folder in PACKAGES.items():
        for path in (ROOT / folder / package).glob("*/__init__.py"):
            yield f"{package}.{path.parent.name}"


def _package(name: str) -> str:
    return name.split(".")[0]


def _label(name: str) -> str:
    return name.split(".", 1)[1]


def _node(name: str) -> str:
    return name.removeprefix("spendmeter_").replace(".", "_")


def _first_line(path: Path) -> str:
    documentation = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(documentation.split("\n\n")[0].split())
