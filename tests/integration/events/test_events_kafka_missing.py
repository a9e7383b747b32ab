"""If Kafka cannot run, a test run reports it in one line, or fails if all tests are required."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kafka.jars import KafkaUnavailable, kafka_jars
from tests.support.required import do_without


def _pretend_java(folder: Path, version: str) -> None:
    java = folder / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    java.chmod(0o755)


@pytest.mark.parametrize("version", [None, "11.0.20", "1.8.0_412"])
def test_missing_or_old_java_is_named(version: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if version is not None:
        _pretend_java(tmp_path, version)
    with pytest.raises(KafkaUnavailable, match=r"^Apache Kafka needs Java 17 or newer: install a JRE"):
        kafka_jars()


def test_missing_maven_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given Java, no Maven and an empty cache, then the message names Maven."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tests.support.kafka.jars._CACHE", tmp_path / "cache")
    _pretend_java(tmp_path, "17.0.15")
    with pytest.raises(KafkaUnavailable, match="install it \\(package maven\\)"):
        kafka_jars()


def test_test_is_skipped_with_that_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPENDMETER_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"^no Java$"):
        do_without(KafkaUnavailable("no Java"))


def test_test_fails_where_all_must_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPENDMETER_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match=r"^no Java$"):
        do_without(KafkaUnavailable("no Java"))
