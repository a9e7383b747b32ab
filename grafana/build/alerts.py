"""Alert rules for Grafana, as its file provisioning takes them.

Most look at what is stored in ClickHouse, so they still fire when no metrics are scraped; the faster ones are
Prometheus' (deploy/prometheus). A rule's statement answers one number for each row, and strings that become labels.
Grafana runs it without a browser: no variables, and none of the macros that the browser replaces.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from grafana.build import budgets

PATH: Final = Path(__file__).parents[1] / "provisioning" / "alerting" / "rules.yaml"
_HOUR: Final = 3600
RUNBOOKS: Final = os.environ.get("SPENDMETER_RUNBOOKS", "http://127.0.0.1:8080/runbooks")
"""Where people read the runbooks: written into the rules when they are built. By default the query service of
deploy/compose.yaml serves them."""
_HEAD: Final = "# Written by `make boards` from grafana/build/alerts.py.\n"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """It fires where the number of `sql` (ClickHouse) or `expr` (Prometheus) is above `above` for `hold`.

    `look_back` is in seconds.
    """

    uid: str
    title: str
    sql: str = ""
    expr: str = ""
    above: float
    look_back: int
    hold: str
    severity: str
    board: str
    runbook: str
    summary: str
    description: str


_UNPRICED: Final = """\
SELECT provider, model, toFloat64(sum(unpriced_requests) + sum(partial_requests)) AS calls
FROM usage_15m
WHERE bucket >= toStartOfFifteenMinutes($__fromTime) AND bucket <= $__toTime
GROUP BY provider, model"""

_ERRORS: Final = """\
SELECT provider, if(sum(requests) < 20, 0, sum(errors) / sum(requests)) AS failed
FROM usage_15m
WHERE bucket >= toStartOfFifteenMinutes($__fromTime) AND bucket <= $__toTime
GROUP BY provider"""

_SILENCE: Final = """\
SELECT toFloat64(dateDiff('second', max(last_seen), toDateTime64($__toTime, 3))) AS seconds
FROM usage_daily"""

# The guard's own verdict: the formula and the thresholds are in one place (stream/spendmeter_stream/guard).
_SPIKE: Final = 'max by (scope, org, key) (spendmeter_spend_finding{kind="spike", severity="critical"})'

RULES: Final = (
    Rule(
        uid="spendmeter-unpriced",
        title="Usage without a price",
        sql=_UNPRICED,
        above=0,
        look_back=_HOUR,
        hold="5m",
        severity="warning",
        board="overview",
        runbook="unpriced-usage",
        summary="{{ $labels.provider }} {{ $labels.model }} is used and has no price",
        description="Calls of the last hour with a unit that no row of the price book covers. Their cost is too low.",
    ),
    Rule(
        uid="spendmeter-spike",
        # The name of Prometheus' rule: Alertmanager takes both for one alert, and pages once.
        title="SpendSpike",
        expr=_SPIKE,
        above=0,
        look_back=_HOUR // 12,
        hold="0s",
        severity="critical",
        board="users",
        runbook="spend-spike",
        summary="{{ $labels.scope }} {{ $labels.key }} spends far more than it ever does at this hour",
        description="The spend guard's finding; docs/alerts.md has its formula and thresholds.",
    ),
    Rule(
        uid="spendmeter-budget-used",
        title="Budget nearly used",
        sql=budgets.used_shares(),
        above=0.9,
        look_back=_HOUR,
        hold="0s",
        severity="warning",
        board="budgets",
        runbook="budget-used",
        summary="{{ $labels.scope }} budget of {{ $labels.org }} {{ $labels.key }} is nearly used, or used up",
        description="Spent of this calendar month's budget, in the time zone of the school: above nine tenths.",
    ),
    Rule(
        uid="spendmeter-budget-pace",
        title="Budget burns too fast",
        sql=budgets.paces(),
        above=1.2,
        look_back=_HOUR,
        hold="30m",
        severity="warning",
        board="budgets",
        runbook="budget-burn",
        summary="{{ $labels.scope }} budget of {{ $labels.org }} {{ $labels.key }} will not last",
        description="At this pace the month costs more than 1.2 budgets. Not evaluated in the first tenth of a month.",
    ),
    Rule(
        uid="spendmeter-errors",
        title="A provider fails",
        sql=_ERRORS,
        above=0.25,
        look_back=_HOUR // 2,
        hold="5m",
        severity="critical",
        board="errors",
        runbook="provider-error-burst",
        summary="More than a quarter of the calls to {{ $labels.provider }} fail",
        description="Failed calls of the last half hour, where there were twenty calls or more.",
    ),
    Rule(
        uid="spendmeter-silence",
        title="No events are stored",
        sql=_SILENCE,
        above=3 * _HOUR,
        look_back=_HOUR,
        hold="5m",
        severity="warning",
        board="pipeline",
        runbook="no-events",
        summary="The newest stored event is more than three hours old",
        description="Either nobody uses anything, or events do not arrive. Boards and budgets stand still.",
    ),
)


def rendered() -> str:
    """The file, as Grafana reads it."""
    groups = [
        {
            "orgId": 1,
            "name": "Spend",
            "folder": "Spendmeter",
            "interval": "1m",
            "rules": [_rule(rule) for rule in RULES],
        }
    ]
    return _HEAD + yaml.dump(
        {"apiVersion": 1, "groups": groups}, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True
    )


def _rule(rule: Rule) -> Json:
    return {
        "uid": rule.uid,
        "title": rule.title,
        "condition": "B",
        "for": rule.hold,
        # A statement without rows is nobody's spend; a store that does not answer is an alarm of its own.
        "noDataState": "OK",
        "execErrState": "Error",
        "labels": {"severity": rule.severity, "source": "spendmeter"},
        "annotations": {
            "summary": rule.summary,
            "description": rule.description,
            # Grafana fills no variables into annotations.
            "runbook_url": f"{RUNBOOKS}/{rule.runbook}.md",
            "board": f"/d/spendmeter-{rule.board}",
        },
        "data": [_query(rule), _threshold(rule)],
    }


def _query(rule: Rule) -> Json:
    if rule.expr:
        model = {"refId": "A", "editorMode": "code", "expr": rule.expr, "instant": True, "range": False}
        return {
            "refId": "A",
            "relativeTimeRange": {"from": rule.look_back, "to": 0},
            "datasourceUid": "spendmeter-prometheus",
            "model": model,
        }
    return {
        "refId": "A",
        "relativeTimeRange": {"from": rule.look_back, "to": 0},
        "datasourceUid": "spendmeter-clickhouse",
        "model": {
            "refId": "A",
            "pluginVersion": "4.0.0",
            "editorType": "sql",
            "queryType": "table",
            "format": 1,
            "rawSql": rule.sql,
        },
    }


def _threshold(rule: Rule) -> Json:
    return {
        "refId": "B",
        "relativeTimeRange": {"from": 0, "to": 0},
        "datasourceUid": "__expr__",
        "model": {
            "refId": "B",
            "type": "threshold",
            "expression": "A",
            "conditions": [{"evaluator": {"type": "gt", "params": [rule.above]}}],
        },
    }


class _Dumper(yaml.SafeDumper):
    """Statements as they read, line by line."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
