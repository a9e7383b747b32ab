# ruff: noqa: E501 - SQL is shown as it is sent
"""Golden tests: query → SQL. Values never appear in the text."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from inline_snapshot import snapshot

from spendmeter_rollups.catalogue.tags import tag_column
from spendmeter_rollups.query import directory, lookups
from spendmeter_rollups.query.people import busiest_user, user_sums
from spendmeter_rollups.query.planner import plan
from spendmeter_rollups.query.sums import Sums, keyed_sums, ranked_keys, ranked_series, ranked_sums, sums, top_series
from spendmeter_rollups.query.windows import Window

WINDOW = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 3, 0, 7, tzinfo=UTC))
EDGES = (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC))
DAYS = Window(EDGES[0], EDGES[2])


def test_a_total_adds_up_its_pieces() -> None:
    spec = Sums((), ("requests", "cost", "errors"), {"org_id": ("acme",)})
    query = sums(spec, plan(WINDOW, columns=spec.touched, measures=spec.measures))
    assert query.sql == snapshot("""\
SELECT sum(piece.requests) AS requests, sum(piece.cost) AS cost, sum(piece.errors) AS errors
FROM (
    SELECT sum(rollup.requests) AS requests, sum(rollup.cost) AS cost, sum(rollup.errors) AS errors
    FROM usage_daily AS rollup
    WHERE (rollup.bucket >= toDateTime({p0_0_start:UInt32}, 'UTC') AND rollup.bucket < toDateTime({p0_0_end:UInt32}, 'UTC')) AND rollup.org_id IN {only_org_id:Array(String)}
    SETTINGS preferred_optimize_projection_name = 'by_org'
UNION ALL
    SELECT sum(event.requests) AS requests, sum(event.cost) AS cost, sumIf(event.requests, event.status = 'error') AS errors
    FROM usage_events AS event
    WHERE (event.occurred_at >= fromUnixTimestamp64Milli({p1_0_start:Int64}, 'UTC') AND event.occurred_at < fromUnixTimestamp64Milli({p1_0_end:Int64}, 'UTC')) AND event.org_id IN {only_org_id:Array(String)}
    SETTINGS optimize_use_projections = 0
) AS piece\
""")
    assert query.parameters == snapshot(
        {
            "p0_0_start": 1793491200,
            "p0_0_end": 1793664000,
            "only_org_id": ["acme"],
            "p1_0_start": 1793664000000,
            "p1_0_end": 1793664420000,
        }
    )


def test_a_series_rounds_down_to_the_edges_it_is_given() -> None:
    spec = Sums(("feature",), ("cost",), {}, EDGES)
    query = sums(spec, plan(DAYS, columns=spec.touched, measures=spec.measures, edges=EDGES))
    assert query.sql == snapshot("""\
SELECT roundDown(toInt64(toUnixTimestamp(rollup.bucket)) * 1000, {edges:Array(Int64)}) AS bucket, rollup.feature AS feature, sum(rollup.cost) AS cost
FROM usage_daily AS rollup
WHERE (rollup.bucket >= toDateTime({p0_0_start:UInt32}, 'UTC') AND rollup.bucket < toDateTime({p0_0_end:UInt32}, 'UTC'))
GROUP BY bucket, feature
SETTINGS preferred_optimize_projection_name = 'by_feature'\
""")
    assert query.parameters == snapshot(
        {"edges": [1793491200000, 1793577600000, 1793664000000], "p0_0_start": 1793491200, "p0_0_end": 1793664000}
    )


def test_a_ranking_brings_its_totals() -> None:
    spec = Sums(("provider", "model"), ("cost", "input_tokens"), {})
    pieces = plan(DAYS, columns=spec.touched, measures=spec.measures)
    assert ranked_sums(spec, pieces, order_by="cost", limit=10).sql == snapshot("""\
SELECT grouping(provider) AS is_total, rollup.provider AS provider, rollup.model AS model, sum(rollup.cost) AS cost, sum(rollup.input_tokens) AS input_tokens
FROM usage_daily AS rollup
WHERE (rollup.bucket >= toDateTime({p0_0_start:UInt32}, 'UTC') AND rollup.bucket < toDateTime({p0_0_end:UInt32}, 'UTC'))
GROUP BY provider, model WITH ROLLUP
HAVING grouping(model) = grouping(provider)
ORDER BY is_total DESC, cost DESC, provider, model
LIMIT {row_limit:UInt64}
SETTINGS preferred_optimize_projection_name = 'by_outcome'\
""")


def test_a_ranking_of_several_pieces_adds_them_up_first() -> None:
    spec = Sums(("provider",), ("cost",), {})
    pieces = plan(WINDOW, columns=spec.touched, measures=spec.measures)
    assert len(pieces) > 1
    sql = ranked_sums(spec, pieces, order_by="cost", limit=10).sql
    assert sql.endswith("""\
) AS piece
GROUP BY GROUPING SETS ((provider), ())
ORDER BY is_total DESC, cost DESC, provider
LIMIT {row_limit:UInt64}""")


def test_a_portion_by_key_begins_after_the_one_before() -> None:
    spec = Sums(("org_id", "user_id"), ("cost",), {}, after=("acme", "a'; DROP TABLE x --"))
    query = keyed_sums(spec, plan(DAYS, columns=spec.touched, measures=spec.measures), limit=1000)
    assert query.sql == snapshot("""\
SELECT rollup.org_id AS org_id, rollup.user_id AS user_id, sum(rollup.cost) AS cost
FROM user_daily AS rollup
WHERE (rollup.bucket >= toDateTime({p0_0_start:UInt32}, 'UTC') AND rollup.bucket < toDateTime({p0_0_end:UInt32}, 'UTC')) AND rollup.org_id >= {after_0:String} AND tuple(rollup.org_id, rollup.user_id) > tuple({after_0:String}, {after_1:String})
GROUP BY org_id, user_id
ORDER BY org_id, user_id
LIMIT {row_limit:UInt64}
SETTINGS preferred_optimize_projection_name = 'by_day'\
""")
    assert query.parameters == snapshot(
        {
            "p0_0_start": 1793491200,
            "p0_0_end": 1793664000,
            "after_0": "acme",
            "after_1": "a'; DROP TABLE x --",
            "row_limit": 1000,
        }
    )


def test_a_grouped_series_numbers_its_keys() -> None:
    spec = Sums(("provider", "model"), ("cost",), {}, EDGES)
    pieces = plan(DAYS, columns=spec.touched, measures=spec.measures, edges=EDGES)
    query = ranked_series(spec, pieces, keys=[("openai", "gpt"), ("a'; DROP TABLE x --", "")])
    assert query.sql == snapshot("""\
SELECT bucket, indexOf(arrayZip({key_0:Array(String)}, {key_1:Array(String)}), tuple(toString(provider), toString(model))) AS position, sum(piece.cost) AS cost
FROM (
    SELECT roundDown(toInt64(toUnixTimestamp(rollup.bucket)) * 1000, {edges:Array(Int64)}) AS bucket, rollup.provider AS provider, rollup.model AS model, sum(rollup.cost) AS cost
    FROM usage_daily AS rollup
    WHERE (rollup.bucket >= toDateTime({p0_0_start:UInt32}, 'UTC') AND rollup.bucket < toDateTime({p0_0_end:UInt32}, 'UTC'))
    GROUP BY bucket, provider, model
    SETTINGS preferred_optimize_projection_name = 'by_outcome'
) AS piece
GROUP BY bucket, position\
""")
    assert query.parameters["key_0"] == ["openai", "a'; DROP TABLE x --"]


def test_a_grouped_series_ranks_and_adds_up_in_one_statement() -> None:
    spec = Sums(("provider", "model"), ("requests", "cost"), {}, EDGES)
    pieces = plan(DAYS, columns=spec.touched, measures=spec.measures, edges=EDGES)
    query = top_series(spec, pieces, limit=3)
    assert query.sql == snapshot("""\
SELECT bucket, (piece.provider, piece.model) IN (
SELECT piece.provider, piece.model
FROM (
    SELECT rollup.provider AS provider, rollup.model AS model, sum(rollup.cost) AS cost
    FROM usage_daily AS rollup
    WHERE (rollup.bucket >= toDateTime({p0_0_start:UInt32}, 'UTC') AND rollup.bucket < toDateTime({p0_0_end:UInt32}, 'UTC'))
    GROUP BY provider, model
    SETTINGS preferred_optimize_projection_name = 'by_outcome'
) AS piece
GROUP BY piece.provider, piece.model
ORDER BY sum(piece.cost) DESC, piece.provider, piece.model
LIMIT {row_limit:UInt64}
) AS is_top, if(is_top, piece.provider, defaultValueOfArgumentType(piece.provider)) AS key_0, if(is_top, piece.model, defaultValueOfArgumentType(piece.model)) AS key_1, sum(piece.requests) AS requests, sum(piece.cost) AS cost
FROM (
    SELECT roundDown(toInt64(toUnixTimestamp(rollup.bucket)) * 1000, {edges:Array(Int64)}) AS bucket, rollup.provider AS provider, rollup.model AS model, sum(rollup.requests) AS requests, sum(rollup.cost) AS cost
    FROM usage_daily AS rollup
    WHERE (rollup.bucket >= toDateTime({p0_0_start:UInt32}, 'UTC') AND rollup.bucket < toDateTime({p0_0_end:UInt32}, 'UTC'))
    GROUP BY bucket, provider, model
    SETTINGS preferred_optimize_projection_name = 'by_outcome'
) AS piece
GROUP BY bucket, is_top, key_0, key_1
ORDER BY key_0, key_1\
""")
    assert query.parameters["row_limit"] == 3


def test_users_are_counted_from_sets_of_them() -> None:
    spec = Sums(("feature",), ("users",), {"role": ("student",)})
    assert sums(spec, plan(DAYS, columns=spec.touched, measures=spec.measures)).sql == snapshot("""\
SELECT feature, uniqExactIfMerge(piece.users) AS users
FROM (
    SELECT rollup.feature AS feature, uniqExactIfState(rollup.org_id, rollup.user_id, rollup.requests > 0 AND rollup.user_id != 'system') AS users
    FROM user_daily AS rollup
    WHERE (rollup.bucket >= toDateTime({p0_0_start:UInt32}, 'UTC') AND rollup.bucket < toDateTime({p0_0_end:UInt32}, 'UTC')) AND rollup.role IN {only_role:Array(String)}
    GROUP BY feature
    SETTINGS preferred_optimize_projection_name = 'by_feature_day'
) AS piece
GROUP BY feature\
""")


def test_the_busiest_user_is_one_of_them_all() -> None:
    spec = Sums(("org_id", "user_id"), ("requests",), {})
    assert busiest_user(spec, plan(DAYS, columns=spec.touched, measures=spec.measures)).sql == snapshot("""\
SELECT countIf(requests > 0 AND user_id != 'system') AS users, maxIf((requests, org_id, user_id), requests > 0 AND user_id != 'system') AS busiest
FROM (
SELECT rollup.org_id AS org_id, rollup.user_id AS user_id, sum(rollup.requests) AS requests
FROM user_daily AS rollup
WHERE (rollup.bucket >= toDateTime({p0_0_start:UInt32}, 'UTC') AND rollup.bucket < toDateTime({p0_0_end:UInt32}, 'UTC'))
GROUP BY org_id, user_id
SETTINGS preferred_optimize_projection_name = 'by_day'
)\
""")


def test_keys_are_ranked_without_totals() -> None:
    spec = Sums(("org_id", "user_id"), ("requests", "cost"), {})
    pieces = plan(WINDOW, columns=spec.touched, measures=spec.measures)
    assert ranked_keys(spec, pieces, order_by="cost", limit=10).sql == snapshot("""\
SELECT org_id, user_id, sum(piece.requests) AS requests, sum(piece.cost) AS cost
FROM (
    SELECT rollup.org_id AS org_id, rollup.user_id AS user_id, sum(rollup.requests) AS requests, sum(rollup.cost) AS cost
    FROM user_daily AS rollup
    WHERE (rollup.bucket >= toDateTime({p0_0_start:UInt32}, 'UTC') AND rollup.bucket < toDateTime({p0_0_end:UInt32}, 'UTC'))
    GROUP BY org_id, user_id
    SETTINGS preferred_optimize_projection_name = 'by_day'
UNION ALL
    SELECT event.org_id AS org_id, event.user_id AS user_id, sum(event.requests) AS requests, sum(event.cost) AS cost
    FROM usage_events AS event
    WHERE (event.occurred_at >= fromUnixTimestamp64Milli({p1_0_start:Int64}, 'UTC') AND event.occurred_at < fromUnixTimestamp64Milli({p1_0_end:Int64}, 'UTC'))
    GROUP BY org_id, user_id
    SETTINGS optimize_use_projections = 0
) AS piece
GROUP BY org_id, user_id
ORDER BY cost DESC, org_id, user_id
LIMIT {row_limit:UInt64}\
""")


def test_users_shown_are_read_alone_with_their_features() -> None:
    keys = (("acme", "ann"), ("beta", "a'; DROP TABLE x --"))
    spec = Sums(("org_id", "user_id", "feature"), ("requests", "cost"), {}, among=keys)
    query = user_sums(spec, plan(DAYS, columns=spec.touched, measures=spec.measures))
    assert query.sql == snapshot("""\
SELECT org_id, user_id, sum(piece.requests) AS requests, sum(piece.cost) AS cost, argMaxIf(piece.feature, (piece.requests, piece.feature), piece.requests > 0) AS top_feature
FROM (
SELECT rollup.org_id AS org_id, rollup.user_id AS user_id, rollup.feature AS feature, sum(rollup.requests) AS requests, sum(rollup.cost) AS cost
FROM user_daily AS rollup
WHERE (rollup.bucket >= toDateTime({p0_0_start:UInt32}, 'UTC') AND rollup.bucket < toDateTime({p0_0_end:UInt32}, 'UTC')) AND rollup.user_id IN {among_1:Array(String)} AND (rollup.org_id, rollup.user_id) IN arrayZip({among_0:Array(String)}, {among_1:Array(String)})
GROUP BY org_id, user_id, feature
SETTINGS optimize_use_projections = 0
) AS piece
GROUP BY org_id, user_id\
""")
    assert query.parameters["among_1"] == ["ann", "a'; DROP TABLE x --"]


def test_percentiles_of_part_of_a_day_bin_raw_events() -> None:
    spec = Sums(("latency_bin",), ("latency_requests",), {})
    pieces = plan(WINDOW, columns=spec.touched, measures=spec.measures)
    assert sums(spec, pieces).sql == snapshot("""\
SELECT latency_bin, sum(piece.latency_requests) AS latency_requests
FROM (
    SELECT rollup.latency_bin AS latency_bin, sum(rollup.latency_requests) AS latency_requests
    FROM latency_daily AS rollup
    WHERE (rollup.bucket >= toDateTime({p0_0_start:UInt32}, 'UTC') AND rollup.bucket < toDateTime({p0_0_end:UInt32}, 'UTC'))
    GROUP BY latency_bin
    SETTINGS preferred_optimize_projection_name = 'by_model'
UNION ALL
    SELECT toUInt16(floor(16 * log2(1 + ifNull(event.latency_ms, 0)))) AS latency_bin, countIf(event.latency_ms IS NOT NULL) AS latency_requests
    FROM usage_events AS event
    WHERE (event.occurred_at >= fromUnixTimestamp64Milli({p1_0_start:Int64}, 'UTC') AND event.occurred_at < fromUnixTimestamp64Milli({p1_0_end:Int64}, 'UTC'))
    GROUP BY latency_bin
    SETTINGS optimize_use_projections = 0
) AS piece
GROUP BY latency_bin\
""")


def test_values_are_searched_by_text_and_name() -> None:
    spec = Sums(("org_id",), ("requests",), {})
    pieces = plan(DAYS, columns=spec.touched, measures=spec.measures)
    query = directory.values(spec, pieces, search="50% off'", limit=5)
    assert query.sql == snapshot("""\
SELECT org_id, requests
FROM (
SELECT rollup.org_id AS org_id, sum(rollup.requests) AS requests
FROM usage_daily AS rollup
WHERE (rollup.bucket >= toDateTime({p0_0_start:UInt32}, 'UTC') AND rollup.bucket < toDateTime({p0_0_end:UInt32}, 'UTC'))
GROUP BY org_id
SETTINGS preferred_optimize_projection_name = 'by_org'
)
WHERE org_id != '' AND (positionCaseInsensitiveUTF8(org_id, {search:String}) > 0
    OR (org_id) IN (SELECT org_id FROM orgs FINAL
        WHERE positionCaseInsensitiveUTF8(name, {search:String}) > 0))
ORDER BY requests DESC, org_id
LIMIT {row_limit:UInt64}\
""")
    assert query.parameters["search"] == "50% off'"


def test_the_span_of_all_events_needs_no_rows() -> None:
    assert lookups.event_span(None).sql == snapshot("""\
SELECT min(event.occurred_at) AS first, max(event.occurred_at) AS newest, count() AS events,
    (SELECT argMax(raw_kept_from, at) FROM ingest_raw_watermarks) AS raw_from,
    (SELECT max(last_written_at) FROM ingest_newest_chunks) AS stored
FROM usage_events AS event\
""")
    assert lookups.event_span(["acme"]).sql == snapshot("""\
SELECT min(rollup.first_seen) AS first, max(rollup.last_seen) AS newest, count() AS events,
    (SELECT argMax(raw_kept_from, at) FROM ingest_raw_watermarks) AS raw_from,
    (SELECT max(last_written_at) FROM ingest_newest_chunks) AS stored
FROM usage_daily AS rollup
WHERE rollup.org_id IN {orgs:Array(String)}\
""")


def test_nothing_outside_the_list_becomes_sql() -> None:
    with pytest.raises(ValueError, match="not a column or measure"):
        Sums((), ("cost) FROM x --",), {})
    with pytest.raises(ValueError, match="not a column or measure"):
        Sums((), ("cost",), {"1=1 OR org_id": ("x",)})
    with pytest.raises(ValueError, match="not a column or measure"):
        Sums(("1; DROP TABLE x",), ("cost",), {})
    with pytest.raises(KeyError):
        ranked_sums(Sums(("role",), ("cost",), {}), plan(DAYS, columns=(), measures=()), order_by="1", limit=1)


def test_the_key_of_a_tag_is_a_bound_parameter() -> None:
    column = tag_column("a'] --")
    spec = Sums((column,), ("cost",), {column: ("x",)})
    pieces = plan(DAYS, columns=spec.touched, measures=spec.measures)
    query = sums(spec, pieces)
    assert query.sql == snapshot("""\
SELECT event.tags[{key_of_tag_61275d202d2d_:String}] AS tag_61275d202d2d_, sum(event.cost) AS cost
FROM usage_events AS event
WHERE (event.occurred_at >= fromUnixTimestamp64Milli({p0_0_start:Int64}, 'UTC') AND event.occurred_at < fromUnixTimestamp64Milli({p0_0_end:Int64}, 'UTC')) AND event.tags[{key_of_tag_61275d202d2d_:String}] IN {only_tag_61275d202d2d_:Array(String)}
GROUP BY tag_61275d202d2d_
SETTINGS optimize_use_projections = 0\
""")
    assert query.parameters[f"key_of_{column}"] == "a'] --"
