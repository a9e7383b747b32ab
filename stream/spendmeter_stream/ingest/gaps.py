"""Metrics of a block: unknown orgs, unknown users, units without a rate, calls by outcome."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from spendmeter_events.extract import UNREAD_TAG
from spendmeter_stream import metrics
from spendmeter_stream.directory import Directory
from spendmeter_stream.ingest.decode import Events
from spendmeter_stream.pricing.book.units import USAGE_TAG


def count_gaps(events: Events, block: pa.Table, directory: Directory) -> None:
    """Count stored events with an unknown org, an unknown user or an unpriced unit."""
    if not len(events):
        # A recovery whose records have expired builds an empty block, to read the landed rows back.
        return
    orgs = Counter(event.org_id for event in events.fields)
    users = Counter((event.org_id, event.user_id) for event in events.fields)
    metrics.UNKNOWN_ORGS.inc(sum(count for org, count in orgs.items() if org not in directory.orgs))
    metrics.UNKNOWN_USERS.inc(
        sum(count for pair, count in users.items() if pair[1] is not None and pair not in directory.users)
    )
    calls = block.group_by(["provider", "status"]).aggregate([([], "count_all")]).to_pylist()
    metrics.count_calls({(row["provider"], row["status"]): row["count_all"] for row in calls})
    # Not the newest `occurred_at`: one event that states a later time would hide a stalled pipeline.
    metrics.LAST_STORED.set(pc.max(block["ingested_at"]).as_py().timestamp())
    if pc.any(pc.not_equal(pc.list_value_length(block["unpriced_units"]), pa.scalar(0))).as_py():
        for row in block.select(["provider", "model", "unpriced_units", "tags"]).to_pylist():
            for unit in row["unpriced_units"]:
                metrics.count_unpriced(row["provider"], row["model"], unit)
            if USAGE_TAG in row["unpriced_units"]:
                for key in dict(row["tags"]).get(UNREAD_TAG, "").split(","):
                    metrics.count_unread(row["provider"], key)
