"""The directory keeps dated versions of users: every worker stamps the attributes in force when a call occurred."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from spendmeter_clickhouse import Store
from spendmeter_events import NameEntry, OrgEntry, UserEntry
from spendmeter_events.directory import Entry
from spendmeter_stream.directory import Directory, UserAttributes
from tests.support.chunks import value
from tests.support.metrics import metric
from tests.support.records import FakeRecord
from tests.support.service import answer, service

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


def removed(key: bytes, at: datetime) -> FakeRecord:
    return FakeRecord(0, key, None, timestamp=int(at.timestamp()))


def entry_of(entry: Entry) -> FakeRecord:
    return FakeRecord(0, entry.key, entry.model_dump_json().encode())


async def test_a_removal_holds_in_any_order_until_a_newer_entry(store: Store) -> None:
    later = JULY + timedelta(days=10)
    pair = ("removed/school", "bob")
    old, new = (
        UserEntry(org_id=pair[0], user_id=pair[1], name="Bob", email="b@x", role=role, updated_at=updated_at)
        for role, updated_at in (("student", JULY), ("teacher", later + timedelta(days=1)))
    )
    tombstone = removed(old.key, later)
    users = "SELECT concat(name, email, role) FROM users FINAL WHERE user_id = 'bob' AND org_id = 'removed/school'"
    roles = "SELECT groupUniqArray(role) FROM user_versions FINAL WHERE user_id = 'bob' AND org_id = 'removed/school'"
    with store.session("test") as session:
        for records in ([entry_of(old), tombstone], [tombstone], [tombstone, entry_of(old)], [entry_of(old)]):
            known, restarted = Directory(session=session), Directory(session=session)
            for record in records:
                await known.apply([record])
            await restarted.refresh()
            assert pair not in known.users | restarted.users
            assert await value(session, users) == ""
            assert await value(session, roles) == [""]
        await known.apply([entry_of(new), tombstone, entry_of(old)])
        await known.apply([tombstone])
        await restarted.refresh()
        assert known.users[pair] == restarted.users[pair] == UserAttributes("teacher")
        assert await value(session, users) == "Bobb@xteacher"


async def test_orgs_and_names_are_removed_and_malformed_keys_skipped(store: Store) -> None:
    org: Entry = OrgEntry(org_id="gone", name="Gone", currency="INR", updated_at=JULY)
    names: list[Entry] = [
        NameEntry(kind="agent", id="gone", org_id=of, name=f"Gone {of}", updated_at=JULY) for of in ("", "gone")
    ]
    later = JULY + timedelta(days=1)
    before = metric("spendmeter_directory_entries_total", outcome="invalid")
    with store.session("test") as session:
        known, restarted = Directory(session=session), Directory(session=session)
        await known.apply([entry_of(entry) for entry in (org, *names)])
        assert "gone" in known.orgs
        await known.apply([removed(entry.key, later) for entry in (org, names[1])])
        await known.apply([entry_of(entry) for entry in (org, *names)])
        await restarted.refresh()
        assert "gone" not in known.orgs | restarted.orgs
        bad = [b"user/gone", b"gone", b"org/", b"other/gone/a", b"\xff", b"agent/gone/\x00", b"user//a"]
        await known.apply([*(removed(key, later) for key in bad), removed(org.key, datetime(2199, 1, 1, tzinfo=UTC))])
        await known.apply([FakeRecord(0, org.key, None), FakeRecord(0, None, None)])
    assert metric("spendmeter_directory_entries_total", outcome="invalid") == before + len(bad) + 2
    with service(store) as client:
        assert answer(client, "/v1/directory/org?id=gone")["entries"] == []
        assert [each["name"] for each in answer(client, "/v1/directory/agent?id=gone")["entries"]] == ["Gone "]
