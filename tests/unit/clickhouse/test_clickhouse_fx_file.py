"""A file of exchange rates is read completely, or rejected with every fault and its line."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from spendmeter_clickhouse.fx import FxFileError, FxRate, read_rates

HEADER = "date,currency,rate,source"


def faults(*lines: str, header: str = HEADER) -> tuple[str, ...]:
    with pytest.raises(FxFileError) as caught:
        read_rates([header, *lines])
    return caught.value.faults


def test_rates_are_read_exactly() -> None:
    rates = read_rates([HEADER, "2026-11-01,INR,88.512345678901,ECB", '2026-11-01,EUR,0.87,"bank, daily"'])
    assert rates == [
        FxRate(date(2026, 11, 1), "INR", Decimal("88.512345678901"), "ECB"),
        FxRate(date(2026, 11, 1), "EUR", Decimal("0.87"), "bank, daily"),
    ]


def test_columns_may_stand_in_any_order_beside_others_and_a_line_twice() -> None:
    lines = ["note,source,rate,currency,date", "x,ECB,88,INR,2026-11-01", "y,ECB,88.0,INR,2026-11-01"]
    assert read_rates(lines) == [FxRate(date(2026, 11, 1), "INR", Decimal(88), "ECB")]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("01.11.2026,INR,88,ECB", "line 2: '01.11.2026' is not a day such as 2026-01-31"),
        ("1999-12-31,INR,88,ECB", "line 2: '1999-12-31' is not a day such as 2026-01-31"),
        ("2026-11-01,inr,88,ECB", "line 2: 'inr' is not a currency such as INR"),
        ("2026-11-01,USD,1,ECB", "line 2: one USD is one USD: it needs no rate"),
        ("2026-11-01,INR,88,", "line 2: a source is a text of 1 to 128 characters"),
        ("2026-11-01,INR,88,ECB,more", "line 2: more values than the header has columns"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(line: str, fault: str) -> None:
    assert faults(line) == (fault,)


@pytest.mark.parametrize("rate", ["", "0", "-1", "nan", "inf", "1e12", "88,5x", "0.0000000000001"])
def test_a_rate_is_a_number_above_zero_that_fits(rate: str) -> None:
    (fault,) = faults(f'2026-11-01,INR,"{rate}",ECB')
    assert "is not a rate" in fault


def test_every_fault_is_named_at_once() -> None:
    named = faults("2026-11-01,INR,88,ECB", "x,INR,88,ECB", "2026-11-01,INR,89,ECB")
    assert named == (
        "line 3: 'x' is not a day such as 2026-01-31",
        "line 4: INR has another rate or source for 2026-11-01 above",
    )


def test_a_file_without_header_or_rates_is_refused() -> None:
    assert faults(header="2026-11-01,INR,88,ECB")[0].startswith("line 1: missing column date, currency, rate, source")
    assert faults() == ("the file has no rates",)
