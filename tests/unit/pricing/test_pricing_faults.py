"""An invalid book is rejected as a whole, and every fault names its file and line."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from spendmeter_stream.pricing import PriceBook, PriceBookError
from spendmeter_stream.pricing.book.documents import document_of_rows
from tests.support.pricing import write_book

HEAD = 'provider = "maker"\n'
SHARED = 'from = "beginning"\nsource = "here"\nverified_at = 2026-01-01\n'
RATE = "per_million = { input_tokens = 1 }\n"


def faults_of(folder: Path, text: str, **files: str) -> list[str]:
    with pytest.raises(PriceBookError) as caught:
        write_book(folder, maker=text, **files)
    assert str(caught.value) == "\n".join(map(str, caught.value.faults))
    return [str(fault) for fault in caught.value.faults]


def block(*lines: str, shared: str = SHARED, rate: str = RATE) -> str:
    """Return a price block whose lines begin on line 4 of the file."""
    return HEAD + '\n[[price]]\nmodels = ["m"]\n' + "".join(f"{line}\n" for line in lines) + rate + shared


EVER = 'from = "beginning"\n'
FACTOR = HEAD + '[[multiplier]]\nmodels = ["m"]\n'
STAMP = "must be a timestamp with a zone such as 2026-01-31T00:00:00Z, not "
LATER = "later than 'from'"
EITHER = "(exclusive) or context_from (inclusive), not both"
DAY = "'verified_at' must be a day such as 2026-01-31"
EU = FACTOR + 'regions = ["eu"]\nfactor = 2\n'
MIDNIGHT = "a daily window must end later on the same UTC day; write two prices to cross midnight"
TABLES = "per_million, per_thousand, per_unit, per_minute, per_hour, tools_per_thousand"
NO_RATE = f"a price needs a rate in one of {TABLES}, or free = true"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("modles = []", "5: unknown key 'modles'; did you mean 'models'?"),
        ("zzz = 1", "5: unknown key 'zzz'"),
        ('tiers = ["btach"]', "5: unknown tier 'btach'; did you mean 'batch'?"),
        ("tiers = 3", "5: 'tiers' must be a list of strings"),
        ('tiers = ["batch", "batch"]', "5: 'tiers' has a duplicate"),
        ("regions = [1]", "5: 'regions' must be a list of strings"),
        ("org = 7", "5: 'org' must be a string"),
        ("note = 7", "5: 'note' must be a string"),
        ("to = 2026-01-01", "5: \'to\' " + STAMP + "2026-01-01"),
        ("to = 2026-01-01T00:00:00", "5: \'to\' " + STAMP + "2026-01-01 00:00:00"),
        ('to = "soon"', "5: \'to\' " + STAMP + "soon"),
        ('to = "beginning"', "5: \'to\' " + STAMP + "beginning"),
        ("per_thousand = 5", "5: 'per_thousand' must be a table"),
        ("per_thousand = { input_tokens = 1 }", "5: 'input_tokens' has two rates"),
        ("per_thousand = { imagse = 1 }", "5: unknown unit 'imagse'; did you mean 'images'?"),
        ("per_unit = { images = -1 }", "5: -1 is not a decimal number from 0 to a billion"),
        ('per_unit = { images = "a" }', "5: a is not a decimal number from 0 to a billion"),
        ("per_unit = { images = nan }", "5: NaN is not a decimal number from 0 to a billion"),
        ("per_unit = { images = 1e9 }", "5: 1E+9 is not a decimal number from 0 to a billion"),
        ("per_unit = { images = true }", "5: True is not a decimal number from 0 to a billion"),
        ("per_unit = { images = [1] }", "5: [1] is not a decimal number from 0 to a billion"),
        ("per_hour = { images = 1 }", "5: 'per_hour' prices audio_seconds, not 'images'"),
        ('currency = "EUR"', "5: the ledger is in USD: give 'usd', the dollars for one EUR"),
        ("free = 1", "5: 'free' must be true or false"),
        ("free = true", "6: a free price has no rates"),
        ("context_over = 1.5", "5: 'context_over' must be a whole number, not 1.5"),
        ("minimum = true", "5: 'minimum' must be a whole number, not True"),
        ("context_from = 2\ncontext_over = 1", "5: give context_over " + EITHER),
        ('unless_counted = ["tokens"]', "5: unknown unit 'tokens'; did you mean 'input_tokens'?"),
        ('characters_counted = "rwa"', "5: unknown way to count characters 'rwa'; did you mean 'raw'?"),
        ('when = { image_sise = "1" }', "5: unknown tag 'image_sise'; did you mean 'image_size'?"),
        ("when = { tool = 1 }", "5: the value of 'tool' must be a string"),
        ('when = { tool = "x" }', "5: tags choose rates of images, video_seconds, tool_calls, not of 'input_tokens'"),
        ("daily = 1", "5: 'daily' must be a table"),
        ("daily = { from = 01:00:00, until = 02:00:00 }", "5: unknown key 'until'"),
        ("daily = { from = 23:00:00, to = 01:00:00 }", "5: " + MIDNIGHT),
        ('daily = { from = "1h", to = 01:00:00 }', "5: '1h' is not a time of day such as 01:00"),
        ('daily = { from = 00:00:00, to = 01:00:00, days = ["monn"] }', "5: unknown day 'monn'; did you mean 'mon'?"),
        ('daily = { from = 00:00:00, to = 01:00:00, days = "mon" }', "5: 'days' must be a list of strings"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named(tmp_path: Path, line: str, fault: str) -> None:
    text = block(line)
    assert f"maker.toml:{fault}" in faults_of(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (HEAD + "[[price]]\n" + RATE + SHARED, "2: 'models' must not be empty"),
        (block(shared='source = "x"\nverified_at = 2026-01-01\n'), "3: 'from' " + STAMP + "None"),
        (block(shared=f'{EVER}verified_at = 2026-01-01\n'), "3: 'source' is missing"),
        (block(shared=f'{EVER}source = " "\nverified_at = 2026-01-01\n'), "7: 'source' must be a non-empty string"),
        (block(shared=f'{EVER}source = "x"\n'), "3: " + DAY + ", and is missing"),
        (block(shared=f'{EVER}source = "x"\nverified_at = "x"\n'), "8: " + DAY),
        (block(shared=f'{EVER}source = "x"\nverified_at = 2026-01-01T00:00:00Z\n'), "8: " + DAY),
        (block("to = 1970-01-01T00:00:00Z").replace('"beginning"', "1970-01-01T00:00:00Z"), "5: 'to' must be " + LATER),
        (block(rate=""), "3: " + NO_RATE),
        (block(rate="per_million = { input_tokens = 0 }\n"), "3: every rate is 0: set free = true, or give a rate"),
        ('provder = "maker"\n', "1: unknown key 'provder'; did you mean 'provider'?"),
        ('provder = "maker"\n', "1: 'provider' is missing"),
        (HEAD + 'tier_aliases = { default = "standart" }\n', "2: unknown tier 'standart'; did you mean 'standard'?"),
        (HEAD + 'resells = ["makr"]\n', "1: resells an unknown provider 'makr'; did you mean 'maker'?"),
        (HEAD + "price = 3\n", "1: write [[price]], [[multiplier]] and [[alias]] with two brackets"),
        (HEAD + "[price]\n", "1: write [[price]], [[multiplier]] and [[alias]] with two brackets"),
        (HEAD + "defaults = 3\n", "1: write [defaults] as a table"),
        (HEAD + 'name = """\n[[price]]\n"""\n', "1: multi-line strings are not allowed in price files"),
        (HEAD + "\nname = \n", "3: Invalid value (at line 3, column 8)"),
        (HEAD + 'price = [{ models = ["m"] }]\n', "1: 'source' is missing"),
        (block().replace('"m"', '"a*b"'), "3: 'a*b': a star may only begin or end a model's name"),
        (FACTOR + 'factor = 2\n' + SHARED, "2: a multiplier needs regions or an org"),
        (FACTOR + 'regions = ["eu"]\n' + SHARED, "2: None is not a decimal number from 0 to a billion"),
        (EU + 'units = ["token"]\n' + SHARED, "6: unknown unit 'token'; did you mean 'tokens'?"),
        ((EU + SHARED).replace('"m"', '"*m*"'), "2: '*m*': a star may only begin or end a model's name"),
    ],
)  # fmt: skip
def test_missing_or_malformed_fields_are_named(tmp_path: Path, text: str, fault: str) -> None:
    assert f"maker.toml:{fault}" in faults_of(tmp_path, text)


def test_a_rate_table_of_its_own_is_found_by_its_line(tmp_path: Path) -> None:
    text = HEAD + '[[price]]\nmodels = ["m"]\n' + SHARED + "[price.per_million]\ninput_tokens = 1\nouput_tokens = 1\n"

    assert faults_of(tmp_path, text) == ["maker.toml:7: unknown unit 'ouput_tokens'; did you mean 'output_tokens'?"]


def dated(start: str, end: str = "", **extra: str) -> str:
    lines = [f"from = {start}", f"to = {end}" if end else "", *(f"{key} = {value}" for key, value in extra.items())]
    return (
        '[[price]]\nmodels = ["m"]\nper_million = { input_tokens = 1 }\nsource = "x"\nverified_at = 2026-01-01\n'
        + "".join(f"{line}\n" for line in lines if line)
    )


def test_an_overlap_names_both_lines(tmp_path: Path) -> None:
    first = dated('"beginning"', "2026-02-01T00:00:00Z")
    second = dated("2026-01-31T23:59:59Z")

    assert faults_of(tmp_path, HEAD + first + second) == [
        "maker.toml:9: overlap: 'input_tokens' of 'm' already has a value in this time, from maker.toml:2"
    ]


def test_an_overlap_behind_a_shorter_one_is_found(tmp_path: Path) -> None:
    outer, inner, after = (
        dated('"beginning"'),
        dated("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        dated("2026-02-01T00:00:00Z"),
    )

    assert len(faults_of(tmp_path, HEAD + outer + inner + after)) == 2


def test_a_gap_is_a_fault(tmp_path: Path) -> None:
    text = HEAD + dated('"beginning"', "2026-01-01T00:00:00Z") + dated("2026-01-01T00:00:01Z")

    assert faults_of(tmp_path, text) == [
        "maker.toml:9: gap: 'input_tokens' of 'm' has no value between maker.toml:2 and here"
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"tiers": '["batch"]'},
        {"regions": '["eu"]'},
        {"org": '"acme"'},
        {"context_over": "5"},
        {"daily": "{ from = 01:00:00, to = 02:00:00 }"},
    ],
)
def test_rows_that_answer_different_questions_do_not_overlap(tmp_path: Path, other: dict[str, str]) -> None:
    book = write_book(tmp_path, maker=HEAD + dated('"beginning"') + dated('"beginning"', **other))

    assert len(book.prices) == 2


@pytest.mark.parametrize(
    ("other", "meets"),
    [
        ('{ from = 03:00:00, to = 05:00:00, days = ["sat", "mon"] }', True),
        ('{ from = 03:00:00, to = 05:00:00, days = ["sat"] }', False),
        ("{ from = 04:00:00, to = 05:00:00 }", False),
    ],
)
def test_daily_windows_that_are_open_at_once_overlap(tmp_path: Path, other: str, meets: bool) -> None:
    workdays = '{ from = 01:00:00, to = 04:00:00, days = ["mon", "tue"] }'
    text = HEAD + dated('"beginning"', daily=workdays) + dated('"beginning"', daily=other)

    if meets:
        assert faults_of(tmp_path, text) == [
            "maker.toml:9: overlap: 'input_tokens' of 'm' has a daily window open at the same time, from maker.toml:2"
        ]
    else:
        assert write_book(tmp_path, maker=text).prices


def test_the_seed_and_the_reviewed_file_may_overlap(tmp_path: Path) -> None:
    book = write_book(tmp_path, maker=HEAD + dated('"beginning"'), seed__maker=HEAD + dated('"beginning"'))

    assert {each.terms.layer for each in book.prices} == {0, 1}


def test_two_factors_for_the_same_calls_overlap(tmp_path: Path) -> None:
    factor = '[[multiplier]]\nmodels = ["m"]\nregions = ["eu"]\nfactor = 2\n' + SHARED

    assert faults_of(tmp_path, HEAD + factor + factor) == [
        "maker.toml:9: overlap: 'factor' of 'm' already has a value in this time, from maker.toml:2"
    ]


def test_a_name_belongs_to_one_provider(tmp_path: Path) -> None:
    other = 'provider = "other"\naliases = ["The Maker", "MAKER"]\n'

    assert faults_of(tmp_path, HEAD + block()[len(HEAD) :], other=other) == [
        "other.toml:1: the name 'MAKER' already means 'maker' at maker.toml:1"
    ]


def test_every_fault_of_every_file_is_reported_in_order(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, block("zzz = 1", "yyy = 2"), another='provider = "another"\nxxx = 1\n', broken="= 1\n")

    assert [fault.split(": ")[0] for fault in faults] == [
        "another.toml:2",
        "broken.toml:1",
        "maker.toml:5",
        "maker.toml:6",
    ]


def test_a_file_that_is_not_text_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "maker.toml").write_bytes(b"\xff\xfe")

    with pytest.raises(PriceBookError, match=r"^maker\.toml:1: "):
        PriceBook.load(tmp_path)


def test_a_folder_without_prices_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(PriceBookError, match="no price file"):
        PriceBook.load(tmp_path)


def test_rows_given_as_data_name_their_number() -> None:
    rows: list[dict[str, Any]] = [
        {
            "provider": "maker",
            "models": ["m"],
            "from": "beginning",
            "source": "x",
            "verified_at": "2026-01-01",
            "free": True,
        },
        {"models": ["m"]},
    ]
    rows[0]["free"] = True

    with pytest.raises(PriceBookError) as caught:
        PriceBook(documents=document_of_rows(rows, layer=1))

    assert {fault.place.line for fault in caught.value.faults} == {2}
    assert "rows:2: 'provider' is missing" in str(caught.value)


def test_comments_and_blank_lines_do_not_make_another_version(tmp_path: Path) -> None:
    text = dedent(block())
    first = write_book(tmp_path / "a", maker=text)
    second = write_book(tmp_path / "b", maker=f"# a comment\n\n{text}")
    third = write_book(tmp_path / "c", maker=text.replace("input_tokens = 1", "input_tokens = 2"))

    assert first.version == second.version != third.version
    assert len(first.version) == 12
