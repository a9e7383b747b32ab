"""What `make screens` photographs."""

from __future__ import annotations

from decimal import Decimal
from typing import Final
from uuid import UUID

from spendmeter_clickhouse.budgets import BudgetScope

NAMESPACE: Final = UUID("0f8a1a52-6d0e-4f6e-9d2a-1c5a5f0e7b11")
BUDGETS: Final[dict[tuple[BudgetScope, str, str], Decimal]] = {
    ("org", "niketan-bengaluru", ""): Decimal(20),
    ("org", "sunrise-delhi", ""): Decimal(18),
    ("user", "niketan-bengaluru", "tch-niketan-015"): Decimal(4),
}
SCREENS: Final = {
    "overview": "",
    **{
        name: f"tab={name}"
        for name in (
            *("orgs", "roles", "classes", "sections", "users", "features", "actions", "models", "providers"),
            *("agents", "tags", "errors", "cache", "heatmap", "log", "budgets", "prices", "alerts"),
        )
    },
    "user": "tab=users&drawer=niketan-bengaluru/tch-niketan-015",
}
# Some of them: every file stays in the history of the repository.
DARK: Final = ("overview", "models")
PHONE: Final = ("overview", "users", "models", "user")
