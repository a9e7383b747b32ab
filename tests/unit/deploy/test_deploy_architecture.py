"""docs/architecture.md matches the code, and the packages form no cycle."""

from __future__ import annotations

from collections import Counter

from docs.build.architecture import PAGE, page
from docs.build.imports import cycles, imports, modules, reach, reduced

MOST_MODULES = 15
"""Maximum number of modules in one package, so that a reader finds a file by its package."""


def test_the_page_is_drawn_from_this_code() -> None:
    assert page(PAGE.read_text()) == PAGE.read_text(), "run `python -m docs.build`"


def test_packages_import_each_other_one_way() -> None:
    assert cycles(imports(modules())) == []


def test_no_package_has_grown_beyond_a_glance() -> None:
    sizes = Counter(path.parent for path in modules().values())
    assert {folder.name: size for folder, size in sizes.items() if size > MOST_MODULES} == {}


def test_a_cycle_is_found_and_implied_arrows_are_left_out() -> None:
    chain = {"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset[str]()}
    assert reach(chain, "a") == {"b", "c"}
    assert reduced(chain)["a"] == {"b"}
    assert cycles({**chain, "c": frozenset("a")}) == [("a", "b"), ("a", "c"), ("b", "c")]
