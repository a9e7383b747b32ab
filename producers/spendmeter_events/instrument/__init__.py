"""Instrument SDK clients: `instrument(client, producer, org_id=…, feature=…)` and `usage_context(…)`.

No SDK is imported: a client is identified by the package of its class.
"""

from spendmeter_events.instrument._call import EmitsUsage
from spendmeter_events.instrument.client import instrument
from spendmeter_events.instrument.context import usage_context

__all__ = ["EmitsUsage", "instrument", "usage_context"]
