"""Derive the UUID of an event from the emitter's own id, which may be any text."""

from __future__ import annotations

import json
from typing import Final
from uuid import UUID, uuid5

MAX_ID: Final = 512
"""Maximum length of an emitter's own id, in characters."""
_NAMESPACE: Final = UUID("6f6d1f3e-6f0a-5c0e-9d5d-0c8f5a3b7e21")
"""Never change it: the same id would become another event, and a retry would be counted twice."""


_DERIVED: Final = 5


def event_id_of(text: str, *, org_id: str, source: str = "", bound: bool = False) -> UUID:
    """Return the UUID that `text` is, else a version 5 UUID of org, source and text: the same ones for each retry.

    The org is part of it, because ids may be counters that start at 1 in each org, and because an org must not be able
    to occupy the ids of another. `source` is that of a CloudEvent, whose id is unique only within its source.

    :param bound: the sender may write this org only. Its version 5 UUIDs are text: it can compute those of other orgs.
    """
    try:
        given = UUID(text)
    except ValueError:
        return uuid5(_NAMESPACE, json.dumps([org_id, source, text]))
    if bound and given.version == _DERIVED:
        return uuid5(_NAMESPACE, json.dumps([org_id, source, str(given)]))
    return given
