"""The spool's files: limits, locks, damage, and what is left after `close`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spendmeter_events import DropReason, HttpConnection, InvalidSettings, ProducerSettings, UsageEvent, UsageProducer
from spendmeter_events._delivery.buffer import Buffer, Record
from spendmeter_events._delivery.spool import Spool
from tests.support.kafka.process import free_port


def _record(number: int, size: int = 100) -> Record:
    return Record.of(number.to_bytes(16, "big"), b"x" * size, timestamp_ms=0)


def _numbers(records: list[Record]) -> list[int]:
    return [int.from_bytes(record.key, "big") for record in records]


class _Process:
    """The buffer and the spool of one process."""

    def __init__(self, folder: Path, *, max_events: int = 1000, max_bytes: int = 2**30) -> None:
        self.spool: Spool
        self.buffer = Buffer(max_events=max_events, max_bytes=10**8, on_release=lambda r: self.spool.acknowledged(r))
        self.spool = Spool(folder, max_bytes=max_bytes, buffer=self.buffer)

    def load_all(self) -> list[int]:
        """Load, send and acknowledge everything; return the numbers in order."""
        found = []
        self.spool.scan(at_once=True)
        while self.spool.has_waiting or self.buffer.events:
            self.spool.load()
            taken = self.buffer.take(10**9)
            found += _numbers(taken)
            self.buffer.release(taken)
        return found

    def die(self) -> None:
        """Unlock the files, as the kernel does for a killed process."""
        self.spool.forget()


def test_events_of_a_killed_process_are_sent_by_the_next_one(tmp_path: Path) -> None:
    """Given events in memory and, beyond the buffer, only in files, then the next process sends each once."""
    first = _Process(tmp_path, max_events=5)
    assert all(first.spool.accept(_record(number)) for number in range(12))
    assert (first.buffer.events, first.spool.waiting_events) == (5, 7)
    first.die()
    assert sorted(_Process(tmp_path).load_all()) == list(range(12))
    assert not list(tmp_path.iterdir())


def test_files_of_a_running_process_are_left_alone(tmp_path: Path) -> None:
    running, other = _Process(tmp_path), _Process(tmp_path)
    assert running.spool.accept(_record(1))
    assert other.load_all() == []
    assert running.load_all() == [1]


def test_acknowledged_events_leave_the_file(tmp_path: Path) -> None:
    process = _Process(tmp_path)
    assert process.spool.accept(_record(1))
    taken = process.buffer.take(10**9)
    process.buffer.release(taken)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size == 0
    process.spool.close()
    assert not list(tmp_path.iterdir())


def test_overflow_is_sent_in_order_after_the_buffer(tmp_path: Path) -> None:
    process = _Process(tmp_path, max_events=4)
    assert all(process.spool.accept(_record(number)) for number in range(10))
    assert process.load_all() == list(range(10))
    assert process.buffer.accepted == 10


def test_a_full_folder_refuses_events(tmp_path: Path) -> None:
    """Given files of another process, then they count for the limit too."""
    other = _Process(tmp_path)
    assert other.spool.accept(_record(1, size=3000))
    process = _Process(tmp_path, max_bytes=5000)
    assert process.spool.accept(_record(2, size=1000))
    assert not process.spool.accept(_record(3, size=1500))
    assert process.spool.accept(_record(4, size=500))


@pytest.mark.parametrize("damage", [b"", b"\x01", b"\xff" * 200, b"\x64\x00\x00\x00\x00\x00\x00\x00" + b"y" * 100])
def test_an_incomplete_last_record_is_ignored(tmp_path: Path, damage: bytes) -> None:
    first = _Process(tmp_path)
    assert first.spool.accept(_record(1))
    first.die()
    (file,) = tmp_path.iterdir()
    with file.open("ab") as stream:
        stream.write(damage)
    assert _Process(tmp_path).load_all() == [1]


def test_a_changed_record_is_skipped_and_its_file_is_kept(tmp_path: Path) -> None:
    first = _Process(tmp_path)
    assert all(first.spool.accept(_record(number)) for number in range(3))
    first.die()
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert _Process(tmp_path).load_all() == [0, 2]
    (kept,) = tmp_path.iterdir()
    assert (kept.suffix, kept.read_bytes()) == (".damaged", bytes(content))


def test_a_folder_that_cannot_be_created_is_a_setting_to_correct(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidSettings, match="spool_dir: cannot create the folder"):
        _Process(tmp_path / "file")


def test_a_forked_child_leaves_the_files_of_its_parent(tmp_path: Path) -> None:
    parent = _Process(tmp_path)
    assert parent.spool.accept(_record(1))
    child = os.fork()
    if child == 0:
        accepted = parent.spool.accept(_record(2))
        os._exit(0 if accepted and len(list(tmp_path.iterdir())) == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert sorted(parent.load_all()) == [1, 2]


async def test_unsent_events_stay_and_are_not_counted_as_lost(tmp_path: Path) -> None:
    connection = HttpConnection(url=f"http://127.0.0.1:{free_port()}")
    producer = UsageProducer(connection=connection, settings=ProducerSettings(spool_dir=tmp_path / "spool"))
    await producer.start()
    event = UsageEvent.now(org_id="o", feature="f", provider="p", model="m")
    assert producer.emit(event)
    assert await producer.close(timeout=0) == 1
    assert (producer.stats.spooled, producer.stats.lost) == (1, 0)
    (file,) = (tmp_path / "spool").iterdir()
    assert event.event_id.bytes in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600


async def test_unsent_events_that_the_disk_refused_are_counted_as_lost(tmp_path: Path) -> None:
    connection = HttpConnection(url=f"http://127.0.0.1:{free_port()}")
    producer = UsageProducer(connection=connection, settings=ProducerSettings(spool_dir=tmp_path / "spool"))
    await producer.start()
    (tmp_path / "spool").rmdir()
    assert producer.emit(UsageEvent.now(org_id="o", feature="f", provider="p", model="m"))
    assert await producer.close(timeout=0) == 1
    assert (producer.stats.spooled, producer.stats.dropped) == (0, {DropReason.UNSENT: 1})
