"""One user's page: identity and usage in one window."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import BaseModel, Field

from spendmeter_clickhouse.catalogue import ROW_MEASURES
from spendmeter_rollups.calls.log import EventRow, newest_calls
from spendmeter_rollups.catalogue.aggregates import add, aggregates
from spendmeter_rollups.problems import invalid_parameter, not_found
from spendmeter_rollups.query.directory import orgs_of_user
from spendmeter_rollups.query.params import ScopeParams
from spendmeter_rollups.query.reader import Row
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.views.answers import Answer, Measures, frame
from spendmeter_rollups.views.directory_names import find_names
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
    name: str | None = Field(None, description="from the directory")


class UserAnswer(Answer):
    """Identity, totals, cost by feature, daily trend and recent calls."""

    user: Identity
    totals: Measures
    features: list[UserFeature] = Field(description="by cost, descending")
    daily: list[Point]
    recent: list[EventRow]


async def user_page(usage: UsageReader, *, user_id: str, params: UserParams) -> UserAnswer:
    """Return a user's page. Raises `Problem`: 404 for an unknown user, 422 for a user id that several orgs have."""
    scope, org_id = usage.scope, await _find_org(usage, user_id)
    own = usage.narrowed(org_id=(org_id,), user_id=(user_id,))
    names, features, daily, recent = await asyncio.gather(
        find_names(usage.reader, users=[(org_id, user_id)]),
        own.sums(("feature",), ROW_MEASURES),
        whole_series(own, series_edges(scope, "day")),
        newest_calls(own, params.recent),
    )
    values = [("feature", row["feature"]) for row in features]
    named = await find_names(usage.reader, values=values, within=(org_id,))
    return UserAnswer(
        **frame(scope),
        user=Identity(org_id=org_id, user_id=user_id, **names.identity(org_id, user_id)),
        totals=Measures(**aggregates(add(features, ROW_MEASURES))),
        features=[
            _feature(row, named.value("feature", row["feature"]))
            for row in sorted(features, key=lambda row: (-row["cost"], row["feature"]))
        ],
        daily=daily,
        recent=recent,
    )


async def _find_org(usage: UsageReader, user_id: str) -> str:
    rows = await usage.reader.rows(orgs_of_user(user_id, usage.scope.filters.get("org_id")))
    orgs = [row["org_id"] for row in rows]
    if not orgs:
        raise not_found("user_id", "unknown user")
    if len(orgs) > 1:
        raise invalid_parameter("org", "several orgs have a user with this id: specify one", allowed=orgs)
    return str(orgs[0])


def _feature(row: Row, name: str | None) -> UserFeature:
    found = aggregates({measure: row[measure] for measure in ROW_MEASURES})
    return UserFeature(**found, feature=row["feature"], name=name)
