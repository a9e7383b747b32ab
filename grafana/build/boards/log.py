"""Detailed log: one row per call, newest first."""

from __future__ import annotations

from typing import Any

from grafana.build import sql
from grafana.build.board import board
from grafana.build.calendar import with_names
from grafana.build.links import LOG_FILTERS, field, link
from grafana.build.panels import Json, override, rows, table
from grafana.build.usage import condition, filters
from grafana.build.variables import choice, more_filters, standard

from spendmeter_events.usage_units import COMPLETION_TOKENS, PROMPT_TOKENS, TOKENS

_STATUS = ("ok", "error", "cancelled")
_COLORS = {"ok": "green", "error": "red", "cancelled": "orange"}


def build() -> Json:
    """Return the board that lists single calls."""
    status = choice("status", "Status", "How the call ended", _STATUS)
    status |= {"multi": True, "includeAll": True, "current": {"text": ["All"], "value": ["$__all"], "selected": True}}
    status["options"] = [{**option, "selected": False} for option in status["options"]]
    many = choice("rows", "Rows", "Maximum number of rows", ("500", "50", "100", "1000", "5000"))
    log = calls(
        "Calls",
        "One row per call, newest first; narrow the range to see older calls. A range that ends in the past does not "
        "change while calls arrive. Click a user to open it.",
        limit="${rows}",
        status=True,
        size=(24, 24),
    )
    return board(
        "log",
        "Detailed log",
        "Every single call: user, feature, model, tokens, cost and outcome.",
        [log],
        variables=[*standard(), status, *more_filters(), many],
        since="now-6h",
    )


def calls(title: str, description: str, *, limit: str, status: bool = False, failed: bool = False, **more: Any) -> Json:
    """Return a table of calls that match the filters of the board.

    :param status: the board has a variable `status`, and those of `LOG_FILTERS`. :param failed: only calls that failed.
    """
    return table(
        title,
        description,
        rows(_statement(limit=limit, status=status, failed=failed)),
        units={"Latency": "ms", "First token": "ms"},
        hidden=["org_id_value", "user_id_value"],
        link={"User": link("Open this user", "user", org=field("org_id_value"), user=field("user_id_value"))},
        overrides=[_colored(), override("Time", custom__width=190)],
        **{"size": (24, 12), **more},
    )


def _colored() -> Json:
    shades = {name: {"color": color, "index": index} for index, (name, color) in enumerate(_COLORS.items())}
    return override(
        "Status", mappings=[{"type": "value", "options": shades}], custom__cellOptions={"type": "color-text"}
    )


def _statement(*, limit: str, status: bool, failed: bool) -> str:
    where = ["event.occurred_at >= w0", "event.occurred_at < w1", "event.kind = 'usage'", *filters()]
    if status:
        where += [condition(name, column) for name, column in {"status": "status", **LOG_FILTERS}.items()]
    if failed:
        where.append("event.status = 'error'")
    prompt = " + ".join(f"event.{name}" for name in PROMPT_TOKENS)
    completion = " + ".join(f"event.{name}" for name in COMPLETION_TOKENS)
    columns = [
        'event.occurred_at AS "Time"',
        f'{sql.user_name("event.org_id", "event.user_id")} AS "User"',
        f'{sql.org_name("event.org_id")} AS "School"',
        'event.feature AS "Feature"',
        'event.provider AS "Provider"',
        'event.model AS "Model"',
        f'{" + ".join(f"event.{name}" for name in TOKENS)} AS "Tokens"',
        f'{prompt} AS "Prompt"',
        f'{completion} AS "Completion"',
        f'toFloat64(event.cost) * fx AS "Cost {sql.CODE}"',
        'event.pricing_status AS "Price"',
        'event.key_source AS "Key"',
        'event.latency_ms AS "Latency"',
        'event.ttft_ms AS "First token"',
        'event.status AS "Status"',
        'event.error_type AS "Error"',
        'event.error_message AS "Message"',
        'event.request_id AS "Request"',
        f"{sql.linkable('event.org_id')} AS org_id_value",
        f"{sql.linkable('event.user_id')} AS user_id_value",
    ]
    # Starts with the hour, like the sorting key of the table, so that only the newest hours are read.
    order = "toStartOfHour(event.occurred_at) DESC, event.occurred_at DESC, UUIDToNum(event.event_id) DESC"
    chosen, conditions = ",\n  ".join(columns), "\n  AND ".join(where)
    return with_names(
        f"SELECT\n  {chosen}\nFROM usage_events AS event\nWHERE {conditions}\nORDER BY {order}\nLIMIT {limit}"
    )
