"""ClickHouse settings of an insert that may be retried."""

from __future__ import annotations


def exactly_once(token: str) -> dict[str, int | str]:
    """Return the settings with which a repeated block is skipped, in raw events and in every rollup.

    :param token: deduplication token of the block; equal for every attempt to insert it.
    """
    return {
        "async_insert": 0,
        "deduplicate_blocks_in_dependent_materialized_views": 1,
        "insert_deduplication_token": token,
        # The views already group their rows: merging them again on insert has no effect.
        "optimize_on_insert": 0,
    }
