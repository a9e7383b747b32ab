"""The event contract and the producers."""

from spendmeter_events.connection import KafkaConnection
from spendmeter_events.directory import OrgEntry, UserEntry
from spendmeter_events.directory_publisher import DirectoryPublisher
from spendmeter_events.errors import (
    DeliveryFailed,
    EventRefused,
    InvalidSettings,
    ProducerClosed,
    SpendmeterError,
)
from spendmeter_events.event import ACTIONS, SYSTEM_USER, UsageEvent
from spendmeter_events.producer import UsageProducer
from spendmeter_events.settings import ProducerSettings
from spendmeter_events.stats import DropReason, ProducerStats
from spendmeter_events.sync import SyncUsageProducer

__all__ = [
    "ACTIONS",
    "SYSTEM_USER",
    "DeliveryFailed",
    "DirectoryPublisher",
    "DropReason",
    "EventRefused",
    "InvalidSettings",
    "KafkaConnection",
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
