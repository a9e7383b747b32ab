"""A key created over HTTP grants at most what its creator has."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.scopes import PLATFORM_WRITE
from spendmeter_rollups import Credential, ServiceSettings
from spendmeter_rollups.access.auth import Limits
from spendmeter_rollups.access.key_management import CreatedKey, KeyBody, KeyLimits, create_key

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
    assert created(creator, body).expires_at == ends


@pytest.mark.parametrize(
    ("own", "default", "requested", "granted"),
    [
        (0, 100, 5000, 100),
        (0, 100, 50, 50),
        (0, 100, 0, 0),
        (0, 0, 5000, 5000),
        (50, 100, 0, 50),
        (50, 100, 100, 50),
        (500, 100, 0, 0),
        (500, 100, 400, 400),
        (500, 0, 0, 500),
    ],
)
def test_a_key_has_at_most_the_limits_in_force_for_its_creator(
    own: int, default: int, requested: int, granted: int
) -> None:
    creator = Credential("key:spm_1", frozenset((PLATFORM_WRITE,)), limits=Limits(requests_per_minute=own))
    body = KeyBody(name="x", scopes=["platform:write"], requests_per_minute=requested)
    assert created(creator, body, requests_per_minute=default).requests_per_minute == granted


def test_every_limit_is_at_most_the_default_of_the_service_except_for_the_administrator() -> None:
    fields: dict[str, Any] = dict.fromkeys(KeyLimits.model_fields, 2**31)
    body, scopes = KeyBody(name="x", scopes=["platform:write"], **fields), frozenset((PLATFORM_WRITE,))
    low = created(Credential("key:spm_1", scopes), body, query_rows=7, query_memory_bytes=2**26)
    assert [getattr(low, name) for name in fields] == [1200, 30, 2**26, 7]
    high = created(Credential("admin", scopes), body)
    assert [getattr(high, name) for name in fields] == [2**31] * 4


def created(creator: Credential, body: KeyBody, **settings: Any) -> CreatedKey:
    store = cast(Session, Inserts())
    return asyncio.run(create_key(store, creator, body, now=NOW, settings=ServiceSettings(**settings)))
