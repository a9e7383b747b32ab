"""Monthly budgets: definitions, calendar months, spend and state. See docs/budgets.md."""

from spendmeter_clickhouse.budgets.months import calendar_month, org_zones
from spendmeter_clickhouse.budgets.stored import (
    EACH_USER,
    SCOPES,
    STUDENT_ROLE,
    TAG,
    Budget,
    BudgetScope,
    list_budgets,
    write_budget,
)

__all__ = [
    "EACH_USER",
    "SCOPES",
    "STUDENT_ROLE",
    "TAG",
    "Budget",
    "BudgetScope",
    "calendar_month",
    "list_budgets",
    "org_zones",
    "write_budget",
]
