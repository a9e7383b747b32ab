"""The public surface: the names that a service imports, and the published files."""

from __future__ import annotations

import subprocess
import sys

import spendmeter_events


def test_events_surface_is_pinned() -> None:
    assert spendmeter_events.__all__ == [
        "ACTIONS",
        "SYSTEM_USER",
        "BudgetGate",
        "DeliveryFailed",
        "DirectoryPublisher",
        "DropReason",
        "EventRefused",
        "GateDecision",
        "HttpConnection",
        "InvalidSettings",
        "KafkaConnection",
        "NameEntry",
        "OrgEntry",
        "ProducerClosed",
        "ProducerSettings",
        "ProducerStats",
        "SpendmeterError",
        "SyncUsageProducer",
        "UsageEvent",
        "UsageProducer",
        "UserEntry",
    ]


def test_every_public_name_is_there() -> None:
    assert all(hasattr(spendmeter_events, name) for name in spendmeter_events.__all__)


def test_emitting_service_needs_only_aiokafka_and_pydantic() -> None:
    """Given a new interpreter, when the package is imported, then no other package of ours is loaded."""
    script = (
        "import sys\n"
        "from spendmeter_events import *\n"
        "heavy = {'faust', 'pyarrow', 'numpy', 'chdb', 'orjson', 'fastapi', 'clickhouse_connect', 'mode'}\n"
        "ours = {name for name in sys.modules if name.startswith('spendmeter_') and '.' not in name}\n"
        "print(sorted(heavy & set(sys.modules)), sorted(ours))"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[] ['spendmeter_events']"


def test_the_package_is_imported_without_its_dependencies() -> None:
    """The import takes 0.03 s of CPU; with aiokafka and pydantic it took 0.5."""
    script = (
        "import sys, spendmeter_events\n"
        "print(sorted({'aiokafka', 'pydantic', 'asyncio'} & set(sys.modules)))\n"
        "from spendmeter_events import UsageEvent\n"
        "print('aiokafka' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.split("\n") == ["[]", "False", ""]


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(spendmeter_events, "UsageEvents")
    assert set(spendmeter_events.__all__) <= set(dir(spendmeter_events))
