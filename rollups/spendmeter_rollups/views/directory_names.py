"""Names of orgs and users in answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from spendmeter_rollups.query.directory import ATTRIBUTES, Person, orgs_among, users_among
from spendmeter_rollups.query.reader import Reader, Row

_BATCH: Final = 400
"""Keys per query: ClickHouse accepts parameters of 128 KiB, and an id has up to 128 characters, each maybe escaped."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names from the directory. An org or a user without an entry has none."""

    orgs: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[Person, Row] = field(default_factory=dict)

    def org(self, org_id: str) -> str | None:
        """Return the name of an org."""
        return self.orgs.get(org_id) or None

    def user(self, org_id: str, user_id: str) -> str | None:
        """Return the name of a user."""
        return self.users.get((org_id, user_id), {}).get("name") or None

    def identity(self, org_id: str, user_id: str) -> dict[str, Any]:
        """Return the attributes of a user and the name of the org; None where unknown."""
        found = self.users.get((org_id, user_id), {})
        return {"org_name": self.org(org_id), **{name: found.get(name) or None for name in ATTRIBUTES}}

    def of(self, columns: Sequence[str], key: Sequence[str]) -> dict[str, Any]:
        """Return the names of a key: `name` of an org or a user, `org_name` of what belongs to an org."""
        values = dict(zip(columns, key, strict=True))
        org_id, user_id = values.get("org_id"), values.get("user_id")
        if org_id is None:
            return {}
        if len(values) == 1:
            return {"name": self.org(org_id)}
        own = {} if user_id is None else {"name": self.user(org_id, user_id)}
        return {**own, "org_name": self.org(org_id)}


async def find_names(reader: Reader, *, orgs: Iterable[str] = (), users: Iterable[Person] = ()) -> Names:
    """Return the names of `orgs` and `users`, and of the orgs of `users`."""
    people = list(dict.fromkeys(users))
    org_ids = list(dict.fromkeys((*orgs, *(org for org, _ in people))))
    queries = [
        *(orgs_among(org_ids[start : start + _BATCH]) for start in range(0, len(org_ids), _BATCH)),
        *(users_among(people[start : start + _BATCH]) for start in range(0, len(people), _BATCH)),
    ]
    found = [row for rows in await asyncio.gather(*map(reader.rows, queries)) for row in rows]
    return Names(
        {row["org_id"]: row["name"] for row in found if "user_id" not in row},
        {(row["org_id"], row["user_id"]): row for row in found if "user_id" in row},
    )


async def names_of_keys(reader: Reader, columns: Sequence[str], keys: Sequence[Sequence[str]]) -> Names:
    """Return the names of keys with values of `columns`."""
    values = [dict(zip(columns, key, strict=True)) for key in keys]
    if "user_id" in columns:
        return await find_names(reader, users=[(each["org_id"], each["user_id"]) for each in values])
    return await find_names(reader, orgs=[each["org_id"] for each in values if "org_id" in each])
