"""`GET /v1/budgets/check`: whether a call is within its budgets."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, create_model

from spendmeter_clickhouse.catalogue import DIMENSIONS
from spendmeter_events.gate.budget_index import call_of
from spendmeter_rollups.catalogue.money import Money
from spendmeter_rollups.problems import invalid_parameter
from spendmeter_rollups.query.params import TagFilter, Value, field_of
from spendmeter_rollups.query.reader import Reader
from spendmeter_rollups.query.scope import only_visible

if TYPE_CHECKING:
    _Call = BaseModel
else:
    # One value per dimension of the catalogue; the org is required.
    _Call = create_model(
        "_Call",
        **{field_of(name): (Annotated[Value, Field(alias=name)], ... if name == "org" else "") for name in DIMENSIONS},
    )


class CheckParams(_Call):
    """The dimensions of a call. A budget of a dimension that is not given does not apply."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    tag: list[TagFilter] = Field([], max_length=16, description="KEY:VALUE, repeatable")

    def call(self) -> dict[str, str | None]:
        """Return dimension → value."""
        dimensions = {name: getattr(self, field_of(name)) or None for name in DIMENSIONS}
        tags = dict(text.split(":", 1) for text in self.tag)
        return call_of(dimensions["org"] or "", dimensions=dimensions, tags=tags)


class RefusingBudget(BaseModel):
    """The used-up budget."""

    budget_id: UUID
    scope: str
    conditions: dict[str, str] = Field(description="dimension → value of the calls that it limits")
    spent_usd: Money
    limit_usd: Money
    month_end: datetime = Field(description="calls are allowed again from here on")


class CheckAnswer(BaseModel):
    """Whether the call may be made."""

    allowed: bool
    reason: Literal["within_budget", "over_budget"]
    budget: RefusingBudget | None = Field(
        description="null if allowed, or if the budget covers all orgs and the credential does not"
    )
    as_of: datetime = Field(description="time of the evaluation")


async def check_budgets(
    reader: Reader, params: CheckParams, *, now: datetime, visible: tuple[str, ...] | None
) -> CheckAnswer:
    """Return whether a call is within its budgets. Raises `Problem`: 403 for a foreign org, 422 without one."""
    call = params.call()
    if not call["org"]:
        # A variable of the caller that is not set must not pass as an org without budgets.
        raise invalid_parameter("org", "must not be empty")
    if visible is not None:
        only_visible((str(call["org"]),), visible)
    snapshot = await reader.budgets.current(now)
    found = snapshot.index.refusing(call, now=now.timestamp())
    shown: dict[str, Any] | None = None
    if found is not None and (visible is None or found.conditions.get("org") in visible):
        shown = found.model_dump(include=set(RefusingBudget.model_fields))
    return CheckAnswer(
        allowed=found is None,
        reason="within_budget" if found is None else "over_budget",
        budget=RefusingBudget(**shown) if shown else None,
        as_of=snapshot.at,
    )
