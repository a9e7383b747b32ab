"""The public names of the five packages are those of `public_surface.txt`: a change of the surface is a decision."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_SNAPSHOT = Path(__file__).with_name("public_surface.txt")
_PACKAGES = [
    "producers/spendmeter_events",
    "clickhouse/spendmeter_clickhouse",
    "stream/spendmeter_stream",
    "rollups/spendmeter_rollups",
    "deploy/spendmeter_deploy",
]


def _packages() -> list[str]:
    """Return the public packages, including subpackages."""
    folders = [file.parent for package in _PACKAGES for file in sorted((_ROOT / package).rglob("__init__.py"))]
    sources = {_ROOT / package: (_ROOT / package).parent for package in _PACKAGES}
    names = []
    for folder in folders:
        (source,) = [parent for root, parent in sources.items() if folder.is_relative_to(root)]
        names.append(".".join(folder.relative_to(source).parts))
    return [name for name in names if "._" not in name]


def surface() -> str:
    """Return one line per package that exports names."""
    lines = []
    for name in _packages():
        exported = getattr(importlib.import_module(name), "__all__", [])
        if exported:
            lines.append(f"{name}: {' '.join(sorted(exported))}")
    return "\n".join(lines) + "\n"


def test_the_public_surface_is_pinned() -> None:
    assert surface() == _SNAPSHOT.read_text(), f"if intended, write the new surface to {_SNAPSHOT.name}"


@pytest.mark.parametrize("name", _packages())
def test_every_exported_name_is_there(name: str) -> None:
    package = importlib.import_module(name)
    assert all(hasattr(package, exported) for exported in getattr(package, "__all__", []))


@pytest.mark.parametrize("name", _packages())
def test_a_package_without_a_list_exports_nothing(name: str) -> None:
    package = importlib.import_module(name)
    if hasattr(package, "__all__"):
        return
    modules = type(importlib)
    public = {key for key, value in vars(package).items() if not key.startswith("_") and not isinstance(value, modules)}
    assert public <= {"annotations"}
