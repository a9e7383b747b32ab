"""Find mappings that could count cached tokens twice."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from spendmeter_events.importers._expressions import Expression
from spendmeter_events.importers._presets import PresetReader
from spendmeter_events.usage_units import UNCACHED

CACHE_FIELDS: Final = tuple(name for name, uncached in UNCACHED.items() if uncached == "input_tokens")
_DECLARE: Final = "declare --input-includes-cache or --input-excludes-cache (in Python, input_includes_cache)"
_DISJOINT_INPUT: Final = frozenset({"inputtokens", "uncachedinputtokens", "inputuncachedtokens"})
_DISJOINT_CACHE: Final = re.compile(r"cache(read|creation|write)(input)?(5m|1h)?tokens|ephemeral(5m|1h)inputtokens")
"""Letters and digits of column names that exclude each other: those of Anthropic, Claude Code and `UsageEvent`."""


def undeclared(
    mapped: Mapping[str, str], declared: bool | None, reader: PresetReader | None, terms: Mapping[str, Expression]
) -> Iterator[str]:
    """Yield a fault if cached tokens could be counted or subtracted twice. `mapped`: field → column."""
    if reader is not None:
        if reader.undeclared and declared is None:
            yield f"{reader.undeclared}: {_DECLARE}"
        return
    columns = {name: mapped[name] for name in CACHE_FIELDS if name in mapped}
    input_tokens = terms.get("input_tokens")
    if input_tokens is None or declared is False:
        return
    subtracted = {name for name in columns if set(terms[name].terms) <= set(input_tokens.subtracted)}
    if declared:
        for name in sorted(subtracted):
            yield f"input_tokens: {columns[name]!r} is subtracted already; omit --input-includes-cache"
        return
    rest = {name: column for name, column in columns.items() if name not in subtracted}
    names = [_letters(column) for column in rest.values()]
    if _letters(mapped["input_tokens"]) in _DISJOINT_INPUT and all(map(_DISJOINT_CACHE.fullmatch, names)):
        return
    for column in rest.values():
        yield (
            f"input_tokens: column {mapped['input_tokens']!r} may include {column!r}, and those tokens"
            f" would be counted twice: {_DECLARE}"
        )


def _letters(column: str) -> str:
    """Return the letters and digits of a column, or of the last key of a path."""
    return re.sub(r"[^a-z0-9]", "", column.rpartition(".")[2].lower())
