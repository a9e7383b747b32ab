"""SQL of the directory: names of orgs, users, agents, tasks, configurations and features, and values found by name.

Reads the tables, not the dictionaries that the boards use: an entry counts as soon as it is stored. The embedded store
never reloads a dictionary. A row without any attribute is not an entry: the worker stores one when an entry is removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from spendmeter_clickhouse.catalogue import COLUMNS, USER_COLUMNS
from spendmeter_rollups.query.planner import Piece
from spendmeter_rollups.query.statement import Query
from spendmeter_rollups.query.sums import Sums, sums

Person = tuple[str, str]
"""(org_id, user_id): user ids are unique within an org only."""

ATTRIBUTES: Final = ("name", "email", "role", "class_name", "section")
NAMED: Final[Mapping[str, str]] = {
    "feature": "feature",
    "agent_id": "agent",
    "task_id": "task",
    "configuration_id": "configuration",
}
"""Columns with names in `directory_names` → their kind."""
ORG_EXISTS: Final = "(name, timezone, currency) != ('', '', '')"
_USER_EXISTS: Final = f"({', '.join(ATTRIBUTES)}) != ('', '', '', '', '')"
# Qualified: `name` is also the alias of an aggregate.
_NAME_EXISTS: Final = "(directory_names.name, avatar_url) != ('', '')"
_TABLES: Final[Mapping[tuple[str, ...], str]] = {("org_id",): "orgs FINAL", ("org_id", "user_id"): "users FINAL"}


def orgs_among(org_ids: Sequence[str]) -> Query:
    """Return the entries of the orgs in the directory."""
    return Query(
        "SELECT org_id, name, timezone, currency\nFROM orgs FINAL\n"
        f"WHERE org_id IN {{orgs:Array(String)}} AND {ORG_EXISTS}",
        {"orgs": list(dict.fromkeys(org_ids))},
    )


def users_among(people: Sequence[Person]) -> Query:
    """Return the entries of the users in the directory."""
    return Query(
        f"SELECT org_id, user_id, {', '.join(ATTRIBUTES)}\nFROM users FINAL\n"
        # Conditions on single columns let ClickHouse skip granules by the primary key.
        "WHERE org_id IN {orgs:Array(String)} AND user_id IN {users:Array(String)}\n"
        "    AND (org_id, user_id) IN arrayZip({orgs:Array(String)}, {users:Array(String)})",
        {"orgs": [org for org, _ in people], "users": [user for _, user in people]},
    )


def names_among(pairs: Sequence[tuple[str, str]], orgs: Sequence[str] | None) -> Query:
    """Return the names of (kind, id) pairs: those for all orgs, and those of `orgs` (None: any)."""
    parameters: dict[str, object] = {"kinds": [kind for kind, _ in pairs], "ids": [id_ for _, id_ in pairs]}
    return Query(
        "SELECT kind, id, org_id, name, avatar_url\nFROM directory_names FINAL\n"
        f"WHERE {_NAME_EXISTS} AND (kind, id) IN arrayZip({{kinds:Array(String)}}, {{ids:Array(String)}})"
        + _names_of(orgs, parameters),
        parameters,
    )


def entries(kind: str, ids: Sequence[str], orgs: Sequence[str] | None, *, limit: int, offset: int) -> Query:
    """Return entries of the directory by id and org: those with `ids` (none: all), of `orgs` (None: any)."""
    parameters: dict[str, object] = {"ids": list(ids), "row_limit": limit, "row_offset": offset}
    page = "\nORDER BY id, org_id\nLIMIT {row_limit:UInt64} OFFSET {row_offset:UInt64}"
    if kind in NAMED.values():
        parameters["kind"] = kind
        found = "id, org_id, name, avatar_url FROM directory_names FINAL\nWHERE kind = {kind:String}"
        found += f" AND {_NAME_EXISTS}"
        found += _names_of(orgs, parameters)
    else:
        table, key, exists, *more = _ENTRIES[kind]
        found = f"{key} AS id, org_id, name, {', '.join(more)} FROM {table} FINAL\nWHERE {exists}"
        if orgs is not None:
            found += " AND org_id IN {orgs:Array(String)}"
            parameters["orgs"] = list(orgs)
    return Query(f"SELECT {found} AND (empty({{ids:Array(String)}}) OR id IN {{ids:Array(String)}}){page}", parameters)


_ENTRIES: Final = {
    "org": ("orgs", "org_id", ORG_EXISTS, "timezone", "currency"),
    "user": ("users", "user_id", _USER_EXISTS, "role", "class_name", "section"),
}
KINDS: Final = (*_ENTRIES, *NAMED.values())


def _names_of(orgs: Sequence[str] | None, parameters: dict[str, object]) -> str:
    if orgs is None:
        return ""
    parameters["orgs"] = list(orgs)
    return " AND (org_id = '' OR org_id IN {orgs:Array(String)})"


def _named(columns: tuple[str, ...], orgs: Sequence[str] | None, parameters: dict[str, Any]) -> str | None:
    """Return the table of `columns` and `name` in the directory; None if they have no names. As `pick_name`."""
    kind = NAMED.get(columns[0]) if len(columns) == 1 else None
    if kind is None:
        return _TABLES.get(columns)
    parameters["kind"] = kind
    common = "anyIf(name, org_id = ''), uniqExact(name) = 1, any(name), ''"
    best = "argMax(name, org_id != '')" if orgs and len(orgs) == 1 else f"multiIf(countIf(org_id = '') > 0, {common})"
    return (
        f"(SELECT id AS {columns[0]}, {best} AS name FROM directory_names FINAL\n"
        f"        WHERE kind = {{kind:String}} AND {_NAME_EXISTS}{_names_of(orgs, parameters)} GROUP BY id)"
    )


def orgs_of_user(user_id: str, orgs: Sequence[str] | None) -> Query:
    """Return the orgs (among `orgs`) with this user in their directory or in their usage, at any time."""
    used = "SELECT org_id FROM user_daily WHERE user_id = {user:String}"
    known = "SELECT org_id FROM users WHERE user_id = {user:String}"
    parameters: dict[str, object] = {"user": user_id}
    visible = ""
    if orgs is not None:
        visible = "WHERE org_id IN {orgs:Array(String)}\n"
        parameters["orgs"] = list(orgs)
    union = f"{used}\nUNION DISTINCT\n{known}"
    return Query(f"SELECT org_id FROM (\n{union}\n)\n{visible}ORDER BY org_id LIMIT 20", parameters)


def orgs_of_users(user_ids: Sequence[str], orgs: Sequence[str] | None) -> Query:
    """Return the orgs (among `orgs`; up to 20 each) of users, in the directory or in their usage, at any time."""
    parameters: dict[str, object] = {"users": list(user_ids)}
    where = "user_id IN {users:Array(String)}"
    if orgs is not None:
        where = f"org_id IN {{orgs:Array(String)}} AND {where}"
        parameters["orgs"] = list(orgs)
    union = "\nUNION DISTINCT\n".join(
        f"SELECT user_id, org_id FROM {table} WHERE {where}" for table in ("user_daily", "users")
    )
    sql = f"SELECT user_id, arraySort(groupUniqArray(20)(org_id)) AS orgs\nFROM (\n{union}\n)\nGROUP BY user_id"
    return Query(sql, parameters)


def known_org(org_id: str) -> Query:
    """Return one row if the org is in the directory or has usage at any time."""
    union = "\nUNION ALL\n".join(
        f"SELECT org_id FROM {table} WHERE org_id = {{org:String}}{exists}"
        for table, exists in (("orgs FINAL", f" AND {ORG_EXISTS}"), ("usage_daily", ""))
    )
    return Query(f"SELECT org_id FROM (\n{union}\n)\nLIMIT 1", {"org": org_id})


def values_among(column: str, values: Sequence[str], orgs: Sequence[str] | None) -> Query:
    """Return those of `values` that the dimension's `column` has in usage (of `orgs`; None: all) at any time."""
    if column not in COLUMNS:
        raise ValueError(f"{column!r} is not a column to filter by")
    parameters: dict[str, object] = {"values": list(values)}
    where = f"{column} IN {{values:Array(String)}}"
    if orgs is not None:
        where += " AND org_id IN {orgs:Array(String)}"
        parameters["orgs"] = list(orgs)
    table = "user_daily" if column in USER_COLUMNS else "usage_daily"
    return Query(f"SELECT DISTINCT toString({column}) AS value\nFROM {table}\nWHERE {where}", parameters)


def named_keys(spec: Sums, pieces: Sequence[Piece], *, entry: tuple[str, ...], limit: int, descending: bool) -> Query:
    """Return `sums` by the name of `entry` (leading columns of `spec`) in any case; rows without a name are last."""
    inner, on = sums(spec, pieces), ", ".join(entry)
    parameters = dict(inner.parameters)
    table = _named(entry, spec.filters.get("org_id"), parameters)
    chosen = ", ".join(f"ranked.{name} AS {name}" for name in (*spec.columns, *spec.measures))
    sql = (
        f"SELECT {chosen}\nFROM (\n{inner.sql}\n) AS ranked\n"
        f"LEFT JOIN (SELECT {on}, name AS entry_name FROM {table}) AS entry USING ({on})\n"
        f"ORDER BY entry_name = '', lowerUTF8(entry_name){' DESC' if descending else ''}, {', '.join(spec.columns)}\n"
        "LIMIT {row_limit:UInt64}"
    )
    return Query(sql, {**parameters, "row_limit": limit})


def values(spec: Sums, pieces: Sequence[Piece], *, search: str, limit: int) -> Query:
    """Return values of `spec.columns` whose text or name contains `search`, most requests first."""
    inner = sums(spec, pieces)
    value = spec.columns[-1]
    found = f"positionCaseInsensitiveUTF8({value}, {{search:String}}) > 0"
    parameters = dict(inner.parameters)
    if search and (table := _named(spec.columns, spec.filters.get("org_id"), parameters)):
        key = f"({', '.join(spec.columns)})"
        found = (
            f"({found}\n    OR {key} IN (SELECT {', '.join(spec.columns)} FROM {table}\n"
            "        WHERE positionCaseInsensitiveUTF8(name, {search:String}) > 0))"
        )
    sql = (
        f"SELECT {', '.join(spec.columns)}, requests\n"
        f"FROM (\n{inner.sql}\n)\n"
        f"WHERE {value} != '' AND {found}\n"
        f"ORDER BY requests DESC, {', '.join(spec.columns)}\nLIMIT {{row_limit:UInt64}}"
    )
    return Query(sql, {**parameters, "search": search, "row_limit": limit})
