"""Random windows, zones and filters: every answer equals the sums of raw events, to the pico-dollar.

Features rows 2, 3, 4, 5, 6, 7, 8 of the feature table.
"""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import polars as pl
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.catalogue import DIMENSIONS
from tests.support.service import answer, pico, service
from tests.support.usage import insert_usage, merge_rollups
from tests.support.usage_oracle import (
    BEGIN,
    END,
    PICO,
    SUMMED,
    TAGS,
    VALUES,
    ZONES,
    by_bucket,
    frame_of,
    grouped,
    local_label,
    random_rows,
    select,
    totals,
    users,
)

ROWS = random_rows(4000, seed=20261122)
FRAME = frame_of(ROWS)
STUDENTS = ("class", "section")
RATES = {date(2025, 9, 1) + timedelta(days=9 * week): 80 + Decimal(week) / 7919 for week in range(30)}
RATES = {day: rate.quantize(Decimal("1e-12")) for day, rate in RATES.items()}


def converted(cost: int, at: datetime) -> Decimal:
    with localcontext(prec=80):
        return cost * PICO * RATES[max(day for day in RATES if day <= at.date())]


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[TestClient]:
    # Projections built from rows, merged projections, and parts without projections.
    for first in range(0, 3000, 750):
        insert_usage(store, ROWS[first : first + 750])
        if first:
            merge_rollups(store)
    merge_rollups(store)
    insert_usage(store, ROWS[3000:])
    with store.session("rates") as session:
        rows = [("INR", day, rate, "", END) for day, rate in RATES.items()]
        asyncio.run(session.insert("fx_rates", rows, ["currency", "rate_date", "per_usd", "source", "updated_at"]))
    with service(store, now=END + timedelta(hours=3)) as client:
        yield client


instants = st.integers(0, int((END - BEGIN).total_seconds() * 1000)).map(lambda ms: BEGIN + timedelta(milliseconds=ms))
quarters = st.integers(0, (END - BEGIN) // timedelta(minutes=15)).map(
    lambda number: BEGIN + timedelta(minutes=15 * number)
)
ends = st.one_of(instants, quarters, st.sampled_from([row["occurred_at"] for row in ROWS[:500]]))
windows = st.tuples(ends, ends).filter(lambda pair: pair[0] != pair[1]).map(sorted)
filters = st.fixed_dictionaries(
    {},
    optional={
        name: st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True) for name, values in VALUES.items()
    },
)
cases = st.fixed_dictionaries({"window": windows, "tz": st.sampled_from(ZONES), "filters": filters})
oracle = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def query(case: dict[str, Any], **more: Any) -> dict[str, Any]:
    start, end = case["window"]
    return {"from": start.isoformat(), "to": end.isoformat(), "tz": case["tz"], **case["filters"], **more}


def expected(case: dict[str, Any]) -> pl.DataFrame:
    start, end = case["window"]
    return select(FRAME, start, end, case["filters"])


def sums(row: dict[str, Any]) -> dict[str, int]:
    return {name: pico(row[name]) if "cost" in name else row[name] for name in SUMMED if name in row}


@pytest.mark.slow
@oracle
@given(case=cases)
def test_summary_equals_raw_events(client: TestClient, case: dict[str, Any]) -> None:
    body = answer(client, "/v1/usage/summary", **query(case))
    found = expected(case)
    assert sums(body["totals"]) == totals(found)
    assert body["totals"]["users"] == users(found)
    used = found.filter(pl.col("requests") > 0)
    assert body["totals"]["providers"] == used["provider"].n_unique()
    assert body["totals"]["models"] == used.select("provider", "model").n_unique()
    start, end = case["window"]
    before = select(FRAME, start - (end - start), start, case["filters"])
    assert sums(body["previous"]) == totals(before)
    assert body["previous"]["users"] == users(before)


@pytest.mark.slow
@oracle
@given(case=cases, dimension=st.sampled_from(sorted(DIMENSIONS)))
def test_breakdown_equals_raw_events_and_adds_up(client: TestClient, case: dict[str, Any], dimension: str) -> None:
    body = answer(client, f"/v1/usage/breakdown/{dimension}", limit=1000, **query(case))
    found = expected(case)
    if dimension in STUDENTS:
        found = found.filter(pl.col("role") == "student")
    columns = list(DIMENSIONS[dimension].columns)
    rows = {tuple(row["key"][column] for column in columns): sums(row) for row in body["rows"]}
    assert rows == grouped(found, columns)
    assert sums(body["totals"]) == totals(found)
    costs = [pico(row["cost"]) for row in body["rows"]]
    assert costs == sorted(costs, reverse=True)


@pytest.mark.slow
@oracle
@given(case=cases, granularity=st.sampled_from(("hour", "day", "week", "month")))
def test_series_equals_raw_events_in_every_bucket(client: TestClient, case: dict[str, Any], granularity: str) -> None:
    body = answer(client, "/v1/usage/timeseries", granularity=granularity, **query(case))
    (series,) = body["series"]
    points = {
        local_label(datetime.fromisoformat(point["start"]), granularity, case["tz"]): point
        for point in series["points"]
    }
    assert len(points) == len(series["points"])
    reference = by_bucket(expected(case), granularity, case["tz"])
    assert reference.keys() <= points.keys()
    for label, point in points.items():
        bucket = reference.get(label, dict.fromkeys(SUMMED, 0))
        assert (point["requests"], pico(point["cost"])) == (bucket["requests"], bucket["cost"]), label
        assert point["errors"] == bucket["errors"]


@pytest.mark.slow
@oracle
@given(case=cases, dimension=st.sampled_from(sorted(DIMENSIONS)), limit=st.integers(1, 4))
def test_grouped_series_add_up_to_the_summary(
    client: TestClient, case: dict[str, Any], dimension: str, limit: int
) -> None:
    body = answer(client, "/v1/usage/timeseries", group_by=dimension, limit=limit, **query(case))
    found = expected(case)
    if dimension in STUDENTS:
        found = found.filter(pl.col("role") == "student")
    points = [point for series in body["series"] for point in series["points"]]
    assert sum(pico(point["cost"]) for point in points) == totals(found)["cost"]
    assert sum(point["requests"] for point in points) == totals(found)["requests"]
    columns = list(DIMENSIONS[dimension].columns)
    groups = grouped(found, columns)
    for series in body["series"]:
        if not series["other"]:
            key = tuple(series["key"][column] for column in columns)
            assert sum(pico(point["cost"]) for point in series["points"]) == groups[key]["cost"]


@pytest.mark.slow
@pytest.mark.parametrize("dimension", sorted(DIMENSIONS))
def test_every_view_filters_by_every_dimension(client: TestClient, dimension: str) -> None:
    chosen = {dimension: [VALUES[dimension][-1]]}
    case: dict[str, Any] = {"window": (BEGIN, END), "tz": "Asia/Kolkata", "filters": chosen}
    found, failed = expected(case), expected(case).filter(pl.col("status") == "error")
    reference = totals(found)
    parameters = query(case, granularity="month")
    ranked = answer(client, "/v1/usage/models", limit=200, **query(case))
    assert sums(ranked["totals"]) == reference
    assert sum(pico(row["cost"]) for row in ranked["rows"]) == reference["cost"]
    report = answer(client, "/v1/usage/errors", recent=200, **parameters)
    assert (report["requests"], report["errors"]) == (reference["requests"], reference["errors"])
    assert len(report["recent"]) == min(200, failed.filter(pl.col("kind") == "usage").height)
    caches = answer(client, "/v1/usage/cache", **parameters)
    assert caches["totals"]["cache_read_tokens"] == reference["cache_read_tokens"]
    assert sum(point["cache_read_tokens"] or 0 for point in caches["points"]) == reference["cache_read_tokens"]
    cells = answer(client, "/v1/usage/heatmap", **query(case))["cells"]
    assert sum(pico(cell["cost"]) for cell in cells) == reference["cost"]
    values = answer(client, f"/v1/filters/{dimension}", limit=500, **query(case))["values"]
    assert {value["value"] for value in values} <= {chosen[dimension][0]}
    lines = client.get("/v1/usage/export/events", params=query(case)).text.splitlines()
    assert len(lines) - 1 == found.filter(pl.col("kind") == "usage").height


@pytest.mark.slow
@settings(oracle, max_examples=15)
@given(case=cases, pair=st.lists(st.sampled_from(sorted(DIMENSIONS)), min_size=2, max_size=2, unique=True))
def test_converted_parts_equal_the_converted_whole(client: TestClient, case: dict[str, Any], pair: list[str]) -> None:
    """Amounts of a call are converted at the rate of its UTC day, whatever the window, zone and grouping."""
    found = expected(case)
    whole = sum(map(converted, found["cost"], found["at"]), Decimal(0))
    parameters = query(case, currency="INR")
    assert Decimal(answer(client, "/v1/usage/summary", **parameters)["totals"]["cost"]) == whole
    (series,) = answer(client, "/v1/usage/timeseries", granularity="day", **parameters)["series"]
    assert sum(Decimal(point["cost"]) for point in series["points"]) == whole
    students = found.filter(pl.col("role") == "student") if {*pair} & {*STUDENTS} else found
    body = answer(client, "/v1/usage/breakdown", group_by=pair, limit=3, **parameters)
    parts = [*body["rows"], *([body["other"]] if body["other"] else [])]
    assert sum(Decimal(row["cost"]) for row in parts) == sum(map(converted, students["cost"], students["at"]))


@pytest.mark.slow
@settings(oracle, max_examples=10)
@given(case=cases, cuts=st.lists(instants, max_size=4))
def test_converted_windows_add_up(client: TestClient, case: dict[str, Any], cuts: list[datetime]) -> None:
    start, end = case["window"]
    edges = [start, *sorted(cut for cut in {*cuts} if start < cut < end), end]
    windows = [case["window"], *pairwise(edges)]
    totals_of = [
        answer(client, "/v1/usage/summary", **query({**case, "window": window}, currency="INR"))["totals"]
        for window in windows
    ]
    for amount in ("cost", "chargeable_cost", "input_cost", "cache_savings"):
        whole, *parts = (Decimal(each[amount]) for each in totals_of)
        with localcontext(prec=80):
            assert sum(parts) == whole


def test_shares_are_of_the_total_of_each_measure(client: TestClient) -> None:
    case: dict[str, Any] = {"window": (BEGIN, END), "tz": "UTC", "filters": {"service": ["speech"]}}
    body = answer(client, "/v1/usage/breakdown/provider", **query(case))
    for share, measure in (("share", "cost"), ("request_share", "requests"), ("token_share", "total_tokens")):
        whole = Decimal(body["totals"][measure])
        assert [row[share] for row in body["rows"]] == [
            round(float(Decimal(row[measure]) / whole), 6) for row in body["rows"]
        ]


@pytest.mark.slow
@settings(oracle, max_examples=25)
@given(case=cases, pair=st.permutations(sorted(DIMENSIONS)).map(lambda names: names[:2]), limit=st.integers(1, 9))
def test_two_dimensions_equal_raw_events(client: TestClient, case: dict[str, Any], pair: list[str], limit: int) -> None:
    found = expected(case)
    if set(pair) & set(STUDENTS):
        found = found.filter(pl.col("role") == "student")
    columns = list(dict.fromkeys(column for name in pair for column in DIMENSIONS[name].columns))
    groups = grouped(found, columns)
    body = answer(client, "/v1/usage/breakdown", group_by=pair, limit=limit, **query(case))
    rows = {tuple(row["key"][column] for column in columns): sums(row) for row in body["rows"]}
    assert rows.items() <= groups.items()
    assert [pico(row["cost"]) for row in body["rows"]] == sorted((g["cost"] for g in groups.values()), reverse=True)[
        :limit
    ]
    parts = [*rows.values(), *([sums(body["other"])] if body["other"] else [])]
    assert (body["other"] is not None) == (len(groups) > limit)
    assert {name: sum(part[name] for part in parts) for name in SUMMED} == totals(found) == sums(body["totals"])
    stacked = answer(client, "/v1/usage/timeseries", group_by=pair, limit=limit, granularity="month", **query(case))
    for series in stacked["series"]:
        if not series["other"]:
            key = tuple(series["key"][column] for column in columns)
            assert sum(pico(point["cost"]) for point in series["points"]) == groups[key]["cost"]
    points = [point for series in stacked["series"] for point in series["points"]]
    assert sum(pico(point["cost"]) for point in points) == totals(found)["cost"]


def test_two_dimensions_are_exported_in_full(client: TestClient) -> None:
    case: dict[str, Any] = {"window": (BEGIN, END), "tz": "UTC", "filters": {}}
    response = client.get("/v1/usage/export/breakdown", params=query(case, group_by=["role", "model"]))
    rows = {
        (row["role"], row["provider"], row["model"]): pico(row["cost"])
        for row in csv.DictReader(response.text.splitlines())
    }
    groups = grouped(expected(case), ["role", "provider", "model"])
    assert rows == {key: group["cost"] for key, group in groups.items()}
    assert "spendmeter-role-model-" in response.headers["content-disposition"]


@pytest.mark.parametrize("names", [["role", "role"], ["role", "shoe_size"], ["role", "model", "org"]])
@pytest.mark.parametrize("path", ["/v1/usage/breakdown", "/v1/usage/export/breakdown"])
def test_invalid_pairs_of_dimensions_are_refused(client: TestClient, path: str, names: list[str]) -> None:
    response = client.get(path, params={"group_by": names})
    assert (response.status_code, response.json()["errors"][0]["parameter"]) == (422, "group_by")


@pytest.mark.slow
@pytest.mark.parametrize("key", TAGS)
def test_tags_are_dimensions_and_filters(client: TestClient, key: str) -> None:
    name, value = f"tag:{key}", TAGS[key][1]
    case: dict[str, Any] = {"window": (BEGIN, END), "tz": "UTC", "filters": {}}
    groups = grouped(FRAME, [name])
    body = answer(client, f"/v1/usage/breakdown/{quote(name)}", **query(case))
    assert {(row["key"][name],): sums(row) for row in body["rows"]} == groups
    crossed = answer(client, "/v1/usage/breakdown", group_by=["provider", name], **query(case))
    pairs = {(row["key"]["provider"], row["key"][name]): sums(row) for row in crossed["rows"]}
    assert pairs == grouped(FRAME, ["provider", name])
    stacked = answer(client, "/v1/usage/timeseries", group_by=name, **query(case))
    costs = {
        (series["key"][name],): sum(pico(point["cost"]) for point in series["points"]) for series in stacked["series"]
    }
    assert costs == {each: group["cost"] for each, group in groups.items()}
    reference = totals(FRAME.filter(pl.col(name) == value))
    for path in ("summary", "breakdown/user", "models"):
        assert sums(answer(client, f"/v1/usage/{path}", tag=f"{key}:{value}", **query(case))["totals"]) == reference
    both = answer(client, "/v1/usage/summary", tag=[f"{key}:{each}" for each in ("", *TAGS[key])], **query(case))
    assert sums(both["totals"]) == totals(FRAME)
    found = answer(client, f"/v1/filters/{quote(name)}", **query(case))["values"]
    assert {each["value"] for each in found} == set(TAGS[key])
    assert key in {each["value"] for each in answer(client, "/v1/filters/tag", q=key, **query(case))["values"]}
    rows = answer(client, "/v1/usage/events", page_size=20, tag=f"{key}:{value}", **query(case))["rows"]
    assert {row["tags"][key] for row in rows} == {value}
    text = client.get("/v1/usage/export/events", params=query(case, tag=f"{key}:{value}")).text
    assert {json.loads(row["tags"])[key] for row in csv.DictReader(text.splitlines())} == {value}
    lines = client.get(f"/v1/usage/export/{quote(name)}", params=query(case)).text.splitlines()
    assert {(row[name],): pico(row["cost"]) for row in csv.DictReader(lines)} == costs


@pytest.mark.parametrize("text", ["env", ":prod", "a\x00b:c", "k" * 400])
def test_a_tag_that_is_no_pair_is_refused(client: TestClient, text: str) -> None:
    response = client.get("/v1/usage/summary", params={"tag": text})
    assert (response.status_code, response.json()["errors"][0]["parameter"]) == (422, "tag")
    assert client.get(f"/v1/usage/breakdown/tag:{'k' * 65}").status_code == 404
