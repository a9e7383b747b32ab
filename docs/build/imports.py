"""The import graph of the packages, read from the source as text: nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = {
    "spendmeter_events": "producers",
    "spendmeter_clickhouse": "clickhouse",
    "spendmeter_stream": "stream",
    "spendmeter_rollups": "rollups",
    "spendmeter_deploy": "deploy",
}
"""Import package → its top-level folder, lowest first."""

Graph = Mapping[str, frozenset[str]]


def modules() -> dict[str, Path]:
    """Return every module by its dotted name."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in sorted((ROOT / folder / package).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def groups(known: Mapping[str, Path]) -> dict[str, str]:
    """Return each module's group: its sub-package, or the module itself at the root of a package."""
    found = {}
    for name, path in known.items():
        package, *rest = name.split(".")
        inside = rest if path.name == "__init__.py" else rest[:-1]
        found[name] = ".".join([package, inside[0]]) if inside else name
    return found


def imports(known: Mapping[str, Path]) -> Graph:
    """Return the groups that each group imports, except itself."""
    group_of = groups(known)
    found: dict[str, set[str]] = {group: set() for group in group_of.values()}
    for name, path in known.items():
        for target in _imported(ast.parse(path.read_text()), known):
            if group_of[target] != group_of[name] and name != target.split(".")[0]:
                found[group_of[name]].add(group_of[target])
    return {group: frozenset(targets) for group, targets in found.items()}


def cycles(graph: Graph) -> list[tuple[str, str]]:
    """Return the pairs of groups that reach each other."""
    reached = {group: reach(graph, group) for group in graph}
    return sorted((a, b) for a in graph for b in reached[a] if a < b and a in reached[b])


def reach(graph: Graph, start: str) -> set[str]:
    """Return all groups that `start` imports, directly or indirectly."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for target in graph[waiting.pop()] - found:
            found.add(target)
            waiting.append(target)
    return found


def reduced(graph: Graph) -> Graph:
    """Return `graph` without the edges that a longer path implies. `graph` must have no cycle."""
    return {
        group: frozenset(
            target for target in targets if not any(target in reach(graph, other) for other in targets - {target})
        )
        for group, targets in graph.items()
    }


def _imported(tree: ast.AST, known: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        # Imports for type checkers only form no cycle at run time.
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield from _imported(node, known)
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                dotted = f"{node.module}.{alias.name}"
                if dotted in known or node.module in known:
                    yield dotted if dotted in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
