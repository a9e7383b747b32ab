"""Tags as dimensions: `tag:KEY`, read from raw events.

The column of a tag is named by the hexadecimal digits of its key, so that no character of a key becomes SQL; the key
itself is a bound parameter.
"""

from __future__ import annotations

import re
from typing import Final

from spendmeter_clickhouse.catalogue import Dimension

PREFIX: Final = "tag:"
TAG_KEYS: Final = Dimension("tag", ("tag_key",), "String")
"""The keys of all tags, as values to search."""
KEY_EXPRESSION: Final = "arrayJoin(mapKeys(event.tags))"

_KEY: Final = re.compile(r"[^\x00-\x1f\x7f]{1,64}")
_COLUMN: Final = re.compile(r"tag_((?:[0-9a-f]{2})+)_")


def tag_dimension(name: str) -> Dimension | None:
    """Return the dimension `tag:KEY`, or None for another name."""
    key = name.removeprefix(PREFIX)
    if not name.startswith(PREFIX) or not _KEY.fullmatch(key):
        return None
    return Dimension(name, (tag_column(key),), "String")


def tag_column(key: str) -> str:
    """Return the column of the tag `key`."""
    return f"tag_{key.encode().hex()}_"


def tag_of(column: str) -> str | None:
    """Return the key of a tag's column, or None for another column."""
    found = _COLUMN.fullmatch(column)
    return bytes.fromhex(found[1]).decode() if found else None


def public_name(column: str) -> str:
    """Return the name of `column` in answers."""
    key = tag_of(column)
    return column if key is None else f"{PREFIX}{key}"
