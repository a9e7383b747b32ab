"""Who is who, in memory: what events are stamped with, refreshed from the store and from the directory topic."""

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
    """A user's place in the org, as stamped on events."""

    role: str = ""
    class_name: str = ""
    section: str = ""


UNKNOWN = UserAttributes()


class Directory:
    """The orgs and users that the store knows, and how new entries get there."""

    def __init__(self, *, session: Session) -> None:
        self._session = session
        self.orgs: set[str] = set()
        self.users: dict[tuple[str, str], UserAttributes] = {}

    async def refresh(self) -> None:
        """Read everything anew: other workers consume other records of the topic than this one."""
        orgs = await self._session.query("SELECT org_id FROM orgs FINAL")
        users = await self._session.query("SELECT org_id, user_id, role, class_name, section FROM users FINAL")
        self.orgs = {org_id for (org_id,) in orgs.result_rows}
        self.users = {(row[0], row[1]): UserAttributes(*row[2:]) for row in users.result_rows}

    async def apply(self, records: Sequence[EntryRecord]) -> None:
        """Store entries of the directory topic, then use them. A bad entry is skipped, and costs no other.

        :raises StoreError: nothing of these records counts as done; call again with the same ones.
        """
        parsed = [(record, entry) for record in records if record.value and (entry := _parse(record))]
        stored = [
            *await self._insert("orgs", ORG_COLUMNS, [pair for pair in parsed if isinstance(pair[1], OrgEntry)]),
            *await self._insert("users", USER_COLUMNS, [pair for pair in parsed if isinstance(pair[1], UserEntry)]),
        ]
        self.orgs.update(entry.org_id for entry in stored if isinstance(entry, OrgEntry))
        # An entry out of order may undo a newer one here, until the next refresh reads the store's verdict.
        users = [entry for entry in stored if isinstance(entry, UserEntry)]
        self.users.update({(e.org_id, e.user_id): UserAttributes(e.role, e.class_name, e.section) for e in users})
        metrics.DIRECTORY_ENTRIES.labels("stored").inc(len(stored))

    async def _insert(self, table: str, columns: list[str], entries: Sequence[_Parsed]) -> list[OrgEntry | UserEntry]:
        """Insert all; where that fails for another reason than an outage, one by one. Returns what was stored."""
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
            # The store takes no entry at all, so the fault is not theirs.
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
        # It would win over every later entry of the same org or user.
        _refuse(record, "invalid", "updated_at lies in the future")
        return None
    return entry


def _refuse(record: EntryRecord, reason: Reason, fault: BaseException | str) -> None:
    metrics.DIRECTORY_ENTRIES.labels("invalid").inc()
    skip(record, reason, fault)


def _row(entry: OrgEntry | UserEntry, columns: list[str]) -> tuple[object, ...]:
    values = entry.model_dump()
    values["updated_at"] = entry.updated_at.astimezone(UTC)
    return tuple(values[column] for column in columns)
