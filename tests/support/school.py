"""A small school with a few calls, whose figures are computed by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from fastapi.testclient import TestClient

from spendmeter_clickhouse import Store
from tests.support.service import service
from tests.support.usage import insert_usage, usage_row

BASE = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
CENT = Decimal("0.01")


def calls() -> list[dict[str, Any]]:
    """Return calls of Ann (student) and Tom (teacher) of acme, of Eve of beta on its own key, and of a job."""
    ann = {"user_id": "ann", "input_cost": 2 * CENT, "input_tokens": 100, "output_tokens": 10, "latency_ms": 200}
    tom = {"user_id": "tom", "role": "teacher", "class_name": "", "section": "", "feature": "quiz"}
    eve = {"org_id": "beta", "user_id": "eve", "key_source": "byok", "provider": "anthropic", "model": "claude"}
    job = {"user_id": "system", "role": "", "class_name": "", "section": "", "feature": "index"}
    return [
        usage_row(1, BASE, **ann, agent_id="tutor"),
        usage_row(2, BASE + timedelta(hours=1), **ann | {"latency_ms": 400}, agent_id="tutor"),
        usage_row(3, BASE + timedelta(days=1), **ann, feature="rag", status="cancelled"),
        usage_row(4, BASE, **tom, input_cost=5 * CENT, status="error", error_type="timeout", error_message="too slow"),
        usage_row(5, BASE + timedelta(minutes=5), **tom, output_cost=CENT, unit_cost=CENT, characters=30),
        usage_row(6, BASE, **eve, input_cost=3 * CENT, input_tokens=60, cache_read_tokens=140, cache_savings=CENT / 2),
        usage_row(7, BASE, **job, input_cost=CENT, unpriced_requests=1, cache_unpriced_requests=1),
        # A week before the window of 7d: the previous window of the 7 days.
        usage_row(8, BASE - timedelta(days=7), **ann),
        # An adjustment of call 5: it has a cost, but is no call.
        usage_row(9, BASE, **tom, kind="adjustment", requests=0, output_cost=CENT),
    ]


DIRECTORY: dict[str, tuple[list[str], list[tuple[Any, ...]]]] = {
    "orgs": (
        ["org_id", "name", "timezone", "currency", "updated_at"],
        [("acme", "Acme School", "Asia/Kolkata", "INR", BASE)],
    ),
    "users": (
        ["org_id", "user_id", "name", "email", "role", "class_name", "section", "updated_at"],
        [("acme", "ann", "Ann Lee", "ann@acme.example", "student", "7", "A", BASE)],
    ),
    "directory_names": (
        ["kind", "id", "org_id", "name", "avatar_url", "updated_at"],
        [
            ("agent", "tutor", "", "Tutor", "https://a.example/t.svg", BASE),
            ("agent", "tutor", "acme", "Asha", "https://a.example/asha.svg", BASE),
            ("agent", "tutor", "beta", "Beta's own", "", BASE),
            ("feature", "quiz", "", "Quizzes", "", BASE),
            ("feature", "rag", "acme", "Answers from books", "", BASE),
        ],
    ),
    "fx_rates": (
        ["currency", "rate_date", "per_usd", "source", "updated_at"],
        [
            ("INR", datetime(2026, 10, 1).date(), Decimal(80), "first", BASE),
            ("INR", datetime(2026, 11, 21).date(), Decimal("88.5"), "bank", BASE),
        ],
    ),
}


@contextmanager
def school(store: Store) -> Iterator[TestClient]:
    """Store the school's directory, rates and calls, and serve them."""
    with store.session("directory") as session:
        for table, (columns, rows) in DIRECTORY.items():
            asyncio.run(session.insert(table, rows, columns))
    insert_usage(store, calls())
    with service(store) as client:
        yield client


def by_key(body: dict[str, Any], column: str) -> dict[str, dict[str, Any]]:
    """Return the rows of an answer by one column of their key."""
    return {row["key"][column]: row for row in body["rows"]}
