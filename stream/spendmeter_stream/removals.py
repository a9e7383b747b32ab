"""Removals of the directory: a record with a key and no value removes what is stored of an org, a user or a name.

A removal is stored as an entry without attributes, so that a removed entry does not return when it is read again. Its
version is the time of its record: it removes entries with an earlier or the same `updated_at`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import ValidationError

from spendmeter_clickhouse import Session
from spendmeter_events.directory import Entry, NameEntry, OrgEntry, UserEntry

REMOVED_FROM: Final = datetime(1900, 1, 1, tzinfo=UTC)
"""`valid_from` of the row of `user_versions` that contains when a user was removed; before that of any entry."""
Identity = tuple[str, ...]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(milliseconds=1)
_STORED: Final = """
    SELECT org_id, user_id, toUnixTimestamp64Milli(valid_from), toUnixTimestamp64Milli(updated_at)
    FROM user_versions FINAL
    WHERE (org_id, user_id) IN arrayZip({orgs:Array(String)}, {users:Array(String)})
        AND org_id IN {orgs:Array(String)} AND user_id IN {users:Array(String)}"""
_BATCH: Final = 400
"""Users per query: ClickHouse accepts parameters of 128 KiB."""


def milliseconds(moment: datetime) -> int:
    """Return the Unix ms of a moment."""
    return (moment - _EPOCH) // _TICK


def identity(entry: Entry) -> Identity:
    """Return what identifies an entry. Unlike its key, it is unique if ids contain slashes."""
    if isinstance(entry, OrgEntry):
        return (entry.org_id,)
    return (entry.org_id, entry.user_id) if isinstance(entry, UserEntry) else (entry.kind, entry.org_id, entry.id)


def removals(key: bytes, timestamp: float | None) -> list[Entry]:
    """Return the entries without attributes that replace those of a key, at `timestamp` (Unix seconds).

    A key with slashes within ids is the key of several entries: all of them are removed, as by compaction.

    :raises ValueError: no entry has this key, or the timestamp is missing. The message has no content of the record.
    """
    if timestamp is None or timestamp <= 0:
        raise ValueError("a removal needs a timestamp")
    at = _EPOCH + round(timestamp * 1000) * _TICK
    if not (found := list(_entries(key))):
        raise ValueError("the key is not that of an entry")
    return [_without_attributes(entry, at) for entry in found]


def _without_attributes(entry: Entry, at: datetime) -> Entry:
    defaults = {"timezone": "", "currency": ""} if isinstance(entry, OrgEntry) else {}
    return entry.model_copy(update={**defaults, "updated_at": at})


def _entries(key: bytes) -> Iterable[Entry]:
    kind, _, rest = key.decode(errors="replace").partition("/")
    parts = rest.split("/")
    pairs = [("/".join(parts[:count]), "/".join(parts[count:])) for count in range(1, len(parts))]
    for org_id, id_ in [(rest, "")] if kind == "org" else pairs:
        try:
            entry = _entry(kind, org_id, id_)
        except ValidationError:
            continue
        if entry.key == key:
            yield entry


def _entry(kind: str, org_id: str, id_: str) -> Entry:
    if kind == "org":
        return OrgEntry(org_id=org_id)
    if kind == "user":
        return UserEntry(org_id=org_id, user_id=id_)
    return NameEntry.model_validate({"kind": kind, "org_id": org_id, "id": id_})


async def stored_versions(session: Session, users: Iterable[UserEntry]) -> dict[Identity, dict[int, int]]:
    """Return the stored versions of users: when each begins → when it was published, in Unix ms."""
    pairs = sorted({(entry.org_id, entry.user_id) for entry in users})
    found: dict[Identity, dict[int, int]] = {}
    for first in range(0, len(pairs), _BATCH):
        orgs, ids = zip(*pairs[first : first + _BATCH], strict=True)
        answer = await session.query(_STORED, {"orgs": list(orgs), "users": list(ids)})
        for org_id, user_id, start, updated_at in answer.result_rows:
            found.setdefault((org_id, user_id), {})[start] = updated_at
    return found


def emptied(removed: UserEntry, versions: Mapping[int, int]) -> list[UserEntry]:
    """Return the versions that a removal replaces, without attributes, and one with the time of the removal."""
    until = milliseconds(removed.updated_at)
    starts = [_EPOCH + start * _TICK for start, updated_at in versions.items() if updated_at <= until]
    return [removed.model_copy(update={"valid_from": start}) for start in {REMOVED_FROM, *starts}]
