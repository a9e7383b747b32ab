"""The macro expansion of the SQL gate, on the cases of the plugin's tests and documentation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.gate.macros import ALL, MacroError, Request, backend, conditional_all, expand

REQUEST = Request(
    start=datetime(2014, 11, 12, 11, 45, 26, 123_000, tzinfo=UTC),
    end=datetime(2015, 11, 12, 11, 45, 26, 456_000, tzinfo=UTC),
    variables={"org": [ALL], "feature": ["chat", "rag"], "user": ["d'Arc"], "none": [], "step": "day"},
    interval=20,
)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "where $__timeFilter(cast(sth as timestamp) )",
            "where cast(sth as timestamp) >= toDateTime(1415792726)"
            " AND cast(sth as timestamp) <= toDateTime(1447328726)",
        ),
        (
            "where $__timeFilter_ms(t)",
            "where t >= fromUnixTimestamp64Milli(1415792726123) AND t <= fromUnixTimestamp64Milli(1447328726456)",
        ),
        (
            "where ( date >= $__fromTime and date <= $__toTime ) limit 100",
            "where ( date >= toDateTime(1415792726) and date <= toDateTime(1447328726) ) limit 100",
        ),
        ("where ( date >= $__fromTime_ms )", "where ( date >= fromUnixTimestamp64Milli(1415792726123) )"),
        ("where $__dateFilter(d)", "where d >= toDate('2014-11-12') AND d <= toDate('2015-11-12')"),
        (
            "where $__dateTimeFilter(d, t)",
            "where (d >= toDate('2014-11-12') AND d <= toDate('2015-11-12'))"
            " AND (t >= toDateTime(1415792726) AND t <= toDateTime(1447328726))",
        ),
        ("select $__timeInterval(col)", "select toStartOfInterval(toDateTime(col), INTERVAL 20 second)"),
        (
            "select $__timeInterval_ms(col)",
            "select toStartOfInterval(toDateTime64(col, 3), INTERVAL 20000 millisecond)",
        ),
        ("INTERVAL $__interval_s second", "INTERVAL 20 second"),
    ],
)
def test_backend_macros_read_as_in_the_plugins_own_tests(statement: str, expected: str) -> None:
    assert backend(statement, REQUEST) == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("$__conditionalAll(org IN (${org:singlequote}), $org)", "1=1"),
        ("$__conditionalAll(f(a, b) IN (${none:singlequote}), ${none})", "1=1"),
        ("$__conditionalAll(f IN (${feature:singlequote}), $feature)", "f IN ('chat','rag')"),
        ("u IN (${user:singlequote}) AND $step", "u IN ('d\\'Arc') AND day"),
        ("toDate(x, ${__timezone:singlequote})", "toDate(x, 'Asia/Kathmandu')"),
    ],
)
def test_variables_become_what_the_browser_sends(statement: str, expected: str) -> None:
    assert expand(statement, replace(REQUEST, timezone="Asia/Kathmandu")) == expected


def test_a_macro_that_older_plugins_read_otherwise_is_refused() -> None:
    with pytest.raises(MacroError, match="two ways"):
        backend("where date >= $__fromTime and x in (1)", REQUEST)


@pytest.mark.parametrize(
    "statement", ["${feature}", "${feature:csv}", "$__from", "$unknown", "$__conditionalAll(a)", "[[step]]", "1 -- one"]
)
def test_unexpanded_variables_are_rejected(statement: str) -> None:
    with pytest.raises(MacroError):
        expand(statement, REQUEST)


def test_a_condition_that_the_browsers_replace_would_change_is_refused() -> None:
    with pytest.raises(MacroError, match="pattern"):
        conditional_all(
            "$__conditionalAll(match(a, 'b$') AND a IN (${feature:singlequote}), $feature)", REQUEST.variables
        )


def test_a_condition_on_a_variable_the_board_lacks_is_refused() -> None:
    with pytest.raises(MacroError, match="does not have"):
        conditional_all("$__conditionalAll(a IN (${rolle:singlequote}), $rolle)", REQUEST.variables)
