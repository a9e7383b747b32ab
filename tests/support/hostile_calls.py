"""Calls whose names are markup, scripts, formulas, over-long or written from right to left."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from spendmeter_clickhouse import Store
from tests.support.service import NOW
from tests.support.usage import insert_usage, usage_row

IMAGE: Final = "<img src=x onerror=\"window.attacked='image'\">"
SCRIPT: Final = "\"><script>window.attacked='script'</script>"
LINK: Final = "<a href=\"javascript:window.attacked='link'\">open</a>"
FORMULA: Final = '=HYPERLINK("http://attacker.example";"open")'
LONG: Final = "m" * 128
RIGHT_TO_LEFT: Final = "\u202eتكلفة الطالب"
HOSTILE: Final[list[dict[str, Any]]] = [
    {"org_id": IMAGE, "user_id": SCRIPT, "feature": FORMULA, "model": LONG, "provider": LINK, "role": "student"},
    {
        "org_id": RIGHT_TO_LEFT,
        "user_id": IMAGE,
        "feature": IMAGE,
        "class_name": SCRIPT,
        "section": LINK,
        "agent_id": IMAGE,
    },
    {"org_id": SCRIPT, "user_id": FORMULA, "feature": LONG, "model": RIGHT_TO_LEFT, "task_id": LINK, "service": IMAGE},
    {"org_id": IMAGE, "action": SCRIPT, "tags": {IMAGE: SCRIPT}, "configuration_id": LONG, "region": LINK},
    {"org_id": IMAGE, "status": "error", "error_type": SCRIPT, "error_message": IMAGE + LINK, "conversation_id": LONG},
]


def store_hostile_calls(store: Store) -> None:
    """Store an expensive call of each of `HOSTILE`, so that tables and charts show it first."""
    rows = [
        usage_row(
            10**9 + number, NOW - timedelta(hours=number), input_tokens=1000, input_cost=Decimal(40 - number), **values
        )
        for number, values in enumerate(HOSTILE, start=1)
    ]
    insert_usage(store, rows)
