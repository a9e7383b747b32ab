"""User rows of a table or an export, in two steps: find the keys, then read all measures of these keys only.

With many users, ranking by one measure and reading the other measures for the page only takes a fraction of the time of
aggregating all measures for all users.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from spendmeter_rollups.catalogue.dimensions import DIMENSIONS, ROW_MEASURES
from spendmeter_rollups.query import sums as queries
from spendmeter_rollups.query.people import user_sums
from spendmeter_rollups.query.reader import Reader, Row
from spendmeter_rollups.query.scope import Scope

_COLUMNS: Final = DIMENSIONS["user"].columns


async def ranked_users(reader: Reader, scope: Scope, *, order_by: str, offset: int, limit: int) -> list[Row]:
    """Return users by rank, from `offset` on. Each row includes `top_feature`."""
    spec = scope.sums(_COLUMNS, queries.ORDERS[order_by])
    ranked = await reader.rows(queries.ranked_keys(spec, scope.pieces(spec), order_by=order_by, limit=offset + limit))
    return await _user_rows(reader, scope, ranked[offset:])


async def keyed_users(reader: Reader, scope: Scope, *, after: tuple[str, ...], limit: int) -> list[Row]:
    """Return the first `limit` users after the key `after`. Rows as in `ranked_users`."""
    spec = scope.sums(_COLUMNS, ("requests",), after=after)
    return await _user_rows(reader, scope, await reader.rows(queries.keyed_sums(spec, scope.pieces(spec), limit=limit)))


async def _user_rows(reader: Reader, scope: Scope, users: Sequence[Row]) -> list[Row]:
    """Return all measures of `users`, in the same order."""
    if not users:
        return []
    keys = [(user["org_id"], user["user_id"]) for user in users]
    spec = scope.sums((*_COLUMNS, "feature"), ROW_MEASURES, among=keys)
    found = {(row["org_id"], row["user_id"]): row for row in await reader.rows(user_sums(spec, scope.pieces(spec)))}
    return [found[key] for key in keys]
