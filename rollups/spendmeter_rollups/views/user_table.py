"""User rows of a table or an export, in two steps: find the keys, then read all measures of these keys only.

With many users, ranking by one measure and reading the other measures for the page only takes a fraction of the time of
aggregating all measures for all users.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from spendmeter_clickhouse.catalogue import DIMENSIONS, ROW_MEASURES
from spendmeter_rollups.query import sums as queries
from spendmeter_rollups.query.people import user_sums
from spendmeter_rollups.query.reader import Row
from spendmeter_rollups.query.usage import UsageReader

_COLUMNS: Final = DIMENSIONS["user"].columns


async def keyed_users(usage: UsageReader, *, after: tuple[str, ...], limit: int) -> list[Row]:
    """Return the first `limit` users after the key `after`. Rows as in `user_rows`."""
    return await user_rows(
        usage, await usage.read(queries.keyed_sums, _COLUMNS, ("requests",), after=after, limit=limit)
    )


async def user_rows(usage: UsageReader, users: Sequence[Row]) -> list[Row]:
    """Return all measures of `users`, in the same order. Each row includes `top_feature`."""
    if not users:
        return []
    keys = [(user["org_id"], user["user_id"]) for user in users]
    rows = await usage.read(user_sums, (*_COLUMNS, "feature"), ROW_MEASURES, among=keys)
    found = {(row["org_id"], row["user_id"]): row for row in rows}
    return [found[key] for key in keys]
