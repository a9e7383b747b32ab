"""Demo traffic: realistic calls of fictional schools, deterministic for a seed."""

from spendmeter_events.traffic._directory import directory
from spendmeter_events.traffic._generate import generate
from spendmeter_events.traffic._hour import TrafficRecord
from spendmeter_events.traffic.incidents import INCIDENTS, merged

__all__ = ["INCIDENTS", "TrafficRecord", "directory", "generate", "merged"]
