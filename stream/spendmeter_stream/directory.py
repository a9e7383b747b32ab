"""In-memory directory of orgs and users, for enriching events. Refreshed from the store and the directory topic."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Protocol

from pydantic import ValidationError

from spendmeter_clickhouse import Session, StoreError, StoreUnreachableError
from spendmeter_events.directory import OrgEntry, UserEntry, directory_entry
from spendmeter_stream import metrics
from spendmeter_stream.poison import Located, Reason, fault_of, skip

ORG_COLUMNS = ["org_id", "name", "timezone", "currency", "updated_at"]
USER_COLUMNS = ["org_id", "user_id", "name", "email", "role", "class_name", "section", "updated_at"]


_MAX_FUTURE: Final = timedelta(hours=1)


class EntryRecord(Located, Protocol):
    """A record of the directory topic."""

    @property
    def value(self) -> bytes | None: ...


_Parsed = tuple[EntryRecord, OrgEntry | UserEntry]


class UserAttributes(NamedTuple):
    """A user's attributes that are copied to events."""

    role: str = ""
    class_name: str = ""
    section: str = ""


UNKNOWN = UserAttributes()


class Directory:
    """The orgs and users in the store. Stores new entries of the directory topic."""

    def __init__(self, *, session: Session) -> None:
        self._session = session
        self.orgs: set[str] = set()
        self.users: dict[tuple[str, str], UserAttributes] = {}

    async def refresh(self) -> None:
        """Reload everything from the store: other workers consume other partitions of the topic."""
        orgs = await self._session.query("SELECT org_id FROM orgs FINAL")
        users = await self._session.query("SELECT org_id, user_id, role, class_name, section FROM users FINAL")
        self.orgs = {org_id for (org_id,) in orgs.result_rows}
        self.users = {(row[0], row[1]): UserAttributes(*row[2:]) for row in users.result_rows}

    async def apply(self, records: Sequence[EntryRecord]) -> None:
        """Store entries of the directory topic, then use them. An invalid entry is skipped without affecting others.

        :raises StoreError: the store failed; retry with the same records.
        """
        parsed = [(record, entry) for record in records if record.value and (entry := _parse(record))]
        stored = [
            *await self._insert("orgs", ORG_COLUMNS, [pair for pair in parsed if isinstance(pair[1], OrgEntry)]),
            *await self._insert("users", USER_COLUMNS, [pair for pair in parsed if isinstance(pair[1], UserEntry)]),
        ]
        self.orgs.update(entry.org_id for entry in stored if isinstance(entry, OrgEntry))
        # An out-of-order entry may overwrite a newer one here, until the next refresh reads the merged state.
        users = [entry for entry in stored if isinstance(entry, UserEntry)]
        self.users.update({(e.org_id, e.user_id): UserAttributes(e.role, e.class_name, e.section) for e in users})
        metrics.DIRECTORY_ENTRIES.labels("stored").inc(len(stored))

    async def _insert(self, table: str, columns: list[str], entries: Sequence[_Parsed]) -> list[OrgEntry | UserEntry]:
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

    async def _insert_each(
        self, table: str, columns: list[str], entries: Sequence[_Parsed]
    ) -> list[OrgEntry | UserEntry]:
        stored: list[OrgEntry | UserEntry] = []
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


def _parse(record: EntryRecord) -> OrgEntry | UserEntry | None:
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


def _row(entry: OrgEntry | UserEntry, columns: list[str]) -> tuple[object, ...]:
    values = entry.model_dump()
    values["updated_at"] = entry.updated_at.astimezone(UTC)
    return tuple(values[column] for column in columns)
