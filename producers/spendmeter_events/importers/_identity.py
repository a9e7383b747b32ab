"""The id of an imported event: derived, so that importing a file again counts nothing twice."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_RANDOM_A = (1 << 12) - 1
_RANDOM_B = (1 << 62) - 1


def derived_id(occurred_at: datetime, digest: bytes, namespace: str = "") -> UUID:
    """A version 7 id: 48 bits of Unix milliseconds, so that look-ups by time stay local; then `digest`.

    `digest` is SHA-256 of the file's content from its first line through this row. So the id depends neither
    on the file's name nor on the mapping; two equal rows of one file differ; and a log that has grown since
    its last import keeps the ids of the rows it had. A `namespace` makes other ids of the same content.
    """
    if namespace:
        digest = hashlib.sha256(namespace.encode() + b"\0" + digest).digest()
    milliseconds = max(0, (occurred_at - _EPOCH) // _MILLISECOND)
    rest = int.from_bytes(digest[:10])
    return UUID(int=milliseconds << 80 | 7 << 76 | (rest >> 62 & _RANDOM_A) << 64 | 2 << 62 | rest & _RANDOM_B)
