"""Names of orgs, users, agents, tasks, configurations and features in answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from spendmeter_rollups.query.directory import ATTRIBUTES, NAMED, Person, names_among, orgs_among, users_among
from spendmeter_rollups.query.reader import Reader, Row
from spendmeter_rollups.query.usage import UsageReader

_BATCH: Final = 400
"""Keys per query: ClickHouse accepts parameters of 128 KiB, and an id has up to 128 characters, each maybe escaped."""
_NOTHING: Final[Row] = {}

_CALL_NAMES: Final = {f"{column.removesuffix('_id')}_name": column for column in NAMED}
CALL_NAMES: Final = ("org_name", "user_name", *_CALL_NAMES, "agent_avatar_url")
"""Fields of a call from the directory."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names from the directory. What has no entry has no name."""

    orgs: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[Person, Row] = field(default_factory=dict)
    entries: Mapping[tuple[str, str], Sequence[Row]] = field(default_factory=dict)
    """(kind, id) → its names: of all orgs, and of single ones."""
    only_org: str | None = None
    """The org of the answer; None for several."""

    def org(self, org_id: str) -> str | None:
        """Return the name of an org."""
        return self.orgs.get(org_id) or None

    def user(self, org_id: str, user_id: str) -> str | None:
        """Return the name of a user."""
        return self.users.get((org_id, user_id), _NOTHING).get("name") or None

    def value(self, column: str, value: str, org_id: str | None = None) -> str | None:
        """Return the name of an agent, a task, a configuration or a feature in an org."""
        return self._entry(column, value, org_id).get("name") or None

    def avatar(self, agent_id: str, org_id: str | None = None) -> str | None:
        """Return the URL of an agent's picture."""
        return self._entry("agent_id", agent_id, org_id).get("avatar_url") or None

    def identity(self, org_id: str, user_id: str) -> dict[str, Any]:
        """Return the attributes of a user and the name of the org; None where unknown."""
        found = self.users.get((org_id, user_id), _NOTHING)
        return {"org_name": self.org(org_id), **{name: found.get(name) or None for name in ATTRIBUTES}}

    def of_call(self, row: Row) -> dict[str, str | None]:
        """Return the fields `CALL_NAMES` of a call."""
        org_id = row["org_id"]
        return {
            "org_name": self.org(org_id),
            "user_name": self.user(org_id, row["user_id"]),
            **{name: self.value(column, row[column], org_id) for name, column in _CALL_NAMES.items()},
            "agent_avatar_url": self.avatar(row["agent_id"], org_id),
        }

    def of(self, columns: Sequence[str], key: Sequence[str]) -> dict[str, Any]:
        """Return the names of a key: `name` of its last column with one, `org_name` of what belongs to an org, and for
        several columns all `names` by column."""
        values = dict(zip(columns, key, strict=True))
        org_id, user_id = values.get("org_id"), values.get("user_id")
        names = {column: self.value(column, values[column], org_id) for column in NAMED if column in values}
        found: dict[str, Any] = {"name": next(reversed(names.values()), None)}
        if org_id is not None:
            found |= {"org_name": self.org(org_id)} if len(values) > 1 else {"name": self.org(org_id)}
            names["org_id"] = self.org(org_id)
        if org_id is not None and user_id is not None:
            found["name"] = names["user_id"] = self.user(org_id, user_id)
        if "agent_id" in values:
            found["avatar_url"] = self.avatar(values["agent_id"], org_id)
        if len(values) > 1 and not names.keys() <= {"org_id", "user_id"}:
            found["names"] = {column: name for column, name in names.items() if name}
        return found

    def _entry(self, column: str, value: str, org_id: str | None) -> Row:
        return pick_name(self.entries.get((NAMED[column], value), ()), org_id or self.only_org)


def pick_name(rows: Sequence[Row], org_id: str | None) -> Row:
    """Return the entry that applies in an org: its own or else that of all orgs.

    Over several orgs (`org_id` None) it is that of all orgs, or else one on which their entries agree.
    """
    by_org = {row["org_id"]: row for row in rows}
    if org_id is not None and org_id in by_org:
        return by_org[org_id]
    if "" in by_org:
        return by_org[""]
    agreed = len({row["name"] for row in rows}) == 1
    return rows[0] if org_id is None and agreed else _NOTHING


async def find_names(
    reader: Reader,
    *,
    orgs: Iterable[str] = (),
    users: Iterable[Person] = (),
    values: Iterable[tuple[str, str]] = (),
    within: Sequence[str] | None = None,
) -> Names:
    """Return the names of `orgs` and `users`, of the orgs of `users`, and of `values` (column, value).

    :param within: the orgs of the answer, whose names of `values` are visible; None is all.
    """
    people = list(dict.fromkeys(users))
    org_ids = list(dict.fromkeys((*orgs, *(org for org, _ in people))))
    pairs = list(dict.fromkeys((NAMED[column], value) for column, value in values if value))
    queries = [
        *(orgs_among(part) for part in _batches(org_ids)),
        *(users_among(part) for part in _batches(people)),
        *(names_among(part, within) for part in _batches(pairs)),
    ]
    found = [row for rows in await asyncio.gather(*map(reader.rows, queries)) for row in rows]
    entries: dict[tuple[str, str], list[Row]] = {}
    for row in found:
        if "kind" in row:
            entries.setdefault((row["kind"], row["id"]), []).append(row)
    return Names(
        {row["org_id"]: row["name"] for row in found if "timezone" in row},
        {(row["org_id"], row["user_id"]): row for row in found if "user_id" in row},
        entries,
        within[0] if within is not None and len(within) == 1 else None,
    )


def _batches(keys: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (keys[start : start + _BATCH] for start in range(0, len(keys), _BATCH))


async def names_of_keys(usage: UsageReader, columns: Sequence[str], keys: Sequence[Sequence[str]]) -> Names:
    """Return the names of keys with values of `columns`."""
    rows = [dict(zip(columns, key, strict=True)) for key in keys]
    people = "user_id" in columns
    return await find_names(
        usage.reader,
        orgs=[] if people else [row["org_id"] for row in rows if "org_id" in row],
        users=[(row["org_id"], row["user_id"]) for row in rows] if people else [],
        values=[(column, row[column]) for row in rows for column in NAMED if column in row],
        within=usage.scope.filters.get("org_id"),
    )


async def names_of_calls(reader: Reader, rows: Sequence[Row]) -> Names:
    """Return the names of everything that `rows` of calls refer to."""
    return await find_names(
        reader,
        users=[(row["org_id"], row["user_id"]) for row in rows],
        values=[(column, row[column]) for row in rows for column in NAMED],
        within=list(dict.fromkeys(row["org_id"] for row in rows)),
    )
