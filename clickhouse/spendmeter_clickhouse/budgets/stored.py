"""Stored monthly budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from spendmeter_clickhouse.catalogue import DIMENSIONS
from spendmeter_clickhouse.store import Session

BudgetScope = str
"""A dimension of the catalogue, or `tag`."""
TAG: Final = "tag"
SCOPES: Final[tuple[BudgetScope, ...]] = (*DIMENSIONS, TAG)
EACH_USER: Final = "*"
"""`user_id` of a default: the limit of each user of an org without a budget of their own."""
STUDENT_ROLE: Final = "student"
"""Classes and sections count students only, as their breakdowns do."""

_TICK: Final = timedelta(milliseconds=1)
_COLUMNS: Final = (
    "budget_id", "scope", "org_id", "user_id", "feature", "amount", "currency", "updated_at",
    "value", "class_name", "role", "thresholds",
)  # fmt: skip
_OWN_COLUMNS: Final = {"org": "org_id", "user": "user_id", "feature": "feature"}


@dataclass(frozen=True, slots=True)
class Budget:
    """What a scope may spend in a calendar month: `amount` of `currency` (ISO 4217), chargeable cost.

    `org_id` is empty for a value of every org. `user_id` and `feature` are set in their own scope alone, `value` in the
    others (KEY:VALUE of a tag), `class_name` for a section, `role` for a default of the users of one role.
    """

    budget_id: UUID
    scope: BudgetScope
    org_id: str
    user_id: str
    feature: str
    amount: Decimal
    currency: str
    updated_at: datetime
    value: str = ""
    class_name: str = ""
    role: str = ""
    thresholds: tuple[int, ...] = ()
    """Used percentages that raise an alert, ascending; empty: the guard's default."""

    @property
    def subject(self) -> str:
        """The value of the scope's dimension."""
        found: str = getattr(self, _OWN_COLUMNS.get(self.scope, "value"))
        return found

    @property
    def per_user(self) -> bool:
        """Whether this is a default: a limit of each user of the org."""
        return self.user_id == EACH_USER

    def filters(self) -> dict[str, tuple[str, ...]]:
        """Column of `usage_events` and of its rollups → the values that count against this budget.

        The column of a tag is `tag:KEY`. A default has those of all its users.
        """
        wanted = {"org_id": self.org_id, "class_name": self.class_name, "role": self.role}
        if self.scope == TAG:
            key, _, value = self.value.partition(":")
            wanted[f"{TAG}:{key}"] = value
        elif not self.per_user:
            wanted[DIMENSIONS[self.scope].columns[-1]] = self.subject
        if self.scope in ("class", "section"):
            wanted["role"] = STUDENT_ROLE
        return {column: (value,) for column, value in wanted.items() if value}

    def conditions(self, user_id: str = "") -> dict[str, str]:
        """Return dimension → value of the calls that this budget limits; of a default, those of one user."""
        wanted = {"org": self.org_id, "class": self.class_name}
        if self.scope == TAG:
            key, _, value = self.value.partition(":")
            wanted[f"{TAG}:{key}"] = value
        else:
            wanted[self.scope] = user_id or self.subject
        return {dimension: value for dimension, value in wanted.items() if value}


async def list_budgets(session: Session, *, orgs: Sequence[str] | None = None) -> list[Budget]:
    """Return all budgets, or those of `orgs`, ordered by scope and subject. Raises `StoreError`."""
    where, parameters = "NOT deleted", {}
    if orgs is not None:
        where, parameters = f"{where} AND org_id IN {{orgs:Array(String)}}", {"orgs": list(orgs)}
    answer = await session.query(
        f"SELECT {', '.join(_COLUMNS)} FROM budgets FINAL WHERE {where}"
        " ORDER BY scope, org_id, user_id, feature, value, class_name, role, budget_id",
        parameters,
    )
    return [_budget(row) for row in answer.result_rows]


def _budget(row: Sequence[Any]) -> Budget:
    fields = dict(zip(_COLUMNS, row, strict=True))
    return Budget(**{**fields, "thresholds": tuple(fields["thresholds"])})


async def write_budget(session: Session, budget: Budget, *, deleted: bool = False) -> Budget:
    """Store a budget as its newest version, and return it with the time it has as such. Raises `StoreError`."""
    answer = await session.query(
        "SELECT max(updated_at) FROM budgets WHERE budget_id = {id:UUID}", {"id": str(budget.budget_id)}
    )
    ((newest,),) = answer.result_rows
    # The last write wins, even on a clock that is behind the previous one.
    written = replace(budget, updated_at=max(budget.updated_at, newest + _TICK))
    row = (*(getattr(written, name) for name in _COLUMNS), deleted)
    await session.insert("budgets", [row], [*_COLUMNS, "deleted"])
    return written
