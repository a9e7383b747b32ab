"""Each process has a login that permits its statements and no others, as decided by a real engine.

The query service and the worker run here with all rights while every statement is recorded; then each statement runs
in an engine whose user has the grants of `clickhouse/users/spendmeter.xml`.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.api_keys import ApiKey, digest_of, generate_key, store_key
from spendmeter_stream.guard.read.spend_reader import SpendReader as GuardReader
from spendmeter_stream.maintenance.surplus import remove_surplus_when_due
from spendmeter_stream.recovery.reconcile import reconcile_suspects
from spendmeter_stream.runtime.start import wait_for_store
from spendmeter_stream.runtime.store_health import check_store
from spendmeter_stream.verify import check_drift
from tests.gate.cases import Case
from tests.gate.macros import expand
from tests.gate.statements import statements
from tests.support.grants import USERS, Call, Recording, migrated_folder, recording, refused, run_as, statement
from tests.support.records import record
from tests.support.service import NOW, service
from tests.support.usage import insert_usage, usage_row
from tests.support.worker import publish, stream_settings, working

pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated_folder(tmp_path_factory.mktemp("roles") / "store")


def denied(user: str, calls: list[Call], folder: Path, scratch: Path) -> list[str]:
    return refused(run_as(user, calls, store=folder, scratch=scratch), calls)


@pytest.fixture(scope="module")
def of_service(chdb_store: Store) -> Recording:
    """Return the statements of the query service, for every route of its OpenAPI document."""
    insert_usage(chdb_store, [usage_row(1, NOW - timedelta(hours=2), org_id="acme", user_id="ann")])
    token, prefix = generate_key()
    key = ApiKey(
        prefix=prefix,
        digest=digest_of(token),
        name="test",
        scopes=("platform:read", "platform:write"),
        created_at=NOW,
        updated_at=NOW,
    )
    with chdb_store.session("owner") as session:
        asyncio.run(store_key(session, key))
    with recording() as found, service(chdb_store) as client:
        asyncio.run(wait_for_store(chdb_store, schema=True))
        client.headers["Authorization"] = f"Bearer {token}"
        ask_everything(client)
    return found


def ask_everything(client: Any) -> None:
    """Request every GET route with several parameters, and every route that writes."""
    body = {"scope": "org", "org_id": "acme", "amount": "5", "currency": "INR"}
    rate = client.put("/v1/fx-rates/INR/2026-11-01", json={"per_usd": "84.5", "source": "test"})
    assert rate.status_code < 300, rate.text
    made = client.post("/v1/budgets", json=body)
    assert made.status_code < 300, made.text
    budget = made.json()["budget_id"]
    assert client.put(f"/v1/budgets/{budget}", json={"amount": "6", "currency": "INR"}).status_code < 300
    key = client.post("/v1/api-keys", json={"name": "test", "scopes": ["platform:read"]})
    assert key.status_code < 300, key.text
    assert client.delete(f"/v1/api-keys/{key.json()['prefix']}").status_code < 300
    values = {
        "dimension": "feature",
        "user_id": "ann",
        "view": "features",
        "budget_id": budget,
        "event_id": str(budget),
    }
    questions: tuple[dict[str, Any], ...] = (
        {},
        {"preset": "last_30_days", "tz": "Asia/Kolkata", "org": "acme"},
        {"preset": "last_30_days", "user": "ann", "group_by": "user", "currency": "INR"},
        {"preset": "last_7_days", "group_by": "org", "q": "a"},
    )
    answered = 0
    for path, methods in client.app.openapi()["paths"].items():
        if "get" not in methods:
            continue
        for dimension in ("org", "user", "feature", "model", "class") if "{dimension}" in path else ("feature",):
            filled = path
            for name, value in {**values, "dimension": dimension}.items():
                filled = filled.replace(f"{{{name}}}", value)
            taken = {it["name"] for it in methods["get"].get("parameters", ()) if it["in"] == "query"}
            for question in questions:
                known = {name: value for name, value in question.items() if name in taken}
                answered += client.get(filled, params=known).status_code == 200
    assert answered > 40
    for view in ("summary", "users", "features", "events", "orgs", "models", "days"):
        client.get(f"/v1/usage/export/{view}")
    assert client.delete(f"/v1/budgets/{budget}").status_code < 300


@pytest.fixture
async def of_worker(chdb_store: Store, fresh_tansu: Any) -> Recording:
    """Return the statements of a real worker on a broker, and of the leader's jobs."""
    settings = stream_settings(fresh_tansu.connection, usage_partitions=2, guard_interval_seconds=1)
    now = datetime.now(UTC)
    with recording() as found:
        async with working(settings, chdb_store) as worker:
            await publish(fresh_tansu.connection, [record(500 + number) for number in range(20)])
            for _ in range(600):
                if worker.ingest.caught_up():
                    break
                await asyncio.sleep(0.05)
            # Events older than the Bloom filter are looked up.
            await publish(fresh_tansu.connection, [record(500 + number) for number in range(20)])
            await asyncio.sleep(2)
        with chdb_store.session("jobs", size=2) as session:
            await check_drift(session, days=[now.date() - timedelta(days=1)])
            await check_store(session)
            await GuardReader(session=session, floor=0.0001).read(now)
            await reconcile_suspects(session, settings)
            await remove_surplus_when_due(session)
    return found


def test_the_query_services_statements_are_within_its_grants(
    of_service: Recording, empty_store: Path, tmp_path: Path
) -> None:
    # Key look-ups and the check of the schema at the start use the service's login, not the reader's.
    reads, writes = of_service.of("reader"), of_service.of("service", "keys", "start")
    assert len(reads) > 100
    assert len(writes) > 4
    assert set(of_service.calls) == {"reader", "service", "keys", "start"}, "a session that no login is chosen for"
    assert denied("spendmeter_reader", reads, empty_store, tmp_path) == []
    assert denied("spendmeter_service", writes, empty_store, tmp_path) == []
    # The collector only looks up keys.
    assert denied("spendmeter_collector", of_service.of("keys"), empty_store, tmp_path) == []


async def test_the_workers_statements_are_within_its_grants(
    of_worker: Recording, empty_store: Path, tmp_path: Path
) -> None:
    calls = of_worker.of(*of_worker.calls)
    texts = " ".join(str(call[1][0]) for call in calls)
    for table in ("usage_events", "ingest_chunks", "orgs", "budgets", "system.disks", "fx_rates"):
        assert table in texts
    assert denied("spendmeter_worker", calls, empty_store, tmp_path) == []


@pytest.mark.parametrize("rollup", ["usage_15m", "usage_hourly", "usage_daily", "user_daily", "latency_daily"])
def test_the_worker_may_rebuild_a_rollup_and_repair_a_block(rollup: str, empty_store: Path, tmp_path: Path) -> None:
    """The statements of `shadows.py`, `confirm.py` and `stored_alerts.py`, by their shape."""
    shadow, repair = f"{rollup}_rebuild_{'0' * 32}", f"usage_events_repair_{'0' * 32}"
    calls = [
        statement(text)
        for text in (
            f"CREATE TABLE {shadow} AS {rollup}",
            f"ALTER TABLE {shadow} MODIFY SETTING non_replicated_deduplication_window = 0",
            f"INSERT INTO {shadow} SELECT * FROM {rollup}",
            f"SELECT count() FROM {shadow}",
            f"ALTER TABLE {rollup} REPLACE PARTITION 202611 FROM {shadow}",
            f"DROP TABLE IF EXISTS {shadow} SYNC",
            f"CREATE TABLE IF NOT EXISTS {repair} AS usage_events",
            f"INSERT INTO {repair} SELECT * FROM usage_events",
            f"ALTER TABLE {repair} MOVE PARTITION 202611 TO TABLE usage_events",
            f"DROP TABLE IF EXISTS {repair} SYNC",
            "INSERT INTO spend_alerts (alert_id) VALUES (generateUUIDv4())",
            "DELETE FROM usage_events WHERE kind = 'usage' AND has([generateUUIDv4()], event_id)",
            "SELECT name, as_select FROM system.tables WHERE database = currentDatabase() AND name LIKE '%_view'",
        )
    ]
    assert denied("spendmeter_worker", calls, empty_store, tmp_path) == []


def test_the_boards_statements_are_within_their_grants(empty_store: Path, tmp_path: Path) -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    texts = [expand(it.sql, Case("day", now - timedelta(days=1), now, "utc").request(it)) for it in statements()]
    calls = [statement(text) for text in texts]
    assert len(calls) > 100
    assert denied("spendmeter_boards", calls, empty_store, tmp_path) == []


FORBIDDEN = {
    "spendmeter_reader": [
        "SELECT * FROM api_keys",
        "SELECT count() FROM api_keys",
        "SELECT * FROM merge(currentDatabase(), '^api_keys$')",
        "INSERT INTO budgets (budget_id) VALUES (generateUUIDv4())",
        "INSERT INTO usage_events (org_id) VALUES ('x')",
        "SELECT * FROM ingest_chunks",
        "SELECT * FROM url('http://127.0.0.1/', CSV, 'a String')",
        "SELECT * FROM file('/etc/passwd', LineAsString, 'a String')",
        "SELECT * FROM remote('127.0.0.1', spendmeter.api_keys)",
        "CREATE TEMPORARY TABLE t (a Int8)",
        "DROP TABLE usage_events",
        "SYSTEM STOP MERGES usage_events",
        "CREATE USER somebody",
    ],
    "spendmeter_service": [
        "SELECT * FROM usage_events",
        "SELECT * FROM usage_daily",
        "INSERT INTO usage_events (org_id) VALUES ('x')",
        "ALTER TABLE api_keys DELETE WHERE 1",
        "TRUNCATE TABLE api_keys",
        "SELECT * FROM audit_log",
        "ALTER TABLE audit_log DELETE WHERE 1",
        "TRUNCATE TABLE audit_log",
        "DROP TABLE budgets",
    ],
    "spendmeter_collector": [
        "SELECT * FROM usage_events",
        "SELECT * FROM budgets",
        "INSERT INTO api_keys (prefix) VALUES ('x')",
        "INSERT INTO budgets (budget_id) VALUES (generateUUIDv4())",
        "TRUNCATE TABLE api_keys",
    ],
    "spendmeter_worker": [
        "SELECT * FROM api_keys",
        "INSERT INTO api_keys (prefix) VALUES ('x')",
        "SELECT * FROM audit_log",
        "INSERT INTO budgets (budget_id) VALUES (generateUUIDv4())",
        "ALTER TABLE usage_events DROP COLUMN model",
        "DROP TABLE usage_events",
        "DROP TABLE usage_daily",
        "TRUNCATE TABLE usage_events",
        "CREATE USER somebody",
    ],
    "spendmeter_boards": [
        "SELECT * FROM api_keys",
        "SELECT * FROM audit_log",
        "INSERT INTO usage_events (org_id) VALUES ('x')",
        "SELECT * FROM ingest_chunks",
    ],
}


@pytest.mark.parametrize("user", FORBIDDEN)
def test_statements_beyond_the_grants_are_rejected(user: str, empty_store: Path, tmp_path: Path) -> None:
    calls = [statement(text) for text in FORBIDDEN[user]]
    errors = run_as(user, calls, store=empty_store, scratch=tmp_path)
    allowed = [text for text, error in zip(FORBIDDEN[user], errors, strict=True) if not error]
    assert allowed == []
    assert len(refused(errors, calls)) == len(calls), errors


def test_every_table_is_granted_to_the_worker_or_kept_from_it_on_purpose() -> None:
    """A new table needs a decision: which login reads it?"""
    migrations = "".join(path.read_text() for path in (ROOT / "clickhouse" / "migrations").glob("*.sql"))
    tables = set(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", migrations))
    user = ElementTree.parse(USERS).getroot().find("users/spendmeter_worker")  # noqa: S314 - our own file
    assert user is not None
    texts = [str(it.text) for it in user.iterfind("grants/query")]
    patterns = [text.rpartition(".")[2] for text in texts if "SELECT" in text and " spendmeter." in text]
    covered = {
        table
        for table in tables
        for pattern in patterns
        if (table.startswith(pattern[:-1]) if pattern.endswith("*") else table == pattern)
    }
    # It only writes the alerts that it sent.
    assert tables - covered == {"api_keys", "audit_log", "spend_alerts"}
