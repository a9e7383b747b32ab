"""Prices of the packaged book match the pages that publish them: a million of each unit costs its rate."""

from __future__ import annotations

from decimal import Decimal

import pytest

from spendmeter_stream.pricing import PriceBook
from tests.support.price_table.case import Case
from tests.support.price_table.chat import CHAT
from tests.support.price_table.prompts import AUDIO_TOKENS, CACHE, EMBEDDINGS, LONG
from tests.support.price_table.units import UNITS
from tests.support.price_table.unpriced import FREE, UNKNOWN
from tests.support.pricing import COSTS, packaged_book, price

CASES = [*CHAT, *CACHE, *LONG, *AUDIO_TOKENS, *UNITS, *EMBEDDINGS, *FREE, *UNKNOWN]


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return packaged_book()


def _name(case: Case) -> str:
    call = case.call
    return "-".join(filter(None, (call.provider, call.model, call.tier, call.region, *call.usage)))


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_a_call_has_the_cost_in_the_docs(book: PriceBook, case: Case) -> None:
    priced = price(book, case.call)

    expected = {name: Decimal(case.cost.get(name, 0)) for name in COSTS}
    assert {name: priced[name] for name in COSTS} == expected
    assert priced["cost"] == sum(expected.values())
    assert (priced["pricing_status"], tuple(priced["unpriced_units"])) == (case.status, case.unpriced)


def test_there_are_enough_cases_and_each_has_a_source() -> None:
    assert len(CASES) >= 120
    assert all(case.source for case in CASES)
