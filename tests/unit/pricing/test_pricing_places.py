"""Places: a geography, region or deployment type has its own price, or the call is partial with the unit `region`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spendmeter_stream.pricing import PriceBook, PriceBookError
from spendmeter_stream.pricing.book.documents import document_of_rows
from tests.support.price_table.pages import AZURE, BEDROCK, OPENAI, OPENROUTER, VERTEX
from tests.support.pricing import ROW, Call, M, costs, packaged_book, price, write_book

ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/"
MODEL_ARN = "arn:aws:bedrock:ap-south-1::foundation-model/"

# Provider, model, region, USD per million in and out, status, page.
PLACES = [
    ("bedrock", "apac.amazon.nova-pro-v1:0", "", "0.84", "3.36", "priced", BEDROCK),
    ("bedrock", "us.amazon.nova-pro-v1:0", "", "0.80", "3.20", "priced", BEDROCK),
    ("bedrock", "eu.amazon.nova-pro-v1:0", "", "1.05", "4.20", "priced", BEDROCK),
    ("bedrock", "apac.amazon.nova-lite-v1:0", "", "0.063", "0.252", "priced", BEDROCK),
    ("bedrock", "eu.amazon.nova-lite-v1:0", "", "0.078", "0.312", "priced", BEDROCK),
    ("bedrock", "apac.amazon.nova-micro-v1:0", "", "0.037", "0.148", "priced", BEDROCK),
    ("bedrock", "eu.amazon.nova-micro-v1:0", "", "0.046", "0.184", "priced", BEDROCK),
    ("bedrock", "amazon.nova-2-lite", "", "0.33", "2.75", "priced", BEDROCK),
    ("bedrock", "global.amazon.nova-2-lite-v1:0", "", "0.30", "2.50", "priced", BEDROCK),
    ("bedrock", "amazon.nova-pro-v1:0", "us-gov-west-1", "0.96", "3.84", "priced", BEDROCK),
    ("bedrock", "amazon.nova-pro-v1:0", "us-east-1", "0.80", "3.20", "priced", BEDROCK),
    ("bedrock", "amazon.nova-pro-v1:0", "ap-southeast-2", "0.80", "3.20", "partial", BEDROCK),
    ("bedrock", f"{MODEL_ARN}amazon.nova-pro-v1:0", "", "0.80", "3.20", "partial", BEDROCK),
    ("bedrock", "me.amazon.nova-pro-v1:0", "", "0.80", "3.20", "partial", BEDROCK),
    ("bedrock", "me.anthropic.claude-sonnet-4-5-20250929-v1:0", "", "3.30", "16.50", "partial", BEDROCK),
    ("bedrock", "eu.anthropic.claude-3-7-sonnet-20250219-v1:0", "", "3", "15", "priced", BEDROCK),
    ("bedrock", f"{ARN}us.anthropic.claude-3-7-sonnet-20250219-v1:0", "", "3", "15", "priced", BEDROCK),
    ("bedrock", "bedrock/eu-west-1/anthropic.claude-3-7-sonnet-20250219-v1:0", "", "3", "15", "priced", BEDROCK),
    ("bedrock", "us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", "", "3.60", "18", "priced", BEDROCK),
    ("bedrock", "anthropic.claude-haiku-4-5-20251001-v1:0", "us-gov-east-1", "1.20", "6", "priced", BEDROCK),
    ("vertex_ai", "gemini-2.0-flash-001", "", "0.15", "0.60", "priced", VERTEX),
    ("gemini", "gemini-2.0-flash-001", "", "0.10", "0.40", "priced", "https://ai.google.dev/gemini-api/docs/pricing"),
    ("vertex_ai", "gemini-2.5-flash", "europe-west4", "0.30", "2.50", "priced", VERTEX),
    ("vertex_ai", "gemini-3.1-pro-preview", "global", "2", "12", "priced", VERTEX),
    ("vertex_ai", "gemini-3.1-pro-preview", "us-central1", "2", "12", "partial", VERTEX),
    ("vertex_ai", "claude-sonnet-4-5@20250929", "asia-northeast1", "3.30", "16.50", "priced", VERTEX),
    (
        "google-vertex",
        "projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-4-5@20250929",
        "",
        "3.30",
        "16.50",
        "priced",
        VERTEX,
    ),
    ("azure", "azure/us/gpt-4o-2024-11-20", "", "2.75", "11", "priced", AZURE),
    ("azure", "eu/gpt-4.1-mini-2025-04-14", "", "0.44", "1.76", "priced", AZURE),
    ("azure", "gpt-4o-2024-11-20", "swedencentral", "2.75", "11", "priced", AZURE),
    ("azure", "datazone/o3-mini", "", "1.21", "4.84", "priced", AZURE),
    ("azure", "global-standard/gpt-4o-2024-11-20", "", "2.50", "10", "priced", AZURE),
    ("azure", "azure/global/gpt-4o-2024-11-20", "", "2.50", "10", "priced", AZURE),
    ("azure", "us/phi-4", "", "0.125", "0.50", "partial", AZURE),
    ("openai", "gpt-5.4", "eu", "2.75", "16.50", "priced", OPENAI),
    ("openai", "gpt-4.1", "eu", "2", "8", "priced", OPENAI),
    ("openrouter", "openai/gpt-4o:nitro", "", "2.50", "10", "priced", OPENROUTER),
    ("openrouter", "openai/gpt-4o:online", "", "2.50", "10", "priced", OPENROUTER),
    ("openrouter", "openai/gpt-4o:floor", "", "2.50", "10", "priced", OPENROUTER),
    ("openrouter", "anthropic/claude-3.5-haiku:exacto", "", "0.80", "4", "priced", OPENROUTER),
    ("openrouter", "openai/gpt-4o:free", "", "0", "0", "free", OPENROUTER),
]


@pytest.mark.parametrize(("provider", "model", "region", "i", "o", "status", "page"), PLACES)
def test_a_place_has_its_price_or_the_call_is_partial(
    provider: str, model: str, region: str, i: str, o: str, status: str, page: str
) -> None:
    usage = {"input_tokens": M // 10, "output_tokens": M // 10}
    priced = price(packaged_book(), Call(provider, model, usage, region=region))

    assert (priced["input_cost"], priced["output_cost"]) == (Decimal(i) / 10, Decimal(o) / 10)
    assert priced["pricing_status"] == status
    assert priced["unpriced_units"] == (["region"] if status == "partial" else [])
    assert page.startswith("https://")


def test_a_regional_deployment_multiplies_cached_tokens_too() -> None:
    usage = {"input_tokens": 1_000, "cache_read_tokens": 5_000, "output_tokens": 10}

    zone, everywhere = (
        price(packaged_book(), Call("azure", "gpt-4o-2024-11-20", usage, region=region))["cost"]
        for region in ("eu", "")
    )

    assert (zone, everywhere) == (Decimal("0.009735"), Decimal("0.00885"))


def test_an_application_profile_names_no_model_until_a_row_does() -> None:
    call = Call("bedrock", f"{ARN.replace('inference', 'application-inference')}ab12cd", {"input_tokens": M})
    row = {
        "provider": "aws",
        "models": ["ab12cd"],
        "from": "beginning",
        "per_million": {"input_tokens": "3"},
        "source": "the profile",
        "verified_at": "2026-11-26",
    }

    assert price(packaged_book(), call)["pricing_status"] == "unpriced"
    named = price(packaged_book().with_rows([row]), call)
    assert (named["pricing_status"], named["cost"]) == ("priced", 3)


HEAD = 'provider = "maker"\nregional = true\nplaces = { "eu." = "eu", "apac." = "APAC" }\nendings = [":fast"]\n'
TERMS = 'from = "beginning"\nsource = "here"\nverified_at = 2026-01-01\n'
RATE = '[[price]]\nmodels = ["m"]\nper_million = { input_tokens = 1 }\n' + TERMS


def judged(book: PriceBook, model: str = "m", region: str = "", **call: Any) -> tuple[Any, str]:
    priced = price(book, Call("maker", model, {"input_tokens": M}, region=region, **call))
    return priced["cost"], priced["pricing_status"]


def test_only_a_named_place_can_be_unknown(tmp_path: Path) -> None:
    book = write_book(tmp_path, maker=HEAD + RATE)

    assert judged(book) == (1, "priced")
    assert judged(book, region="eu") == (1, "partial")
    assert judged(book, "apac.m:fast") == (1, "partial")
    assert judged(book, "m:fast") == (1, "priced")
    assert price(book, Call("maker", "m", {"images": 1}, region="eu"))["unpriced_units"] == ["images"]


def test_a_factor_of_1_states_that_the_place_has_the_list_price(tmp_path: Path) -> None:
    factor = '[[multiplier]]\nmodels = ["*"]\nregions = ["eu", "eu-*"]\nfactor = 1\n' + TERMS
    book = write_book(tmp_path, maker=HEAD + RATE + factor)

    assert judged(book, "eu.m") == (1, "priced")
    assert judged(book, region="EU-west-1") == (1, "priced")
    assert judged(book, "apac.m", region="eu") == (1, "partial"), "the name decides, not the region of the client"


def test_a_row_that_names_the_place_is_the_places_price(tmp_path: Path) -> None:
    regional = RATE.replace('"m"]', '"m"]\nregions = ["eu"]').replace("= 1 }", "= 2 }")
    named = RATE.replace('"m"', '"apac.m"').replace("= 1 }", "= 3 }")
    factor = '[[multiplier]]\nmodels = ["m"]\nregions = ["apac"]\nfactor = 9\n' + TERMS
    book = write_book(tmp_path, maker=HEAD + RATE + regional + named + factor)

    assert judged(book, "eu.m") == (2, "priced")
    assert judged(book, "apac.m:fast") == (3, "priced"), "no factor on the place's own row"


def test_negotiated_and_manual_rates_are_certain(tmp_path: Path) -> None:
    book = write_book(tmp_path, maker=HEAD + RATE)

    assert judged(book.with_rows([{**ROW, "per_million": {"input_tokens": "4"}}]), region="eu") == (4, "priced")
    contract = book.with_rows([{**ROW, "per_million": {"input_tokens": "5"}, "org": "acme"}])
    assert judged(contract, region="eu", org="acme") == (5, "priced")
    assert judged(contract, region="eu", org="other") == (1, "partial")
    assert judged(book.with_rows([{**ROW, "free": True}]), region="eu") == (0, "free")


def test_a_shared_list_keeps_its_tiers_and_regions() -> None:
    rows = [
        {**ROW, "per_million": {"input_tokens": "2"}},
        {**ROW, "per_million": {"input_tokens": "1"}, "tiers": ["batch"]},
        {**ROW, "provider": "shop", "models": ["own"], "per_million": {"input_tokens": "7"}},
    ]
    documents = document_of_rows(rows, layer=1)
    documents[2].head.data["shares"] = ["maker"]  # type: ignore[index]
    book = PriceBook(documents=documents)

    used = {"input_tokens": M}
    found = [costs(price(book, Call("shop", "m", used, tier=tier)))["input_cost"] for tier in ("standard", "batch")]
    assert found == [2, 1]
    assert price(book, Call("shop", "other", used))["pricing_status"] == "unpriced"


def test_a_place_that_is_no_text_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(PriceBookError, match=r"maker.toml:2: 'places' must map a prefix to a region"):
        write_book(tmp_path, maker='provider = "maker"\nplaces = { "eu." = 1 }\n' + RATE)
