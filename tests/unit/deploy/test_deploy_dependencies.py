"""docs/dependencies.md lists exactly the direct dependencies, with their users."""

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


def test_each_row_names_the_folders_that_import_the_package() -> None:
    """A dependency that nothing imports is only a risk, and a row about a former use is wrong."""
    modules = {"faust-streaming": "faust", "opentelemetry-proto": r"opentelemetry\.proto", "pyjwt": "jwt"}
    sources = {
        folder: "\n".join(path.read_text() for path in (ROOT / folder).rglob("*.py"))
        for folder in ("producers", "clickhouse", "stream", "rollups", "deploy")
    }
    documented = dict(re.findall(r"^\| `([\w-]+)` \| ([^|]+) \|", PAGE, flags=re.MULTILINE))
    # clickhouse-connect imports it, for the interface "chdb".
    assert documented.pop("chdb") == "clickhouse"
    imported = {}
    for name in documented:
        module = modules.get(name, name.replace("-", "_"))
        line = re.compile(rf"^\s*(import|from) {module}\b", flags=re.MULTILINE)
        imported[name] = ", ".join(folder for folder, source in sources.items() if line.search(source))
    assert documented == imported
