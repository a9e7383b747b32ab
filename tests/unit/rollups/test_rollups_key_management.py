"""A key created over HTTP grants at most what its creator has."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.scopes import PLATFORM_WRITE
from spendmeter_rollups import Credential
from spendmeter_rollups.access.key_management import KeyBody, create_key

NOW = datetime(2026, 11, 20, tzinfo=UTC)
TOMORROW = NOW + timedelta(days=1)


class Inserts:
    async def insert(self, table: str, rows: Any, columns: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("creator_ends", "days", "ends"),
    [
        (TOMORROW, 0, TOMORROW),
        (TOMORROW, 30, TOMORROW),
        (TOMORROW + timedelta(days=9), 1, TOMORROW),
        (None, 1, TOMORROW),
        (None, 0, None),
    ],
)
def test_a_key_does_not_outlive_its_creator(creator_ends: datetime | None, days: int, ends: datetime | None) -> None:
    creator = Credential("key:spm_1", frozenset((PLATFORM_WRITE,)), expires_at=creator_ends)
    body = KeyBody(name="x", scopes=["platform:write"], days=days)
    assert asyncio.run(create_key(cast(Session, Inserts()), creator, body, now=NOW)).expires_at == ends
