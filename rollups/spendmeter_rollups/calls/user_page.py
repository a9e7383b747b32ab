"""One user's page: identity and usage in one window."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import BaseModel, Field

from spendmeter_rollups.calls.log import COLUMNS, EventRow, event_row
from spendmeter_rollups.catalogue.aggregates import add, aggregates
from spendmeter_rollups.catalogue.dimensions import ROW_MEASURES
from spendmeter_rollups.problems import invalid_parameter, not_found
from spendmeter_rollups.query import lookups
from spendmeter_rollups.query import sums as queries
from spendmeter_rollups.query.log_statement import events
from spendmeter_rollups.query.params import ScopeParams
from spendmeter_rollups.query.reader import Reader, Row
from spendmeter_rollups.query.scope import Scope
from spendmeter_rollups.views.answers import Answer, Measures, frame
from spendmeter_rollups.views.series import series_edges
from spendmeter_rollups.views.timeseries import Point, whole_series


class UserParams(ScopeParams):
    """Parameters of a user's page."""

    recent: Annotated[int, Field(ge=0, le=200)] = 10


class Identity(BaseModel):
    """Current attributes from the directory; null if unknown."""

    org_id: str
    user_id: str
    org_name: str | None
    name: str | None
    email: str | None
    role: str | None
    class_name: str | None
    section: str | None


class UserFeature(Measures):
    """A user's usage of one feature."""

    feature: str


class UserAnswer(Answer):
    """Identity, totals, cost by feature, daily trend and recent calls."""

    user: Identity
    totals: Measures
    features: list[UserFeature] = Field(description="by cost, descending")
    daily: list[Point]
    recent: list[EventRow]


async def user_page(reader: Reader, scope: Scope, *, user_id: str, params: UserParams) -> UserAnswer:
    """Return a user's page. Raises `Problem`: 404 for an unknown user, 422 for a user id that several orgs have."""
    org_id = await _find_org(reader, scope, user_id)
    narrowed = scope.narrowed(org_id=(org_id,), user_id=(user_id,))
    (identity,), features, daily, recent = await asyncio.gather(
        reader.rows(lookups.identities([(org_id, user_id)])),
        _features(reader, narrowed),
        whole_series(reader, narrowed, series_edges(narrowed, "day")),
        reader.rows(events(narrowed.window, narrowed.filters, columns=COLUMNS, before=None, limit=params.recent)),
    )
    return UserAnswer(
        **frame(scope),
        user=_identity(identity),
        totals=Measures(**aggregates(add(features, ROW_MEASURES), scope.rate)),
        features=[_feature(row, scope) for row in features],
        daily=daily,
        recent=[event_row(row, scope) for row in recent],
    )


async def _find_org(reader: Reader, scope: Scope, user_id: str) -> str:
    rows = await reader.rows(lookups.orgs_of_user(user_id, scope.filters.get("org_id")))
    orgs = [row["org_id"] for row in rows]
    if not orgs:
        raise not_found("user_id", "unknown user")
    if len(orgs) > 1:
        raise invalid_parameter("org", "several orgs have a user with this id: specify one", allowed=orgs)
    return str(orgs[0])


async def _features(reader: Reader, scope: Scope) -> list[Row]:
    spec = scope.sums(("feature",), ROW_MEASURES)
    rows = await reader.rows(queries.sums(spec, scope.pieces(spec)))
    return sorted(rows, key=lambda row: (-row["cost"], row["feature"]))


def _feature(row: Row, scope: Scope) -> UserFeature:
    found = aggregates({measure: row[measure] for measure in ROW_MEASURES}, scope.rate)
    return UserFeature(**found, feature=row["feature"])


def _identity(row: Row) -> Identity:
    names = ("org_name", "name", "email", "role", "class_name", "section")
    return Identity(org_id=row["org_id"], user_id=row["user_id"], **{name: row[name] or None for name in names})
