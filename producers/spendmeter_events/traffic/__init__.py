"""Demo traffic: ninety days of believable calls from made-up schools, the same for the same seed."""

from spendmeter_events.traffic._directory import directory
from spendmeter_events.traffic._generate import generate
from spendmeter_events.traffic._hour import Call
from spendmeter_events.traffic.incidents import INCIDENTS, merged

__all__ = ["INCIDENTS", "Call", "directory", "generate", "merged"]
