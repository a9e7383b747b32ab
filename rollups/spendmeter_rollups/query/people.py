"""Users, of whom there are more than of anything else: their rows, and who is busiest."""

from __future__ import annotations

from collections.abc import Sequence

from spendmeter_events.event import SYSTEM_USER
from spendmeter_rollups.query.planner import Piece
from spendmeter_rollups.query.statement import Query
from spendmeter_rollups.query.sums import Sums, merged, sums


def user_sums(what: Sums, pieces: Sequence[Piece]) -> Query:
    """Like `sums` by user, for `what` by user and feature, with the feature of most requests as `top_feature`."""
    inner = sums(what, pieces)
    user = ", ".join(what.columns[:-1])
    measures = ", ".join(merged(measure) for measure in what.measures)
    # Of equals the last by name, so that the answer does not depend on the order of rows.
    top = "argMaxIf(piece.feature, (piece.requests, piece.feature), piece.requests > 0) AS top_feature"
    sql = (
        f"SELECT {user}, {measures}, {top}\nFROM (\n{inner.sql}\n) AS piece\nGROUP BY {user}\n"
        # None has both, and to find that out takes a quarter of the time.
        "SETTINGS optimize_use_projections = 0"
    )
    return Query(sql, inner.parameters)


def busiest_user(what: Sums, pieces: Sequence[Piece]) -> Query:
    """How many users made a request, and (requests, org, user) of the one who made most, for `what` by user.

    Of equals the last by name. `system` is no user.
    """
    inner = sums(what, pieces)
    # Conditions of the aggregates, for one of the query would be tried on every row before they are added up.
    user = "requests > 0 AND user_id != {system_user:String}"
    sql = (
        f"SELECT countIf({user}) AS users, maxIf((requests, org_id, user_id), {user}) AS busiest\n"
        f"FROM (\n{inner.sql}\n)\n"
        # Threads would each meet the same users, and this is one of several queries at once.
        "SETTINGS max_threads = 1"
    )
    return Query(sql, {**inner.parameters, "system_user": SYSTEM_USER})
