"""Check filter values that can be misread: lists with commas, and user ids, which are unique within an org only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from spendmeter_clickhouse.catalogue import DIMENSIONS
from spendmeter_events.event import SYSTEM_USER
from spendmeter_rollups.problems import Fault, invalid_parameter
from spendmeter_rollups.query.directory import orgs_of_users, values_among
from spendmeter_rollups.query.reader import Reader
from spendmeter_rollups.query.scope import Scope

_PARAMETERS: Final = {dimension.columns[-1]: name for name, dimension in DIMENSIONS.items()}
_MOST_WARNINGS: Final = 10
_SEPARATOR: Final = "/"


async def check_values(reader: Reader, scope: Scope) -> Scope:
    """Return `scope` with qualified user ids (`org/user`) resolved, and a warning per id of several orgs.

    Raises `Problem` (422) for a value with a comma that no call has, and for qualified ids that are not of one org.
    """
    await _refuse_lists(reader, scope)
    users = [user for user in scope.filters.get("user_id", ()) if user != SYSTEM_USER]
    orgs = scope.filters.get("org_id")
    if not users or (orgs is not None and len(orgs) <= 1 and not any(_SEPARATOR in user for user in users)):
        return scope
    user_ids = set(users) | {rest for user in users for _, rest in _splits(user)}
    known = {row["user_id"]: row["orgs"] for row in await reader.rows(orgs_of_users(sorted(user_ids), orgs))}
    qualified = {user: pair for user in users if user not in known and (pair := _qualified(user, known))}
    if qualified:
        return _of_one_org(scope, qualified)
    return replace(scope, warnings=(*scope.warnings, *_ambiguous(users, known)[:_MOST_WARNINGS]))


async def _refuse_lists(reader: Reader, scope: Scope) -> None:
    for column, parameter in _PARAMETERS.items():
        lists = [value for value in scope.filters.get(column, ()) if "," in value]
        if not lists:
            continue
        query = values_among(column, lists, scope.filters.get("org_id") if column != "org_id" else None)
        known = {row["value"] for row in await reader.rows(query)}
        for value in lists:
            if value not in known:
                repeated = "&".join(f"{parameter}={part.strip()}" for part in value.split(",") if part.strip())
                detail = f"no call has the value {value!r}: repeat the parameter to match any of several values"
                raise invalid_parameter(parameter, detail, allowed=[repeated])


def _splits(user: str) -> list[tuple[str, str]]:
    """Return every way to read `user` as an org and a user of it; both may contain slashes."""
    parts = user.split(_SEPARATOR)
    pairs = ((_SEPARATOR.join(parts[:at]), _SEPARATOR.join(parts[at:])) for at in range(1, len(parts)))
    return [(org, rest) for org, rest in pairs if org and rest]


def _qualified(user: str, known: Mapping[str, list[str]]) -> tuple[str, str] | None:
    return next(((org, rest) for org, rest in _splits(user) if org in known.get(rest, ())), None)


def _of_one_org(scope: Scope, qualified: Mapping[str, tuple[str, str]]) -> Scope:
    orgs = {org for org, _ in qualified.values()}
    if len(orgs) > 1 or len(qualified) < len(scope.filters["user_id"]):
        raise invalid_parameter("user", "ids with an org must all be of the same org: request one org at a time")
    users = tuple(user for _, user in qualified.values())
    filters = {**scope.filters, "user_id": users}
    return replace(scope, filters=filters).narrowed(org_id=tuple(orgs))


def _ambiguous(users: list[str], known: Mapping[str, list[str]]) -> list[Fault]:
    return [
        Fault(
            parameter="user",
            detail=f"several orgs have a user {user!r}: the answer includes all of them; specify the org, or org/user",
            allowed=[f"{org}{_SEPARATOR}{user}" for org in known[user]],
        )
        for user in users
        if len(known.get(user, ())) > 1
    ]
