"""Apache Kafka's jars: resolved by Maven from the pinned pom, once, into `.cache/kafka/<hash of the pom>`."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

_POM: Final = Path(__file__).with_name("pom.xml")
_CACHE: Final = Path(__file__).resolve().parents[3] / ".cache" / "kafka"
_JAVA: Final = 17
_MAVEN_TIMEOUT_S: Final = 600


class KafkaUnavailable(Exception):
    """Kafka cannot run; the message is a one-line hint what to install."""


def kafka_jars() -> Path:
    """Return the folder of jars. Raises `KafkaUnavailable`."""
    _require_java()
    digest = hashlib.sha256(_POM.read_bytes()).hexdigest()[:16]
    folder = _CACHE / digest
    if not folder.is_dir():
        _resolve(folder)
    return folder


def _require_java() -> None:
    java = shutil.which("java")
    banner = subprocess.run([java, "-version"], capture_output=True, text=True).stderr if java else ""
    version = re.search(r'version "(\d+)', banner)
    if version is None or int(version[1]) < _JAVA:
        raise KafkaUnavailable(f"Apache Kafka needs Java {_JAVA} or newer: install a JRE (openjdk-17-jre-headless)")


def _resolve(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaUnavailable("Apache Kafka's jars come by Maven: install it (package maven)")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Concurrent test runs each fill a temporary folder; the first to finish renames it.
    filling = Path(tempfile.mkdtemp(dir=folder.parent))
    command = [
        maven,
        *("-B", "-q", "-f", str(_POM)),
        *("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={filling}"),
    ]
    maven_run = subprocess.run(command, capture_output=True, text=True, timeout=_MAVEN_TIMEOUT_S)
    if maven_run.returncode != 0:
        shutil.rmtree(filling)
        fault = next((line for line in maven_run.stdout.splitlines() if "ERROR" in line), "no reason given")
        raise KafkaUnavailable(f"Maven could not fetch Apache Kafka: {fault[:300]}")
    try:
        filling.rename(folder)
    except OSError:
        shutil.rmtree(filling)
        if not folder.is_dir():
            raise
