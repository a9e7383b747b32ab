"""Bodies that define or change a budget: one per shape of its subject."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID, uuid5

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from spendmeter_clickhouse.budgets import EACH_USER, Budget
from spendmeter_rollups.query.params import Status, TagFilter, Value

_NAMESPACE = UUID("5c9e9c2a-6f0e-4b53-8a3e-6a8a2c1f0d17")

Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]


def _ascending(percentages: list[int]) -> list[int]:
    return sorted(set(percentages))


class Limit(BaseModel):
    """Amount, currency and thresholds of a monthly budget."""

    model_config = ConfigDict(extra="forbid")

    amount: Decimal = Field(gt=0, max_digits=24, decimal_places=12, examples=["25000"])
    currency: str = Field(
        default="USD", pattern=r"^[A-Z]{3}$", description="ISO 4217 code with a known rate", examples=["INR"]
    )
    thresholds: Annotated[
        list[Annotated[int, Field(ge=1, le=1000)]],
        Field(
            max_length=10,
            description="used percentages that raise an alert, besides 100; empty: 90",
            examples=[[50, 80]],
        ),
        AfterValidator(_ascending),
    ] = []


class OrgBudget(Limit):
    """A budget for an org."""

    scope: Literal["org"]
    org_id: Name


class UserBudget(Limit):
    """A budget for one user, or for each user of an org."""

    scope: Literal["user"]
    org_id: Name
    user_id: Name = Field(description="`*`: each user of the org without a budget of their own")
    role: Value = Field("", description="with `user_id` `*`: each user's calls in this role", examples=["student"])

    @model_validator(mode="after")
    def _role_of_a_default(self) -> Self:
        if self.role and self.user_id != EACH_USER:
            raise ValueError("role requires user_id '*'")
        return self


class FeatureBudget(Limit):
    """A budget for a feature of one org or, without `org_id`, of all orgs."""

    scope: Literal["feature"]
    org_id: Value = ""
    feature: Name


class ClassBudget(Limit):
    """A budget for the students of a class."""

    scope: Literal["class"]
    org_id: Name
    value: Name


class SectionBudget(Limit):
    """A budget for the students of a section of a class."""

    scope: Literal["section"]
    org_id: Name
    class_name: Name
    value: Name


class StatusBudget(Limit):
    """A budget for calls by outcome, of one org or, without `org_id`, of all orgs."""

    scope: Literal["status"]
    org_id: Value = ""
    value: Status


class KeySourceBudget(Limit):
    """A budget for calls on the platform's keys: calls on an org's own keys count against no budget."""

    scope: Literal["key_source"]
    org_id: Value = ""
    value: Literal["platform"]


class TagBudget(Limit):
    """A budget for the calls with a tag, of one org or, without `org_id`, of all orgs."""

    scope: Literal["tag"]
    org_id: Value = ""
    value: Annotated[TagFilter, StringConstraints(pattern=r":.")] = Field(
        description="KEY:VALUE", examples=["env:production"]
    )


class DimensionBudget(Limit):
    """A budget for a value of another dimension, of one org or, without `org_id`, of all orgs."""

    scope: Literal["role", "action", "agent", "task", "configuration", "service", "provider", "model", "error_type"]
    org_id: Value = ""
    value: Name


AnyBody = (
    OrgBudget
    | UserBudget
    | FeatureBudget
    | ClassBudget
    | SectionBudget
    | StatusBudget
    | KeySourceBudget
    | TagBudget
    | DimensionBudget
)
BudgetBody = Annotated[AnyBody, Field(discriminator="scope")]


def budget_id_of(budget: Budget) -> UUID:
    """Return the id of a subject: two concurrent requests cannot create two budgets for the same subject."""
    parts = [budget.scope, budget.org_id, budget.user_id, budget.feature]
    if any(others := [budget.value, budget.class_name, budget.role]):
        parts += others
    return uuid5(_NAMESPACE, "\n".join(parts))
