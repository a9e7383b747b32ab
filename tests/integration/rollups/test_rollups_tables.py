"""Tables and the log: names, order, pages and counts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient

from spendmeter_clickhouse import Store
from tests.support.school import BASE, DIRECTORY, by_key, school
from tests.support.service import answer, service
from tests.support.usage import insert_usage, usage_row


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[TestClient]:
    with school(store) as client:
        yield client


def test_every_answer_names_orgs_and_users(client: TestClient) -> None:
    """Rows 8 and 9."""
    ann = {"org_name": "Acme School", "name": "Ann Lee"}
    series = answer(client, "/v1/usage/timeseries", preset="7d", group_by="user")["series"]
    named = {each["key"]["user_id"]: {name: each[name] for name in ann} for each in series}
    assert named["ann"] == ann
    assert named["eve"] == {"org_name": None, "name": None}
    for dimension in ("class", "section"):
        rows = by_key(answer(client, f"/v1/usage/breakdown/{dimension}", preset="7d"), "org_id")
        assert rows["acme"]["org_name"] == "Acme School"
    (crossed,) = answer(client, "/v1/usage/timeseries", group_by=["feature", "user"], user="ann", feature="chat")[
        "series"
    ]
    assert {name: crossed[name] for name in ann} == ann
    calls = answer(client, "/v1/usage/events", preset="7d")["rows"]
    assert {(row["user_id"], row["org_name"], row["user_name"]) for row in calls} >= {
        ("ann", "Acme School", "Ann Lee"),
        ("tom", "Acme School", None),
        ("eve", None, None),
    }
    (failed,) = answer(client, "/v1/usage/errors", preset="7d")["recent"]
    assert failed["org_name"] == "Acme School"


def test_agents_tasks_and_features_have_names_in_every_answer(client: TestClient) -> None:
    """The org's own name first, then that of all orgs; names of other orgs are not visible."""
    everywhere = answer(client, "/v1/usage/breakdown/agent", preset="7d")["rows"]
    named = {row["key"]["agent_id"]: (row["name"], row["avatar_url"]) for row in everywhere}
    assert named == {"tutor": ("Tutor", "https://a.example/t.svg"), "": (None, None)}
    own = by_key(answer(client, "/v1/usage/breakdown/agent", preset="7d", org="acme"), "agent_id")
    assert (own["tutor"]["name"], own["tutor"]["avatar_url"]) == ("Asha", "https://a.example/asha.svg")
    crossed = answer(client, "/v1/usage/breakdown", group_by=["org", "agent"], preset="7d", agent="tutor")["rows"]
    assert [row["names"] for row in crossed] == [{"org_id": "Acme School", "agent_id": "Asha"}]
    series = answer(client, "/v1/usage/timeseries", group_by="feature", preset="7d")["series"]
    # Rag has a name of one org only, on which all orgs agree.
    names = {"chat": None, "quiz": "Quizzes", "rag": "Answers from books", "index": None}
    assert {each["key"]["feature"]: each["name"] for each in series} == names
    (found,) = answer(client, "/v1/filters/agent", q="asha", preset="7d", org="acme")["values"]
    assert (found["value"], found["name"]) == ("tutor", "Asha")
    calls = answer(client, "/v1/usage/events", preset="7d", agent="tutor")["rows"]
    assert {(row["agent_name"], row["agent_avatar_url"]) for row in calls} == {("Asha", "https://a.example/asha.svg")}
    assert answer(client, f"/v1/usage/events/{calls[0]['event_id']}")["call"]["agent_name"] == "Asha"
    assert [row["name"] for row in answer(client, "/v1/usage/users/ann", preset="7d")["features"]] == [
        None,
        "Answers from books",
    ]


@pytest.mark.parametrize("org", [{}, {"org": "acme"}, {"org": "beta"}, {"org": ["acme", "beta"]}])
def test_rows_are_sorted_by_the_names_shown(client: TestClient, org: dict[str, Any]) -> None:
    for dimension in ("agent", "feature"):
        rows = answer(client, f"/v1/usage/breakdown/{dimension}", preset="7d", order_by="name", **org)["rows"]
        names = [row["name"] for row in rows]
        assert names == sorted(names, key=lambda name: (name is None, (name or "").lower()))


def test_the_directory_is_looked_up_in_batches(client: TestClient) -> None:
    body = answer(client, "/v1/directory/agent", id=["tutor", "nobody"])
    assert [(row["id"], row["org_id"], row["name"]) for row in body["entries"]] == [
        ("tutor", "", "Tutor"),
        ("tutor", "acme", "Asha"),
        ("tutor", "beta", "Beta's own"),
    ]
    assert [row["org_id"] for row in answer(client, "/v1/directory/agent", org="acme")["entries"]] == ["", "acme"]
    (org,) = answer(client, "/v1/directory/org", id="acme")["entries"]
    assert (org["name"], org["timezone"], org["currency"]) == ("Acme School", "Asia/Kolkata", "INR")
    (user,) = answer(client, "/v1/directory/user", id=["ann", "tom"])["entries"]
    assert (user["org_id"], user["name"], user["role"], user["avatar_url"]) == ("acme", "Ann Lee", "student", None)
    assert client.get("/v1/directory/planet").status_code == 422


def test_a_new_name_counts_at_once(client: TestClient, store: Store) -> None:
    """No dictionary is between the directory and the answers: the embedded store would not reload it."""
    columns, ((_, name, *attributes, _),) = DIRECTORY["orgs"]

    def renamed(to: str, minutes: int) -> None:
        with store.session("renaming") as session:
            row = ("acme", to, *attributes, BASE + timedelta(minutes=minutes))
            asyncio.run(session.insert("orgs", [row], columns))

    try:
        renamed("Renamed School", 1)
        assert by_key(answer(client, "/v1/usage/breakdown/org", preset="7d"), "org_id")["acme"]["name"] == (
            "Renamed School"
        )
        (found,) = answer(client, "/v1/filters/org", q="renamed", preset="7d")["values"]
        assert (found["value"], found["name"]) == ("acme", "Renamed School")
        assert answer(client, "/v1/usage/users/ann", preset="7d")["user"]["org_name"] == "Renamed School"
        call = answer(client, "/v1/usage/events", preset="7d", org="acme")["rows"][0]["event_id"]
        assert answer(client, f"/v1/usage/events/{call}")["call"]["org_name"] == "Renamed School"
    finally:
        renamed(name, 2)


def columns_of(client: TestClient, path: str) -> list[str]:
    """Return the columns that a table can be sorted by."""
    operation = client.get("/openapi.json").json()["paths"][path]["get"]
    (schema,) = [each["schema"] for each in operation["parameters"] if each["name"] == "order_by"]
    return list(schema["enum"])


def sort_value(row: dict[str, Any], column: str) -> Any:
    """Return the value that a row is sorted by."""
    if column == "key":
        return list(row["key"].values()) if "key" in row else [row["provider"], row["model"]]
    value = row[column]
    if column in ("name", "org_name"):
        return value and value.lower()
    return Decimal(value) if isinstance(value, str) and column != "last_seen" else value


@pytest.mark.parametrize(
    ("table", "lacking", "some"),
    [
        ("breakdown/user", {"users"}, ()),
        ("models", {"share", "request_share", "token_share"}, ()),
        # As the table of users, with other names.
        ("breakdown/org", {"org_name"}, ("name", "org_name", "users", "key")),
        ("breakdown/class", {"name"}, ("name", "org_name", "users", "key")),
        ("breakdown/model", {"users", "name", "org_name"}, ("users", "name", "org_name", "key")),
    ],
)
def test_every_column_sorts_a_table_both_ways(
    client: TestClient, table: str, lacking: set[str], some: tuple[str, ...]
) -> None:
    path = f"/v1/usage/{table}"
    columns = columns_of(client, path.replace("/breakdown/" + table[10:], "/breakdown/{dimension}"))
    assert len(columns) > 30
    for column in some or columns:
        if column in lacking and table != "models":
            assert client.get(path, params={"order_by": column}).status_code == 422, column
            continue
        found = [answer(client, path, preset="30d", order_by=column, order=order)["rows"] for order in ("asc", "desc")]
        for rows, descending in zip(found, (False, True), strict=True):
            values = [] if column in lacking else [sort_value(row, column) for row in rows]
            known = [value for value in values if value is not None]
            assert known == sorted(known, reverse=descending), (column, values)
            assert all(value is None for value in values[len(known) :]), (column, values)
        assert len(found[0]) == len(found[1]) > 0


def test_pages_of_a_sorted_table_are_the_table(client: TestClient) -> None:
    for column in ("name", "avg_latency_ms", "users"):
        dimension = "org" if column == "users" else "user"
        whole = answer(client, f"/v1/usage/breakdown/{dimension}", order_by=column)["rows"]
        pages = [
            answer(client, f"/v1/usage/breakdown/{dimension}", order_by=column, limit=1, offset=offset)["rows"]
            for offset in range(len(whole))
        ]
        assert [row for page in pages for row in page] == whole
    crossed = answer(client, "/v1/usage/breakdown", group_by=["user", "model"], order_by="org_name")["rows"]
    assert [row["key"]["org_id"] for row in crossed][-1] == "beta"


def test_every_column_sorts_the_log_both_ways_and_pages_follow_it(store: Store) -> None:
    when = datetime(2025, 3, 1, tzinfo=UTC)
    words = ("it's", "a\tb\n", "", "Ünïcode ✓", 'q"\\', "z" * 500)
    rows = [
        usage_row(
            1000 + number,
            when + timedelta(minutes=number % 9),
            org_id="sorted",
            model=("b", "a", "c")[number % 3],
            error_message=words[number % 6],
            latency_ms=None if number % 4 == 0 else number % 5,
            input_cost=Decimal(number % 7) / 10**12,
            audio_seconds=Decimal(number % 3) / 1000,
            streamed=number % 2 == 0,
        )
        for number in range(13)
    ]
    insert_usage(store, rows)
    with service(store) as client:
        parameters = {"org": "sorted", "preset": "all", "page_size": 10}
        for column in columns_of(client, "/v1/usage/events"):
            for order in ("asc", "desc"):
                pages: list[dict[str, Any]] = []
                cursor: dict[str, str] = {}
                while True:
                    body = answer(client, "/v1/usage/events", **parameters, order_by=column, order=order, **cursor)
                    pages += body["rows"]
                    if body["next_cursor"] is None:
                        break
                    cursor = {"cursor": body["next_cursor"]}
                assert len({row["event_id"] for row in pages}) == len(pages) == 13, column
                values = [log_value(row[column]) for row in pages]
                assert values == sorted(values, reverse=order == "desc"), column
        first = answer(client, "/v1/usage/events", **parameters, order_by="cost")
        other = client.get("/v1/usage/events", params={"order_by": "model", "cursor": first["next_cursor"]})
        assert (other.status_code, other.json()["errors"][0]["parameter"]) == (422, "cursor")


def log_value(value: Any) -> Any:
    """Return a value of the log as it sorts: a missing figure is the smallest, text is compared by its bytes."""
    if isinstance(value, bool):
        return value
    if value is None:
        return Decimal(-1)
    if isinstance(value, int):
        return Decimal(value)
    try:
        return Decimal(value)
    except ArithmeticError:
        return value[:128].encode()


def test_the_log_is_counted_on_request(client: TestClient) -> None:
    assert answer(client, "/v1/usage/events", preset="7d")["total"] is None
    body = answer(client, "/v1/usage/events", preset="7d", count="true", status="error")
    assert (body["total"], len(body["rows"])) == (1, 1)
    # An adjustment is no call.
    assert answer(client, "/v1/usage/events", preset="30d", count="true")["total"] == 8
