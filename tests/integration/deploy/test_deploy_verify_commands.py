"""`verify`, `rollups rebuild` and `dlq` as an operator runs them: what they print, and how they exit."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spendmeter_stream.dlq.dead_letters import DeadLetters
from spendmeter_stream.kafka.topic_admin import ensure_topics
from spendmeter_stream.poison import Rejected
from tests.support.records import record
from tests.support.stack import spendmeter
from tests.support.verbs import run_verb
from tests.support.worker import stream_settings

FILL = """
import asyncio, sys
from datetime import UTC, datetime
from spendmeter_clickhouse import Store, StoreSettings, migrate
from tests.support.usage import insert_usage, usage_row
with Store(StoreSettings(store_dsn=f"chdb://{sys.argv[1]}/store")) as store:
    asyncio.run(migrate(store))
    days = (datetime(2026, 10, 31, 9, tzinfo=UTC), datetime(2026, 11, 1, 9, tzinfo=UTC))
    insert_usage(store, [usage_row(n, day, latency_ms=n + 1) for n, day in enumerate(days)])
"""
SPOIL = """
import asyncio, sys
from spendmeter_clickhouse import Store, StoreSettings
with Store(StoreSettings(store_dsn=f"chdb://{sys.argv[1]}/store")) as store, store.session("spoil") as session:
    asyncio.run(session.command("ALTER TABLE usage_hourly DROP PARTITION 202611"))
"""

DOUBLES = """
import asyncio, sys
from datetime import UTC, datetime, timedelta
from spendmeter_clickhouse import Store, StoreSettings
from tests.support.usage import insert_usage, usage_row
with Store(StoreSettings(store_dsn=f"chdb://{sys.argv[1]}/store")) as store:
    now, day = datetime.now(UTC), datetime(2026, 10, 31, 10, tzinfo=UTC)
    for number, minutes in ((10, 122), (11, 121), (12, 1)):
        stored = now - timedelta(minutes=minutes)
        insert_usage(store, [usage_row(number, day, request_id="r", output_tokens=9, ingested_at=stored)])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    filled = run_verb(FILL, tmp_path, PYTHONPATH=_with_tests())
    assert filled.returncode == 0, filled.stderr
    return tmp_path


def _with_tests() -> str:
    return os.pathsep.join([str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")])


def test_verify_fails_names_what_differs_and_a_rebuild_mends_it(folder: Path) -> None:
    clean = spendmeter("verify", "--data-dir", folder)
    assert clean.returncode == 0, clean.stderr
    assert "2 raw events, 2 days with rows (2026-10-31 … 2026-11-01)" in clean.stdout

    assert run_verb(SPOIL, folder).returncode == 0
    spoilt = spendmeter("verify", "--data-dir", folder, COLUMNS="200")
    assert spoilt.returncode == 1, spoilt.stderr
    assert "2026-11-01" in spoilt.stdout
    assert "usage_hourly" in spoilt.stdout
    output = json.loads(spendmeter("verify", "--data-dir", folder, "--json").stdout)
    assert not output["clean"]
    assert {(it["day"], it["org"], it["table"]) for it in output["differences"]} == {
        ("2026-11-01", "acme", "usage_hourly")
    }
    before = spendmeter("verify", "--data-dir", folder, "--to", "2026-10-31")
    assert before.returncode == 0, before.stdout

    rebuilt = spendmeter("rollups", "rebuild", "--month", "2026-11", "--data-dir", folder)
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    assert "2026-11: five rollups rebuilt from 1 raw events" in rebuilt.stdout
    assert spendmeter("verify", "--data-dir", folder).returncode == 0

    assert run_verb(DOUBLES, folder, PYTHONPATH=_with_tests()).returncode == 0
    dropped = spendmeter("verify", "--drop-suspected", "--json", "--data-dir", folder)
    assert dropped.returncode == 0, dropped.stdout + dropped.stderr
    assert dropped.stderr.splitlines()[:2] == [
        "1 suspected double reports removed, and recorded in ingest_surplus",
        "calls without a request id, or stored in the last hour, are not removed",
    ]
    output = json.loads(dropped.stdout)
    assert (output["clean"], output["events"], output["suspected_double_reports"]) == (True, 4, 1)


def test_the_watermark_is_shown_set_and_kept_to(folder: Path) -> None:
    here = ("--data-dir", folder)
    assert "raw events are complete" in spendmeter("rollups", "watermark", *here).stdout
    output = spendmeter("rollups", "watermark", "--raw-from", "2026-11-01", *here)
    assert (output.returncode, output.stdout.strip()) == (0, "raw events are complete from 2026-11-01 (UTC)")
    verified = spendmeter("verify", *here, COLUMNS="200")
    assert verified.returncode == 0, verified.stderr
    assert "1 days before 2026-11-01 (2026-10-31 … 2026-10-31) not compared" in verified.stdout
    refused = spendmeter("rollups", "rebuild", "--month", "2026-10", "--shrink", *here)
    assert refused.returncode == 2
    assert refused.stderr.strip().splitlines() == [
        "spendmeter: raw events before 2026-11-01 were deleted, so 2026-10 cannot be rebuilt"
    ]
    future = spendmeter("rollups", "watermark", "--raw-from", "2100-01-01", *here)
    assert (future.returncode, "is in the future" in future.stderr) == (2, True)


@pytest.mark.parametrize("verb", [["verify"], ["rollups", "rebuild", "--month", "2026-11"]])
def test_an_unreadable_input_is_one_line_and_exit_code_2(tmp_path: Path, verb: list[str]) -> None:
    nothing = spendmeter(*verb, "--data-dir", tmp_path)
    assert nothing.returncode == 2
    assert "no store in" in nothing.stderr
    (tmp_path / "store").mkdir()
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        running = spendmeter(*verb, "--data-dir", tmp_path)
        rates = spendmeter("fx", "list", "--data-dir", tmp_path)
    assert (rates.returncode, rates.stdout) == (2, "")
    assert running.returncode == 2
    assert "in use by another Spendmeter: stop it" in running.stderr
    assert len(running.stderr.strip().splitlines()) == 1


def test_a_rebuild_of_a_shared_store_needs_the_broker(tmp_path: Path) -> None:
    refused = spendmeter(
        "rollups", "rebuild", "--month", "2026-11", SPENDMETER_STORE_DSN="http://127.0.0.1:1/spendmeter"
    )
    assert refused.returncode == 2
    assert "SPENDMETER_BOOTSTRAP" in refused.stderr


def test_days_in_the_wrong_order_are_refused() -> None:
    refused = spendmeter("verify", "--from", "2026-11-02", "--to", "2026-11-01")
    assert (refused.returncode, "--from is after --to" in refused.stderr) == (2, True)


async def test_dead_letters_are_listed_shown_and_redriven(fresh_tansu: Any) -> None:
    settings = stream_settings(fresh_tansu.connection)
    await ensure_topics(settings.client_options(), usage_partitions=1)
    bad = replace(record(1, offset=41), value=b"{oops \xff")
    producer = DeadLetters.producer(settings.client_options())
    await producer.start()
    await DeadLetters(producer=producer).send([(bad, Rejected(41, "not_json", "Invalid JSON: expected value"))])
    await producer.stop()
    broker = ("--bootstrap", settings.bootstrap)

    listed = spendmeter("dlq", "list", *broker, COLUMNS="200")
    assert listed.returncode == 0, listed.stderr
    assert "not_json" in listed.stdout
    assert "0@41" in listed.stdout
    assert "oops" not in listed.stdout
    (output,) = spendmeter("dlq", "list", "--json", *broker).stdout.splitlines()
    assert json.loads(output)["from_offset"] == 41
    assert "0 dead letters match" in spendmeter("dlq", "list", "--code", "too_large", *broker).stdout
    assert "{oops \\xff" in spendmeter("dlq", "show", "0", *broker).stdout
    assert spendmeter("dlq", "show", "7", *broker).returncode == 2
    assert "1 would be sent (not_json 1)" in spendmeter("dlq", "redrive", "--dry-run", *broker).stdout
    assert "1 sent (not_json 1)" in spendmeter("dlq", "redrive", *broker).stdout
    assert "dead-lettered too often" in spendmeter("dlq", "replay", "--max-attempts", "1", *broker).stdout
    assert spendmeter("dlq", "list", "--since", "soon", *broker).returncode == 2
    silent = spendmeter("dlq", "list", "--bootstrap", "127.0.0.1:1")
    assert (silent.returncode, "cannot reach Kafka at" in silent.stderr) == (2, True)
