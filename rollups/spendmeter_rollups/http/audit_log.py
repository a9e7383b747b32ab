"""The audit log: reads of users' pages and writes, visible to credentials that may read the org."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from spendmeter_rollups.http.service import RequestContext
from spendmeter_rollups.query.lookups import audited
from spendmeter_rollups.query.params import Value, Values
from spendmeter_rollups.query.scope import only_visible, time_before

_COLUMNS = ["at", "request_id", "actor", "action", "org_id", "user_id"]
_USER_READ = "user.read"


class AuditParams(BaseModel):
    """Parameters of the audit log."""

    model_config = ConfigDict(extra="forbid")

    org: Values = []
    user: Values = []
    actor: Values = []
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    before: Annotated[Value | None, Field(description="ISO 8601 timestamp; only entries before it")] = None


class AuditRow(BaseModel):
    """One read of a user's page, or one write."""

    at: datetime
    request_id: str = Field(description="as in the log and in the answer's X-Request-ID")
    actor: str = Field(description="the credential", examples=["key:spm_0123456789"])
    action: str = Field(examples=[_USER_READ, "key.create"])
    org_id: str = Field(description="empty if the entry does not concern a single org")
    user_id: str = Field(description="the user; for a key its prefix, for a rate its currency and date")


class AuditAnswer(BaseModel):
    """Reads and writes, newest first."""

    rows: list[AuditRow]


async def record_read(context: RequestContext, *, org_id: str, user_id: str) -> None:
    """Record that the caller read a user's page. Raises `StoreError`."""
    await record_action(context, _USER_READ, org_id=org_id, subject=user_id)


async def record_action(context: RequestContext, action: str, *, org_id: str, subject: str) -> None:
    """Record an action of the caller on `subject`. Raises `StoreError`."""
    row = (context.service.clock(), context.request_id, context.credential.name, action, org_id, subject)
    await context.service.writer.insert("audit_log", [row], _COLUMNS)


async def audit(context: RequestContext, params: AuditParams) -> AuditAnswer:
    """Return entries of orgs visible to the caller. Raises `Problem`."""
    visible = context.credential.visible_orgs()
    requested = tuple(params.org) or None
    orgs = requested if visible is None else only_visible(requested, visible)
    filters = {"org_id": orgs, "user_id": tuple(params.user) or None, "actor": tuple(params.actor) or None}
    query = audited(
        {column: values for column, values in filters.items() if values is not None},
        before=time_before(params.before),
        limit=params.limit,
    )
    return AuditAnswer(rows=[AuditRow(**row) for row in await context.reader.rows(query)])
