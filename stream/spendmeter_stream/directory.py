"""The directory: store the entries of its topic, and keep orgs and users in memory for enriching events."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final, NamedTuple, Protocol

from pydantic import ValidationError

from spendmeter_clickhouse import Session, StoreError, StoreUnreachableError
from spendmeter_events.directory import Entry, NameEntry, OrgEntry, UserEntry, directory_entry
from spendmeter_stream import metrics
from spendmeter_stream.poison import Located, Reason, fault_of, skip
from spendmeter_stream.removals import (
    REMOVED_FROM,
    Identity,
    emptied,
    identity,
    milliseconds,
    removals,
    stored_versions,
)

ORG_COLUMNS = ["org_id", "name", "timezone", "currency", "updated_at"]
USER_COLUMNS = ["org_id", "user_id", "name", "email", "role", "class_name", "section", "updated_at"]
NAME_COLUMNS = ["kind", "id", "org_id", "name", "avatar_url", "updated_at"]
VERSION_COLUMNS = ["org_id", "user_id", "valid_from", "role", "class_name", "section", "updated_at"]
_ORGS: Final = """
    SELECT org_id, (name, timezone, currency) = ('', '', ''), toUnixTimestamp64Milli(updated_at)
    FROM orgs FINAL"""
_VERSIONS: Final = """
    SELECT org_id, user_id, toUnixTimestamp64Milli(valid_from), toUnixTimestamp64Milli(updated_at),
        role, class_name, section
    FROM user_versions FINAL
    ORDER BY org_id, user_id"""
_BEGINNING_MS: Final = -(2**62)
_REMOVED_FROM_MS: Final = milliseconds(REMOVED_FROM)

_MAX_FUTURE: Final = timedelta(hours=1)


class EntryRecord(Located, Protocol):
    """A record of the directory topic."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def timestamp(self) -> float | None:
        """Unix seconds."""


_Parsed = tuple[EntryRecord, Entry]


class UserAttributes(NamedTuple):
    """A user's attributes that are copied to events."""

    role: str = ""
    class_name: str = ""
    section: str = ""

    def at(self, _time_ms: int) -> UserAttributes:
        """Return these attributes: the history of a user that never changed."""
        return self


UNKNOWN = UserAttributes()


@dataclass(frozen=True, slots=True)
class UserVersions:
    """The attributes of a user that changed, oldest first, each with the Unix ms from which it applies."""

    starts: tuple[int, ...]
    attributes: tuple[UserAttributes, ...]

    def at(self, time_ms: int) -> UserAttributes:
        """Return the attributes in force at a time; the earliest ones apply to all earlier times."""
        return self.attributes[max(0, bisect_right(self.starts, time_ms) - 1)]


UserHistory = UserAttributes | UserVersions


def history_of(versions: Mapping[int, UserAttributes]) -> UserHistory:
    """Return the history of `versions`: Unix ms → attributes from then on."""
    kept: dict[int, UserAttributes] = {}
    for start, attributes in sorted(versions.items()):
        if not kept or next(reversed(kept.values())) != attributes:
            kept[start] = attributes
    if len(kept) == 1:
        # Most users never change: without a wrapper, a million of them take half the memory.
        return next(iter(kept.values()))
    return UserVersions(tuple(kept), tuple(kept.values()))


def with_version(history: UserHistory | None, start: int, attributes: UserAttributes) -> UserHistory:
    """Return `history` with the version that starts at `start` added or replaced."""
    if isinstance(history, UserVersions):
        known = dict(zip(history.starts, history.attributes, strict=True))
    else:
        known = {} if history is None else {_BEGINNING_MS: history}
    return history_of(known | {start: attributes})


class Directory:
    """The orgs and users in the store. Stores new entries of the directory topic, and removes entries."""

    def __init__(self, *, session: Session) -> None:
        self._session = session
        self.orgs: set[str] = set()
        self.users: dict[tuple[str, str], UserHistory] = {}
        self._removed: dict[Identity, int] = {}
        """Removed orgs, users and names → Unix ms. Entries up to then are read again only from an older offset."""
        self._loaded = False
        # A refresh that began before a removal must not end after it.
        self._lock = asyncio.Lock()

    async def refresh(self) -> None:
        """Reload everything from the store: other workers consume other partitions of the topic."""
        async with self._lock:
            await self._reload()

    async def _reload(self) -> None:
        orgs = await self._session.query(_ORGS)
        versions = await self._session.query(_VERSIONS)
        self.orgs = {org_id for org_id, removed, _ in orgs.result_rows if not removed}
        self._removed |= {(org_id,): updated_at for org_id, removed, updated_at in orgs.result_rows if removed}
        self.users = {}
        for pair, rows in groupby(versions.result_rows, key=lambda row: (row[0], row[1])):
            known: dict[int, UserAttributes] = {}
            for _, _, start, updated_at, *attributes in rows:
                if start == _REMOVED_FROM_MS:
                    self._removed[pair] = updated_at
                elif updated_at > self._removed.get(pair, _BEGINNING_MS):
                    known[start] = UserAttributes(*attributes)
            if known:
                self.users[pair] = history_of(known)
        self._loaded = True

    async def apply(self, records: Sequence[EntryRecord]) -> None:
        """Store entries of the directory topic, then use them. An invalid entry is skipped without affecting others.

        A record with a key and no value removes the earlier entries of its key.

        :raises StoreError: the store failed; retry with the same records.
        """
        async with self._lock:
            if not self._loaded:
                await self._reload()
            removed = [(record, entry) for record in records if record.value is None for entry in _removals(record)]
            again = await self._remove(removed)
            parsed = [(record, entry) for record in records if record.value and (entry := _parse(record))]
            stored = await self._store([pair for pair in parsed if not self._is_removed(pair[1])])
            for entry in stored:
                if isinstance(entry, OrgEntry):
                    self.orgs.add(entry.org_id)
                elif isinstance(entry, UserEntry) and self._changes(entry):
                    pair = (entry.org_id, entry.user_id)
                    self.users[pair] = with_version(self.users.get(pair), _start(entry), _attributes(entry))
            if again or any(isinstance(entry, UserEntry) and entry.valid_from for entry in stored):
                # A version in the past may belong between two others.
                await self._reload()
            metrics.DIRECTORY_ENTRIES.labels("removed").inc(len({id(record) for record, _ in removed}))
            metrics.DIRECTORY_ENTRIES.labels("stored").inc(len(stored))

    async def _store(self, entries: Sequence[_Parsed]) -> list[Entry]:
        users = [pair for pair in entries if isinstance(pair[1], UserEntry)]
        # Versions first: a user that is listed has attributes.
        await self._insert("user_versions", VERSION_COLUMNS, [pair for pair in users if self._changes(pair[1])])
        return [
            *await self._insert("orgs", ORG_COLUMNS, [pair for pair in entries if isinstance(pair[1], OrgEntry)]),
            *await self._insert("users", USER_COLUMNS, users),
            *await self._insert("directory_names", NAME_COLUMNS, [p for p in entries if isinstance(p[1], NameEntry)]),
        ]

    async def _remove(self, removed: Sequence[_Parsed]) -> bool:
        """Store and apply removals. Return whether a removed user has newer entries, so that versions remain."""
        users = [(record, entry) for record, entry in removed if isinstance(entry, UserEntry)]
        versions = await stored_versions(self._session, [entry for _, entry in users])
        rows = [(record, row) for record, entry in users for row in emptied(entry, versions.get(identity(entry), {}))]
        await self._insert("user_versions", VERSION_COLUMNS, rows)
        await self._insert("orgs", ORG_COLUMNS, [pair for pair in removed if isinstance(pair[1], OrgEntry)])
        await self._insert("users", USER_COLUMNS, users)
        await self._insert("directory_names", NAME_COLUMNS, [p for p in removed if isinstance(p[1], NameEntry)])
        again = False
        for _, entry in removed:
            until = max(milliseconds(entry.updated_at), self._removed.get(identity(entry), 0))
            self._removed[identity(entry)] = until
            if isinstance(entry, OrgEntry):
                self.orgs.discard(entry.org_id)
            elif isinstance(entry, UserEntry):
                if any(updated_at > until for updated_at in versions.get(identity(entry), {}).values()):
                    again = True
                else:
                    self.users.pop((entry.org_id, entry.user_id), None)
        return again

    def _is_removed(self, entry: Entry) -> bool:
        return milliseconds(entry.updated_at) <= self._removed.get(identity(entry), _BEGINNING_MS)

    def _changes(self, entry: Entry) -> bool:
        """Return whether an entry adds a version. A nightly copy of unchanged users does not."""
        if not isinstance(entry, UserEntry):
            return False
        known = self.users.get((entry.org_id, entry.user_id))
        return known is None or entry.valid_from is not None or known.at(_start(entry)) != _attributes(entry)

    async def _insert(self, table: str, columns: list[str], entries: Sequence[_Parsed]) -> list[Entry]:
        """Insert all entries; if that fails other than by an outage, insert one by one. Return the stored entries."""
        if not entries:
            return []
        try:
            await self._session.insert(table, [_row(entry, columns) for _, entry in entries], columns)
        except StoreUnreachableError:
            raise
        except Exception:
            return await self._insert_each(table, columns, entries)
        return [entry for _, entry in entries]

    async def _insert_each(self, table: str, columns: list[str], entries: Sequence[_Parsed]) -> list[Entry]:
        stored: list[Entry] = []
        faults: list[tuple[EntryRecord, Exception]] = []
        for record, entry in entries:
            try:
                await self._session.insert(table, [_row(entry, columns)], columns)
                stored.append(entry)
            except StoreUnreachableError:
                raise
            except Exception as error:
                faults.append((record, error))
        refused = [fault for _, fault in faults if isinstance(fault, StoreError)]
        if refused and not stored:
            # The store rejects every entry, so the entries are not the cause.
            raise refused[0]
        for record, fault in faults:
            _refuse(record, "refused", fault)
        return stored


def _removals(record: EntryRecord) -> list[Entry]:
    if not record.key:
        return []
    try:
        entries = removals(record.key, record.timestamp)
    except Exception as error:
        _refuse(record, "invalid", str(error) if isinstance(error, ValueError) else error)
        return []
    if entries[0].updated_at > datetime.now(UTC) + _MAX_FUTURE:
        _refuse(record, "invalid", "the timestamp of a removal is in the future")
        return []
    return entries


def _parse(record: EntryRecord) -> Entry | None:
    try:
        entry = directory_entry.validate_json(record.value or b"")
    except ValidationError as error:
        _refuse(record, "invalid", fault_of(error))
        return None
    except Exception as error:
        _refuse(record, "invalid", error)
        return None
    if entry.updated_at > datetime.now(UTC) + _MAX_FUTURE:
        # It would override every later entry of the same org or user.
        _refuse(record, "invalid", "updated_at is in the future")
        return None
    return entry


def _refuse(record: EntryRecord, reason: Reason, fault: BaseException | str) -> None:
    metrics.DIRECTORY_ENTRIES.labels("invalid").inc()
    skip(record, reason, fault)


def _start(entry: UserEntry) -> int:
    """Return the Unix ms from which the attributes of an entry apply."""
    return round(_valid_from(entry).timestamp() * 1000)


def _valid_from(entry: UserEntry) -> datetime:
    return entry.valid_from or entry.updated_at


def _attributes(entry: UserEntry) -> UserAttributes:
    return UserAttributes(entry.role, entry.class_name, entry.section)


def _row(entry: Entry, columns: list[str]) -> tuple[object, ...]:
    values = entry.model_dump()
    values["updated_at"] = entry.updated_at.astimezone(UTC)
    if isinstance(entry, UserEntry):
        values["valid_from"] = _valid_from(entry).astimezone(UTC)
    return tuple(values[column] for column in columns)
