"""Who is who, in memory: what events are stamped with, refreshed from the store and from the directory topic."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC
from typing import NamedTuple

from pydantic import ValidationError

from spendmeter_clickhouse import Session
from spendmeter_events.directory import OrgEntry, UserEntry, directory_entry
from spendmeter_stream import metrics

log = logging.getLogger(__name__)

ORG_COLUMNS = ["org_id", "name", "timezone", "currency", "updated_at"]
USER_COLUMNS = ["org_id", "user_id", "name", "email", "role", "class_name", "section", "updated_at"]


class Standing(NamedTuple):
    """A user's place in the org, as stamped on events."""

    role: str = ""
    class_name: str = ""
    section: str = ""


UNKNOWN = Standing()


class Directory:
    """The orgs and users that the store knows, and how new entries get there."""

    def __init__(self, *, session: Session) -> None:
        self._session = session
        self.orgs: set[str] = set()
        self.users: dict[tuple[str, str], Standing] = {}

    async def refresh(self) -> None:
        """Read everything anew: other workers consume other records of the topic than this one."""
        orgs = await self._session.query("SELECT org_id FROM orgs FINAL")
        users = await self._session.query("SELECT org_id, user_id, role, class_name, section FROM users FINAL")
        self.orgs = {org_id for (org_id,) in orgs.result_rows}
        self.users = {(row[0], row[1]): Standing(*row[2:]) for row in users.result_rows}

    async def apply(self, values: Sequence[bytes | None]) -> None:
        """Store entries of the directory topic, then use them. A bad entry is counted and left out.

        :raises StoreError: nothing of these values counts as done; call again with the same ones.
        """
        entries = [entry for value in values if value and (entry := _parse(value))]
        orgs = [entry for entry in entries if isinstance(entry, OrgEntry)]
        users = [entry for entry in entries if isinstance(entry, UserEntry)]
        if orgs:
            await self._session.insert("orgs", [_row(entry, ORG_COLUMNS) for entry in orgs], ORG_COLUMNS)
        if users:
            await self._session.insert("users", [_row(entry, USER_COLUMNS) for entry in users], USER_COLUMNS)
        self.orgs.update(entry.org_id for entry in orgs)
        # An entry out of order may undo a newer one here, until the next refresh reads the store's verdict.
        self.users.update({(e.org_id, e.user_id): Standing(e.role, e.class_name, e.section) for e in users})
        metrics.DIRECTORY_ENTRIES.labels("stored").inc(len(entries))


def _parse(value: bytes) -> OrgEntry | UserEntry | None:
    try:
        return directory_entry.validate_json(value)
    except ValidationError as error:
        metrics.DIRECTORY_ENTRIES.labels("invalid").inc()
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        log.warning("directory entry refused: %s: %s", ".".join(map(str, fault["loc"])), fault["msg"])
        return None


def _row(entry: OrgEntry | UserEntry, columns: list[str]) -> tuple[object, ...]:
    values = entry.model_dump()
    values["updated_at"] = entry.updated_at.astimezone(UTC)
    return tuple(values[column] for column in columns)
