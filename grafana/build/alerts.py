"""Alert rules for Grafana's file provisioning.

Most query ClickHouse, so they fire even if no metrics are scraped. Faster rules are Prometheus rules
(deploy/prometheus). A rule's statement returns one number per row, and strings that become labels. Grafana evaluates
it on the server: without variables, and without the macros that the browser replaces.
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
"""Base URL of the runbooks, written into the rules. By default the query service of deploy/compose.yaml."""
_HEAD: Final = "# Written by `make boards` from grafana/build/alerts.py.\n"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that fires while the value of `sql` (ClickHouse) or `expr` (Prometheus) exceeds `above` for `hold`.

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

# The spend guard evaluates formula and thresholds (stream/spendmeter_stream/guard); the rule only reads its findings.
_SPIKE: Final = 'max by (scope, org, key) (spendmeter_spend_finding{kind="spike", severity="critical"})'

RULES: Final = (
    Rule(
        uid="spendmeter-unpriced",
        title="Unpriced usage",
        sql=_UNPRICED,
        above=0,
        look_back=_HOUR,
        hold="5m",
        severity="warning",
        board="overview",
        runbook="unpriced-usage",
        summary="{{ $labels.provider }} {{ $labels.model }} has no price",
        description="Calls of the last hour used a unit without a price. Their cost is too low until repriced.",
    ),
    Rule(
        uid="spendmeter-spike",
        # Same name as the Prometheus rule: Alertmanager groups both and pages once.
        title="SpendSpike",
        expr=_SPIKE,
        above=0,
        look_back=_HOUR // 12,
        hold="0s",
        severity="critical",
        board="users",
        runbook="spend-spike",
        summary="{{ $labels.scope }} {{ $labels.key }} spends far more than usual for this hour",
        description="Finding of the spend guard. Formula and thresholds: docs/alerts.md.",
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
        summary="{{ $labels.scope }} budget of {{ $labels.org }} {{ $labels.key }} is used by more than 90 %",
        description="More than 90 % of the budget of this calendar month is used, in the time zone of the school.",
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
        summary="{{ $labels.scope }} budget of {{ $labels.org }} {{ $labels.key }} will be exceeded",
        description="At this pace the month costs over 120 % of the budget. Not evaluated early in the month.",
    ),
    Rule(
        uid="spendmeter-errors",
        title="Provider errors",
        sql=_ERRORS,
        above=0.25,
        look_back=_HOUR // 2,
        hold="5m",
        severity="critical",
        board="errors",
        runbook="provider-error-burst",
        summary="More than a quarter of the calls to {{ $labels.provider }} fail",
        description="Share of failed calls in the last half hour, for providers with at least 20 calls.",
    ),
    Rule(
        uid="spendmeter-silence",
        title="No events stored",
        sql=_SILENCE,
        above=3 * _HOUR,
        look_back=_HOUR,
        hold="5m",
        severity="warning",
        board="pipeline",
        runbook="no-events",
        summary="The newest stored event is more than three hours old",
        description="Either there is no usage, or events do not arrive. Boards and budgets are not updated.",
    ),
)


def rendered() -> str:
    """Return the content of the provisioning file."""
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
        # No rows means no spend; an unreachable ClickHouse is an alert of its own.
        "noDataState": "OK",
        "execErrState": "Error",
        "labels": {"severity": rule.severity, "source": "spendmeter"},
        "annotations": {
            "summary": rule.summary,
            "description": rule.description,
            # Grafana does not expand variables in annotations.
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
    """Dump multi-line strings as literal blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
