"""Expand matching rules of `genai-prices` to model names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from genai_prices import types

_DATED_NAME: Final = re.compile(r"\^([\w.\\/-]+?)(?:-|\[-@\])\\d(?:\{8\}|\{4\}-\\d\{2\}-\\d\{2\})?\$?")


def names_of(match: Any, unknown: list[str]) -> Iterator[str]:
    """Yield the model names and prefixes of a matching rule. The book's spelling rules handle name prefixes."""
    if isinstance(match, types.ClauseOr):
        for clause in match.or_:
            yield from names_of(clause, unknown)
    elif isinstance(match, types.ClauseEquals):
        yield match.equals.lower()
    elif isinstance(match, types.ClauseStartsWith):
        yield f"{match.starts_with.lower()}*"
    elif isinstance(match, types.ClauseContains):
        yield f"{match.contains.lower()}*"
    elif isinstance(match, types.ClauseEndsWith):
        yield match.ends_with.lower()
    elif isinstance(match, types.ClauseRegex) and (dated := _DATED_NAME.fullmatch(match.regex)):
        # A dated snapshot of a listed name: the book's spelling rules match those.
        yield dated[1].replace("\\", "")
    elif isinstance(match, types.ClauseAnd):
        # In the package this is always a prefix minus exceptions, which have rows of their own.
        yield from names_of(match.and_[0], unknown)
    else:
        unknown.append(match.regex)
