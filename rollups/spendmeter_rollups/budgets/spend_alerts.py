"""Alerts that the spend guard sent: the worker stores them, and this module only reads them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from spendmeter_events.alert import AlertKind, AlertSeverity
from spendmeter_rollups.catalogue.money import Money
from spendmeter_rollups.query.lookups import sent_alerts
from spendmeter_rollups.query.params import Value, Values, fold
from spendmeter_rollups.query.reader import Reader, Row
from spendmeter_rollups.query.scope import only_visible, time_before
from spendmeter_rollups.views.directory_names import Names, find_names


class AlertsParams(BaseModel):
    """Parameters of sent alerts."""

    model_config = ConfigDict(extra="forbid")

    org: Values = []
    kind: Annotated[list[Annotated[AlertKind, BeforeValidator(fold)]], Field(max_length=10)] = []
    severity: Annotated[list[Annotated[AlertSeverity, BeforeValidator(fold)]], Field(max_length=10)] = []
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    before: Annotated[Value | None, Field(description="ISO 8601 timestamp; only alerts before it")] = None


class AlertAnswer(BaseModel):
    """One sent alert. A lasting condition sends one again after an hour, or after a day for a used budget."""

    alert_id: UUID
    at: datetime = Field(description="time of the evaluation")
    since: datetime = Field(description="time of the first evaluation that raised this alert")
    kind: AlertKind
    severity: AlertSeverity
    scope: str = Field(description="what `name` is", examples=["org"])
    org_id: str = Field(description="empty for a feature of all orgs")
    org_name: str | None = Field(description="from the directory; null if unknown")
    name: str = Field(description="the org, user or feature", examples=["niketan-bengaluru"])
    user_name: str | None = Field(description="from the directory; null if unknown or not about a user")
    window: Literal["15m", "1h", "6h", "month_to_date"] = Field(description="the time in which it was spent")
    spend_usd: Money
    limit_usd: Money = Field(description="threshold for the spend in `window`")
    expected_usd: Money | None = Field(description="usual spend in this hour; null unless `kind` is `spike`")
    summary: str


class AlertsAnswer(BaseModel):
    """Sent alerts, newest first."""

    alerts: list[AlertAnswer]


async def alerts(reader: Reader, params: AlertsParams, visible: tuple[str, ...] | None) -> AlertsAnswer:
    """Return alerts of the orgs in `visible` (None: all). Raises `Problem` (403) for another org."""
    requested = tuple(params.org) or None
    orgs = requested if visible is None else only_visible(requested, visible)
    filters: dict[str, Sequence[str]] = {"kind": params.kind, "severity": params.severity}
    chosen = {column: values for column, values in filters.items() if values}
    if orgs is not None:
        chosen["org_id"] = orgs
    rows = await reader.rows(sent_alerts(chosen, before=time_before(params.before), limit=params.limit))
    people = [(row["org_id"], row["name"]) for row in rows if row["scope"] == "user"]
    names = await find_names(reader, orgs=[row["org_id"] for row in rows if row["org_id"]], users=people)
    return AlertsAnswer(alerts=[_answer(row, names) for row in rows])


def _answer(row: Row, names: Names) -> AlertAnswer:
    user_name = names.user(row["org_id"], row["name"]) if row["scope"] == "user" else None
    return AlertAnswer(**row, window=row["span"], org_name=names.org(row["org_id"]), user_name=user_name)
