"""Entry point for Faust's command line: `faust -A spendmeter_stream.app worker`."""

from __future__ import annotations

from spendmeter_clickhouse import Store, StoreSettings
from spendmeter_stream.settings import StreamSettings
from spendmeter_stream.worker import create_worker

app = create_worker(settings=StreamSettings(), store=Store(StoreSettings())).app
