"""Moving aliases: each follows, by date, the model that it served."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spendmeter_stream.pricing import PriceBook, PriceBookError
from tests.support.pricing import ROW, Call, M, book_of, costs, packaged_book, price

EACH = {"input_tokens": M // 10, "cache_read_tokens": M // 10, "output_tokens": M // 10}
GEMINI = "https://ai.google.dev/gemini-api/docs/changelog"
DEEPSEEK = "https://api-docs.deepseek.com/updates"
MISTRAL = "https://docs.mistral.ai/getting-started/changelog/"
OPENAI = "https://developers.openai.com/api/docs/deprecations"

# Provider, alias, day, USD per million (input, cached input or "" if unpriced, output), page.
SERVED = [
    ("deepseek", "deepseek-chat", "2026-04-23T23:00", "0.28", "0.028", "0.42", DEEPSEEK),
    ("deepseek", "deepseek-chat", "2026-05-15T12:00", "0.14", "0.0028", "0.28", DEEPSEEK),
    ("deepseek", "deepseek-reasoner", "2026-05-15T12:00", "0.14", "0.0028", "0.28", DEEPSEEK),
    ("deepseek", "deepseek-v4-flash", "2026-08-16T15:59", "0.14", "0.0028", "0.28", DEEPSEEK),
    ("deepseek", "deepseek-v4-flash", "2026-08-16T16:00", "0.22", "0.007", "0.66", DEEPSEEK),
    ("deepseek", "deepseek-v4-flash", "2026-08-22T02:00", "0.44", "0.014", "1.32", DEEPSEEK),
    ("deepseek", "deepseek-v4-flash", "2026-08-22T09:59", "0.44", "0.014", "1.32", DEEPSEEK),
    ("deepseek", "deepseek-v4-flash", "2026-08-22T05:00", "0.22", "0.007", "0.66", DEEPSEEK),
    ("deepseek", "deepseek-v4-flash", "2026-08-23T02:00", "0.22", "0.007", "0.66", DEEPSEEK),
    ("deepseek", "deepseek-v4-flash", "2026-08-24T02:00", "0.44", "0.014", "1.32", DEEPSEEK),
    ("gemini", "gemini-flash-latest", "2025-11-01T00:00", "0.30", "0.03", "2.50", GEMINI),
    ("gemini", "gemini-flash-latest", "2026-03-01T00:00", "0.50", "0.05", "3", GEMINI),
    ("gemini", "gemini-pro-latest", "2025-11-01T00:00", "1.25", "0.125", "10", GEMINI),
    ("vertex_ai", "gemini-pro-latest", "2026-02-01T00:00", "2", "0.20", "12", GEMINI),
    ("gemini", "gemini-flash-lite-latest", "2025-11-01T00:00", "0.10", "0.01", "0.40", GEMINI),
    ("gemini", "gemini-3.5-flash", "2026-10-07T23:00", "1.50", "0.15", "9", GEMINI),
    ("gemini", "gemini-3.5-flash", "2026-10-09T00:00", "0.75", "0.075", "3.75", GEMINI),
    ("mistral", "mistral-large-latest", "2025-12-01T23:00", "2", "", "6", MISTRAL),
    ("mistral", "mistral-large-latest", "2025-12-02T00:00", "0.50", "0.05", "1.50", MISTRAL),
    ("mistral", "mistral-small-latest", "2024-10-01T00:00", "0.20", "", "0.60", MISTRAL),
    ("mistral", "mistral-medium-latest", "2025-01-01T00:00", "2.70", "", "8.10", MISTRAL),
    ("openai", "gpt-3.5-turbo", "2023-12-01T00:00", "1.50", "", "2", OPENAI),
    ("openai", "gpt-3.5-turbo", "2024-02-16T00:00", "0.50", "", "1.50", OPENAI),
    ("openai", "gpt-4o", "2024-06-01T00:00", "5", "", "15", "https://openai.com/index/hello-gpt-4o/"),
]


@pytest.mark.parametrize(("provider", "model", "at", "i", "read", "o", "page"), SERVED)
def test_an_alias_has_the_price_of_the_model_that_it_served(
    provider: str, model: str, at: str, i: str, read: str, o: str, page: str
) -> None:
    usage = {unit: count for unit, count in EACH.items() if read or unit != "cache_read_tokens"}
    priced = price(packaged_book(), Call(provider, model, usage, at=f"{at}:00+00:00"))

    expected = {"input_cost": Decimal(i) / 10, "output_cost": Decimal(o) / 10}
    expected |= {"cache_read_cost": Decimal(read) / 10} if read else {}
    assert costs(priced) == expected
    assert priced["pricing_status"] == "priced"
    assert page.startswith("https://")


OLD = {**ROW, "models": ["m-1"], "per_million": {"input_tokens": "1"}}
NEW = {**ROW, "models": ["m-2"], "per_million": {"input_tokens": "2"}}
OWN = {**ROW, "models": ["latest"], "per_million": {"input_tokens": "9", "output_tokens": "9"}}
FIRST = {**ROW, "models": ["latest"], "serves": "m-1", "from": "2025-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}
SECOND = {**ROW, "models": ["latest"], "serves": "M-2", "from": "2026-01-01T00:00:00Z"}


def input_cost(book: PriceBook, at: str, **call: Any) -> Decimal:
    used = {"input_tokens": M}
    return costs(price(book, Call("maker", call.pop("model", "latest"), used, at=f"{at}T00:00:00+00:00", **call))).get(
        "input_cost", Decimal(0)
    )


def test_outside_its_periods_an_alias_has_its_own_price() -> None:
    book = book_of(OLD, NEW, OWN, FIRST, SECOND)

    days = ("2024-12-31", "2025-01-01", "2025-12-31", "2026-01-01")
    assert [input_cost(book, day) for day in days] == [9, 1, 1, 2]


def test_a_served_model_brings_all_its_units_and_no_others() -> None:
    priced = price(book_of(OLD, NEW, OWN, FIRST, SECOND), Call("maker", "latest", {"output_tokens": 1}))

    assert priced["pricing_status"] == "unpriced", "m-2 has no output rate, and the alias's own one is over"


def test_a_factor_of_the_served_model_applies_in_its_period() -> None:
    factor = {**ROW, "models": ["m-2"], "regions": ["eu"], "factor": "3"}
    both = {**ROW, "models": ["latest", "m-1"], "regions": ["eu"], "factor": "5"}
    book = book_of(OLD, NEW, FIRST, SECOND, factor)

    assert input_cost(book, "2026-06-01", region="eu") == 6
    assert input_cost(book, "2025-06-01", region="eu") == 1
    assert input_cost(book_of(OLD, NEW, FIRST, SECOND, both), "2025-06-01", region="eu") == 5


def test_a_row_of_the_topic_or_of_an_org_names_the_alias_on_purpose() -> None:
    book = book_of(OLD, NEW, OWN, FIRST, SECOND)
    topic = {**ROW, "models": ["latest"], "per_million": {"input_tokens": "7"}}

    assert input_cost(book.with_rows([topic]), "2026-06-01") == 7
    negotiated = book.with_rows([{**topic, "org": "acme"}])
    assert input_cost(negotiated, "2026-06-01", org="acme") == 7
    assert input_cost(negotiated, "2026-06-01", org="other") == 2


def test_a_row_of_the_topic_on_the_served_model_reaches_the_alias() -> None:
    book = book_of(OLD, NEW, FIRST, SECOND).with_rows([{**NEW, "per_million": {"input_tokens": "4"}}])

    assert input_cost(book, "2026-06-01") == 4


def test_periods_of_a_higher_layer_replace_those_of_the_files() -> None:
    book = book_of(OLD, NEW, FIRST, SECOND).with_rows([{**FIRST, "from": "beginning", "to": "2027-01-01T00:00:00Z"}])

    assert input_cost(book, "2026-06-01") == 1


def test_a_dated_name_does_not_follow_its_alias() -> None:
    dated = {**OWN, "models": ["latest-2024-05-13"]}
    book = book_of(OLD, NEW, FIRST, SECOND, dated)

    assert input_cost(book, "2026-06-01", model="latest-2024-05-13") == 9


FILE = """provider = "maker"
[defaults]
source = "here"
verified_at = 2026-01-01
[[price]]
models = ["m-1"]
from = 2025-01-01T00:00:00Z
per_million = { input_tokens = 1 }
"""


def period(serves: str, start: str, end: str = "") -> str:
    to = f"to = {end}T00:00:00Z\n" if end else ""
    return f'[[alias]]\nmodels = ["latest"]\nserves = "{serves}"\nfrom = {start}T00:00:00Z\n{to}'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (period("m-9", "2025-06-01"), "9: serves 'm-9', which has no price in this period"),
        (period("m-1", "2024-01-01", "2024-06-01"), "9: serves 'm-1', which has no price in this period"),
        (
            period("m-1", "2025-06-01", "2025-08-01") + period("m-1", "2025-07-01"),
            "14: overlap: 'latest' serves a model already, at maker.toml:9",
        ),
        (
            period("m-1", "2025-06-01", "2025-07-01") + period("m-1", "2025-08-01"),
            "14: gap: 'latest' serves no model after maker.toml:9",
        ),
        (
            period("m-1", "2025-06-01") + period("latest", "2025-06-01").replace('["latest"]', '["newest"]'),
            "13: serves 'latest', which is an alias itself: name the model",
        ),
        (period("m-1", "2025-06-01") + "regions = [\"eu\"]\n", "13: unknown key 'regions'"),
        (period("", "2025-06-01"), "11: 'serves' must be a non-empty string"),
    ],
)  # fmt: skip
def test_a_wrong_period_is_named(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "maker.toml").write_text(FILE + text)

    with pytest.raises(PriceBookError) as caught:
        PriceBook.load(tmp_path)

    assert f"maker.toml:{fault}" in [str(each) for each in caught.value.faults]


def test_a_redirect_may_end_where_another_begins() -> None:
    redirect = {**ROW, "models": ["m-1"], "serves": "m-2", "from": "2026-01-01T00:00:00Z"}
    book = book_of(OLD, NEW, FIRST, SECOND, redirect)

    assert [input_cost(book, day) for day in ("2025-06-01", "2026-06-01")] == [1, 2]
