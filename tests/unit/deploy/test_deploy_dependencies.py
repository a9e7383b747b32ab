"""docs/dependencies.md says why each direct dependency is here, and names no other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "dependencies.md").read_text()


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=~! ]", requirement)[0] for requirement in requirements}


def project(path: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / path).read_text())


def test_every_runtime_dependency_has_its_row() -> None:
    app, emitter = project("pyproject.toml")["project"], project("producers/pyproject.toml")["project"]
    wanted = names(app["dependencies"]) | names(emitter["dependencies"])
    for extra in app["optional-dependencies"].values():
        wanted |= names(extra)
    rows = set(re.findall(r"^\| `([\w-]+)` \|", PAGE, flags=re.MULTILINE))
    assert rows == {name for name in wanted if not name.startswith("spendmeter")}


def test_every_development_dependency_is_named() -> None:
    wanted = names(project("pyproject.toml")["dependency-groups"]["dev"])
    stubs = {name for name in wanted if name.startswith("types-") or name.endswith("-stubs")}
    assert {name for name in wanted - stubs if f"`{name}`" not in PAGE} == set()


def test_every_dependency_is_used() -> None:
    """A dependency that no file imports is only a risk."""
    used_indirectly = {"chdb"}  # by clickhouse-connect, as its interface "chdb"
    modules = {"faust-streaming": "faust", "prometheus-client": "prometheus_client", "pyjwt": "jwt"}
    sources = "\n".join(path.read_text() for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    rows = re.findall(r"^\| `([\w-]+)` \|", PAGE, flags=re.MULTILINE)
    unused = {
        name
        for name in rows
        if not re.search(
            rf"^\s*(import|from) {modules.get(name, name.replace('-', '_'))}\b", sources, flags=re.MULTILINE
        )
    }
    assert unused - used_indirectly == set()


ROOMS = ("producers", "clickhouse", "stream", "rollups", "deploy")
