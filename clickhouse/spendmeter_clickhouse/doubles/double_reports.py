"""SQL that finds double reports: one provider call stored under two event ids, such as by a wrapper and by a proxy.

Two calls of an org and a provider are suspected on either evidence:

* `request_id`: equal `request_id` and usage, within an hour;
* `usage_and_time`: equal model and usage with output tokens, within two seconds, and at least one without `request_id`.
  Identical calls that run in parallel look the same, so this evidence is weaker.

Equal usage is equal sums of prompt and of completion tokens (reporters split cached tokens differently), and equal
other units.
"""

from __future__ import annotations

from typing import Final

from spendmeter_events.usage_units import COMPLETION_TOKENS, OTHER_UNITS, PROMPT_TOKENS

BY_REQUEST: Final = "request_id"
BY_TIME: Final = "usage_and_time"
EVIDENCE: Final = (BY_REQUEST, BY_TIME)

_SECONDS_BY_REQUEST: Final = 3600
_SECONDS_BY_TIME: Final = 2

_CALL: Final = (
    "event_id", "occurred_at", "ingested_at", "request_id", "model", "service", "cost", "topic_id", "topic_partition",
    "topic_offset",
)  # fmt: skip
_PLACE: Final = {name: number for number, name in enumerate(_CALL, 1)}
COLUMNS: Final = (
    "evidence", "event_id", "first_event_id", "org_id", "provider", "model", "first_model", "request_id", "service",
    "first_service", "occurred_at", "first_occurred_at", "cost",
)  # fmt: skip
"""`first_…` is the call that was stored first; the other columns are of the suspected second report."""
COORDINATES: Final = (
    "ingested_at", "topic_id", "topic_partition", "topic_offset", "first_topic_id", "first_topic_partition",
    "first_topic_offset",
)  # fmt: skip

_PROMPT: Final = " + ".join(f"event.{name}" for name in PROMPT_TOKENS)
_COMPLETION: Final = " + ".join(f"event.{name}" for name in COMPLETION_TOKENS)
_OTHER: Final = tuple(f"event.{name}" for name in OTHER_UNITS if name != "tool_calls")
"""Proxies do not see every tool call."""
USAGE: Final = ", ".join((_PROMPT, _COMPLETION, *_OTHER))
"""What is equal in both reports of a call, for a query that reads only a slice of it."""
_CALLS: Final = f"groupArray(({', '.join(f'event.{name}' for name in _CALL)}))"


def double_reports(conditions: str) -> str:
    """Return SQL with one row per suspected call: `COLUMNS`, then `COORDINATES`.

    :param conditions: SQL on `event`, which select the calls to compare.
    """
    chosen = ",\n    ".join(_column(name) for name in (*COLUMNS, *COORDINATES))
    return f"""
SELECT {chosen}
FROM
({_by_request(conditions)}
UNION ALL{_by_time(conditions)}
) AS found
ARRAY JOIN pairs AS pair
ORDER BY evidence
LIMIT 1 BY event_id"""


def _by_request(conditions: str) -> str:
    """Pairs of the first stored call of a request id with each other one."""
    gap = _gap("each", "calls[1]")
    return f"""
SELECT '{BY_REQUEST}' AS evidence, event.org_id AS org_id, event.provider AS provider,
    arraySort(each -> (each.{_PLACE["ingested_at"]}, each.{_PLACE["event_id"]}), {_CALLS}) AS calls,
    arrayMap(each -> (calls[1], each), arrayFilter(
        each -> each.{_PLACE["event_id"]} != calls[1].{_PLACE["event_id"]} AND {gap} <= {_SECONDS_BY_REQUEST},
        calls)) AS pairs
FROM usage_events AS event
WHERE event.kind = 'usage' AND event.request_id != '' AND ({_used()}) AND {conditions}
GROUP BY event.org_id, event.provider, event.request_id, {USAGE}
HAVING uniqExact(event.event_id) > 1"""


def _by_time(conditions: str) -> str:
    """Pairs of calls that follow each other within seconds."""
    gap = _gap("pair.1", "pair.2")
    request, event_id = _PLACE["request_id"], _PLACE["event_id"]
    return f"""
SELECT '{BY_TIME}' AS evidence, event.org_id AS org_id, event.provider AS provider,
    arraySort(each -> (each.{_PLACE["occurred_at"]}, each.{event_id}), {_CALLS}) AS calls,
    arrayFilter(
        pair -> pair.1.{event_id} != pair.2.{event_id} AND {gap} <= {_SECONDS_BY_TIME}
            AND (pair.1.{request} = '' OR pair.2.{request} = ''),
        arrayZip(arrayPopBack(calls), arrayPopFront(calls))) AS pairs
FROM usage_events AS event
WHERE event.kind = 'usage' AND {_COMPLETION} > 0 AND {conditions}
GROUP BY event.org_id, event.provider, event.model, {USAGE}
HAVING uniqExact(event.event_id) > 1 AND countIf(event.request_id = '') > 0"""


def _used() -> str:
    return " OR ".join(f"{units} > 0" for units in (_PROMPT, _COMPLETION, *_OTHER))


def _gap(one: str, other: str) -> str:
    """Return the seconds between two calls, rounded down to milliseconds."""
    at = _PLACE["occurred_at"]
    return f"abs(toUnixTimestamp64Milli({one}.{at}) - toUnixTimestamp64Milli({other}.{at})) / 1000"


def _column(name: str) -> str:
    if name in ("evidence", "org_id", "provider"):
        return f"found.{name} AS {name}"
    side = 1 if name.startswith("first_") else 2
    return f"pair.{side}.{_PLACE[name.removeprefix('first_')]} AS {name}"
