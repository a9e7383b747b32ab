"""Queries by user, the dimension with most values: user rows, and the most active user."""

from __future__ import annotations

from collections.abc import Sequence

from spendmeter_clickhouse.catalogue import is_active_user, top_feature
from spendmeter_rollups.query.planner import Piece
from spendmeter_rollups.query.statement import Query
from spendmeter_rollups.query.sums import Sums, merged, sums


def user_sums(spec: Sums, pieces: Sequence[Piece]) -> Query:
    """Return `sums` by user for a `spec` by user and feature; `top_feature` is the one with most requests."""
    inner = sums(spec, pieces)
    user = ", ".join(spec.columns[:-1])
    measures = ", ".join(merged(measure) for measure in spec.measures)
    sql = (
        f"SELECT {user}, {measures}, {top_feature('piece.')} AS top_feature\n"
        f"FROM (\n{inner.sql}\n) AS piece\nGROUP BY {user}"
    )
    return Query(sql, inner.parameters)


def busiest_user(spec: Sums, pieces: Sequence[Piece]) -> Query:
    """Return the number of users with a request and the (requests, org, user) of the busiest, for a `spec` by user.

    Ties are broken by name (last wins). `system` does not count as a user.
    """
    inner = sums(spec, pieces)
    # Use -If aggregates: a WHERE would be evaluated on every row before aggregation.
    user = is_active_user("")
    sql = (
        f"SELECT countIf({user}) AS users, maxIf((requests, org_id, user_id), {user}) AS busiest\n"
        f"FROM (\n{inner.sql}\n)"
    )
    return Query(sql, inner.parameters)
