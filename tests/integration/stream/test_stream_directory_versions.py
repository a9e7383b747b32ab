"""The directory keeps dated versions of users: every worker stamps the attributes in force when a call occurred."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from spendmeter_clickhouse import Store
from spendmeter_events import UserEntry
from spendmeter_stream.directory import Directory, UserAttributes
from tests.support.chunks import value
from tests.support.records import FakeRecord

JULY = datetime(2026, 7, 1, tzinfo=UTC)
ANN = ("school-1", "ann")


def published(updated_at: datetime, role: str, *, valid_from: datetime | None = None) -> list[FakeRecord]:
    entry = UserEntry(org_id=ANN[0], user_id=ANN[1], role=role, updated_at=updated_at, valid_from=valid_from)
    return [FakeRecord(0, entry.key, entry.model_dump_json().encode())]


def role_at(known: Directory, moment: datetime) -> str:
    return known.users[ANN].at(round(moment.timestamp() * 1000)).role


async def test_versions_are_kept_and_read_by_every_worker(store: Store) -> None:
    with store.session("test") as session:
        known, other = Directory(session=session), Directory(session=session)
        await known.apply(published(JULY, "student"))
        assert known.users[ANN] == UserAttributes("student")
        await known.apply(published(JULY + timedelta(days=60), "teacher"))
        # A nightly copy of unchanged users adds no version.
        for night in range(3):
            await known.apply(published(JULY + timedelta(days=61 + night), "teacher"))
        assert await value(session, "SELECT count() FROM user_versions FINAL") == 2
        # Of a replayed topic, the same rows are stored.
        await other.apply(published(JULY, "student"))
        await other.apply(published(JULY + timedelta(days=60), "teacher"))
        await other.refresh()
        for days, role in ((-400, "student"), (59, "student"), (60, "teacher"), (900, "teacher")):
            moment = JULY + timedelta(days=days)
            assert role_at(other, moment) == role_at(known, moment) == role
        # A version of the past, published later, applies between its neighbours.
        await known.apply(published(JULY + timedelta(days=70), "assistant", valid_from=JULY + timedelta(days=30)))
        for days, role in ((29, "student"), (30, "assistant"), (59, "assistant"), (60, "teacher")):
            assert role_at(known, JULY + timedelta(days=days)) == role


def test_a_version_cannot_begin_after_its_entry() -> None:
    with pytest.raises(ValidationError, match="valid_from must not be after updated_at"):
        published(JULY, "student", valid_from=JULY + timedelta(seconds=1))
