"""The event contract and the producers.

A name is imported at its first use, so that `import spendmeter_events` loads neither aiokafka nor pydantic.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from spendmeter_events.connection import HttpConnection, KafkaConnection
    from spendmeter_events.directory import NameEntry, OrgEntry, UserEntry
    from spendmeter_events.directory_publisher import DirectoryPublisher
    from spendmeter_events.errors import (
        DeliveryFailed,
        EventRefused,
        InvalidSettings,
        ProducerClosed,
        SpendmeterError,
    )
    from spendmeter_events.event import ACTIONS, SYSTEM_USER, UsageEvent
    from spendmeter_events.gate.budget_gate import BudgetGate, GateDecision
    from spendmeter_events.producer import UsageProducer
    from spendmeter_events.settings import ProducerSettings
    from spendmeter_events.stats import DropReason, ProducerStats
    from spendmeter_events.sync import SyncUsageProducer

__all__ = [
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

_NAMES: Final = {
    "connection": ("HttpConnection", "KafkaConnection"),
    "directory": ("NameEntry", "OrgEntry", "UserEntry"),
    "directory_publisher": ("DirectoryPublisher",),
    "errors": ("DeliveryFailed", "EventRefused", "InvalidSettings", "ProducerClosed", "SpendmeterError"),
    "event": ("ACTIONS", "SYSTEM_USER", "UsageEvent"),
    "gate.budget_gate": ("BudgetGate", "GateDecision"),
    "producer": ("UsageProducer",),
    "settings": ("ProducerSettings",),
    "stats": ("DropReason", "ProducerStats"),
    "sync": ("SyncUsageProducer",),
}
"""Module → its public names."""
_MODULES: Final = {name: module for module, names in _NAMES.items() for name in names}

# Hidden from type checkers, which would otherwise accept every attribute of the package.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
