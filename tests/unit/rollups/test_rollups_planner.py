"""The planner: every instant of the window once, nothing outside it, and the coarsest table that is exact."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spendmeter_rollups.problems import Problem
from spendmeter_rollups.query.planner import MAX_RANGES, Piece, choose_family, plan
from spendmeter_rollups.query.scope import Scope, Span
from spendmeter_rollups.query.sums import Sums
from spendmeter_rollups.query.windows import Window, bucket_edges


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def tables(pieces: tuple[Piece, ...]) -> dict[str, list[str]]:
    return {
        piece.rollup.table if piece.rollup else "raw": [
            f"{span.start:%m-%d %H:%M:%S}..{span.end:%m-%d %H:%M:%S}" for span in piece.ranges
        ]
        for piece in pieces
    }


def test_an_odd_window_is_cut_into_days_hours_quarters_and_raw_ends() -> None:
    window = Window(at("2026-11-01T18:30Z"), at("2026-11-05T09:22:33.456Z"))
    assert tables(plan(window, columns=["feature"], measures=["cost"])) == {
        "usage_daily": ["11-02 00:00:00..11-05 00:00:00"],
        "usage_hourly": ["11-01 19:00:00..11-02 00:00:00", "11-05 00:00:00..11-05 09:00:00"],
        "usage_15m": ["11-01 18:30:00..11-01 19:00:00", "11-05 09:00:00..11-05 09:15:00"],
        "raw": ["11-05 09:15:00..11-05 09:22:33"],
    }


def test_an_end_after_the_newest_event_is_as_good_as_the_end_of_its_day() -> None:
    window = Window(at("2026-11-01T00:00Z"), at("2026-11-05T09:22Z"))
    newest = at("2026-11-05T09:21:59.999Z")
    assert tables(plan(window, columns=[], measures=["cost"], newest_event=newest)) == {
        "usage_daily": ["11-01 00:00:00..11-06 00:00:00"]
    }
    later = plan(window, columns=[], measures=["cost"], newest_event=window.end)
    assert tables(later)["usage_daily"] == ["11-01 00:00:00..11-05 00:00:00"]


def test_a_start_before_the_first_event_is_as_good_as_the_start_of_its_day() -> None:
    window = Window(at("2026-11-01T18:30Z"), at("2026-11-05T00:00Z"))
    person = plan(window, columns=["user_id"], measures=["cost"], first_event=window.start)
    assert {piece.rollup.table for piece in person if piece.rollup} == {"user_daily"}
    assert None not in [piece.rollup for piece in person]
    later = plan(window, columns=["user_id"], measures=["cost"], first_event=at("2026-11-01T18:29Z"))
    assert "raw" in tables(later)


def test_raw_events_that_were_deleted_are_no_part_of_a_sum() -> None:
    kept = at("2026-11-01T00:00Z")
    scope = Scope(
        preset="custom",
        window=Window(at("2026-10-10T00:00+05:30"), at("2026-10-20T00:00+05:30")),
        zone=ZoneInfo("Asia/Kolkata"),
        filters={},
        now=at("2026-11-20T00:00Z"),
        span=Span(first=at("2026-01-01T00:00Z"), newest=at("2026-11-20T00:00Z"), raw_from=kept),
    )
    assert all(piece.rollup for piece in scope.pieces(Sums(("org_id",), ("cost",), {})))
    with pytest.raises(Problem, match="raw events from before 2026-11-01, which were deleted"):
        scope.pieces(Sums(("user_id",), ("cost",), {}))
    recent = replace(scope, window=Window(at("2026-11-02T00:00+05:30"), at("2026-11-03T00:00+05:30")))
    assert recent.pieces(Sums(("user_id",), ("cost",), {}))
    utc = replace(scope, window=Window(at("2026-10-10T00:00Z"), at("2026-10-20T00:00Z")))
    assert all(piece.rollup for piece in utc.pieces(Sums(("user_id",), ("cost",), {})))


def test_days_in_utc_come_from_days_and_days_in_india_from_hours_and_quarters() -> None:
    window = Window(at("2026-11-01T00:00Z"), at("2026-11-04T00:00Z"))
    utc = bucket_edges(window, "day", ZoneInfo("UTC"))
    assert tables(plan(window, columns=[], measures=["cost"], edges=utc)) == {
        "usage_daily": ["11-01 00:00:00..11-04 00:00:00"]
    }
    india = Window(at("2026-11-01T00:00+05:30"), at("2026-11-03T00:00+05:30"))
    edges = bucket_edges(india, "day", ZoneInfo("Asia/Kolkata"))
    assert tables(plan(india, columns=[], measures=["cost"], edges=edges)) == {
        "usage_hourly": ["10-31 19:00:00..11-01 18:00:00", "11-01 19:00:00..11-02 18:00:00"],
        "usage_15m": [
            "10-31 18:30:00..10-31 19:00:00",
            "11-01 18:00:00..11-01 19:00:00",
            "11-02 18:00:00..11-02 18:30:00",
        ],
    }


def test_months_in_india_still_come_from_days_inside() -> None:
    window = Window(at("2026-09-01T00:00+05:30"), at("2026-11-01T00:00+05:30"))
    edges = bucket_edges(window, "month", ZoneInfo("Asia/Kolkata"))
    assert tables(plan(window, columns=[], measures=["cost"], edges=edges))["usage_daily"] == [
        "09-01 00:00:00..09-30 00:00:00",
        "10-01 00:00:00..10-31 00:00:00",
    ]


def test_hours_in_nepal_come_from_quarters_alone() -> None:
    window = Window(at("2026-11-01T00:00+05:45"), at("2026-11-03T00:00+05:45"))
    edges = bucket_edges(window, "hour", ZoneInfo("Asia/Kathmandu"))
    assert list(tables(plan(window, columns=[], measures=["cost"], edges=edges))) == ["usage_15m"]


def test_too_many_ranges_fall_back_to_one_aligned_table() -> None:
    window = Window(at("2026-01-01T00:00+05:30"), at("2026-08-01T00:00+05:30"))
    edges = bucket_edges(window, "day", ZoneInfo("Asia/Kolkata"))
    assert len(edges) > MAX_RANGES
    assert list(tables(plan(window, columns=[], measures=["cost"], edges=edges))) == ["usage_15m"]


def test_users_come_by_five_days_unless_the_feature_matters() -> None:
    window = Window(at("2026-10-21T00:00Z"), at("2026-11-20T00:00Z"))
    by_user = plan(window, columns=["org_id", "user_id"], measures=["cost"])
    assert [(piece.rollup.seconds // 86400 if piece.rollup else 0, piece.ranges) for piece in by_user] == [
        (5, (Window(at("2026-10-24T00:00Z"), at("2026-11-18T00:00Z")),)),
        (
            1,
            (
                Window(at("2026-10-21T00:00Z"), at("2026-10-24T00:00Z")),
                Window(at("2026-11-18T00:00Z"), at("2026-11-20T00:00Z")),
            ),
        ),
    ]
    assert tables(plan(window, columns=["user_id", "feature"], measures=["cost"])) == {
        "user_daily": ["10-21 00:00:00..11-20 00:00:00"]
    }


def test_sets_of_users_have_the_requested_attributes() -> None:
    by_class, by_feature, by_both = (
        choose_family(columns, ["users"])
        for columns in (["org_id", "class_name", "role"], ["feature", "role"], ["org_id", "feature"])
    )
    assert [rollup.seconds // 86400 for rollup in by_class] == [5, 1]
    assert [rollup.seconds // 86400 for rollup in by_feature] == [5, 1]
    assert [rollup.seconds // 86400 for rollup in by_both] == [1]
    assert "cost" in by_class[0].measures
    assert "cost" not in by_feature[0].measures
    assert choose_family(["model"], ["users"]) == ()


def test_the_person_has_a_table_of_its_own_and_mixtures_are_read_raw() -> None:
    assert choose_family(["org_id", "user_id", "feature"], ["cost"])[0].table == "user_daily"
    assert choose_family(["latency_bin", "org_id"], ["latency_requests"])[0].table == "latency_daily"
    assert choose_family(["user_id", "model"], ["cost"]) == ()
    assert choose_family(["latency_bin"], ["cost"]) == ()


moments = st.datetimes(datetime(2025, 9, 1), datetime(2026, 6, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC, microsecond=moment.microsecond // 1000 * 1000)
)


@given(
    start=moments,
    minutes=st.integers(1, 60 * 24 * 60),
    zone=st.sampled_from(["UTC", "Asia/Kolkata", "Asia/Kathmandu", "Europe/Paris", "Australia/Lord_Howe"]),
    granularity=st.sampled_from([None, "hour", "day", "week", "month"]),
    columns=st.sampled_from([[], ["model"], ["user_id"], ["class_name", "feature"], ["user_id", "model"]]),
)
def test_pieces_tile_the_window_and_no_rollup_row_straddles_a_bucket(
    start: datetime, minutes: int, zone: str, granularity: str | None, columns: list[str]
) -> None:
    window = Window(start, start + timedelta(minutes=minutes))
    edges = bucket_edges(window, granularity, ZoneInfo(zone)) if granularity else []  # type: ignore[arg-type]
    pieces = plan(window, columns=columns, measures=["cost"], edges=edges)
    spans = sorted((span.start, span.end) for piece in pieces for span in piece.ranges)
    assert spans[0][0] == window.start
    assert spans[-1][1] == window.end
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    for piece in pieces:
        if piece.rollup is None:
            continue
        grain = timedelta(seconds=piece.rollup.seconds)
        for span in piece.ranges:
            assert not (span.start - epoch) % grain
            assert not (span.end - epoch) % grain
            inside = [edge for edge in edges if span.start < edge < span.end]
            assert not any((edge - epoch) % grain for edge in inside)
