"""The packaged book as a whole."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import pytest

import spendmeter_stream.pricing.book.price_book as book_module
from spendmeter_stream.pricing import PriceBook, packaged_directory
from spendmeter_stream.pricing.book.index import CallKind
from tests.support.pricing import Call, packaged_book, price, price_all

NAMED = [
    "openai", "azure", "anthropic", "bedrock", "gemini", "vertex", "xai", "mistral", "deepseek", "groq", "cohere",
    "together", "openrouter", "elevenlabs", "azure-speech", "edge-tts", "deepl", "ollama",
]  # fmt: skip


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return packaged_book()


@pytest.mark.parametrize("name", NAMED)
def test_every_named_provider_has_prices(book: PriceBook, name: str) -> None:
    provider = book.provider_name(name)

    assert provider is not None
    assert any(each.terms.provider == provider for each in book.prices)


@pytest.mark.parametrize(
    ("spelling", "provider"),
    [("Azure_OpenAI", "azure"), ("az.ai.openai", "azure"), ("aws.bedrock", "bedrock"), ("gcp.vertex_ai", "vertex"),
     ("X AI", "xai"), ("mistralai", "mistral"), ("Eleven Labs", "elevenlabs"), ("nobody", None)],
)  # fmt: skip
def test_a_provider_goes_by_many_names(book: PriceBook, spelling: str, provider: str | None) -> None:
    assert book.provider_name(spelling) == provider


def test_every_rate_has_a_source_and_a_date_of_verification(book: PriceBook) -> None:
    for each in book.prices:
        assert each.terms.source
        assert date(2024, 1, 1) < date.fromisoformat(each.terms.verified_at) <= date(2026, 11, 26)


def test_rows_from_memory_say_so(book: PriceBook) -> None:
    """A row states whether its source page was read: a link alone would imply it."""
    hand = [each for each in book.prices if each.terms.layer == 1]

    assert hand
    assert all(
        each.terms.note or each.terms.source == "https://developers.openai.com/api/docs/pricing" for each in hand
    )


def test_a_trace_of_2023_can_be_priced_with_the_models_of_today(book: PriceBook) -> None:
    priced = price(book, Call("openai", "gpt-4o", {"input_tokens": 1_000_000}, at="2023-11-16T18:15:46+00:00"))

    assert (priced["cost"], priced["pricing_status"]) == (2.5, "priced")


def test_a_tier_is_unpriced_before_the_standard_price_it_was_checked_with(book: PriceBook) -> None:
    early, late = price_all(
        book,
        [
            Call("openai", "gpt-5.6-luna", {"input_tokens": 10}, tier="batch", at=at)
            for at in ("2026-07-29T00:00Z", "2026-07-31T00:00Z")
        ],
    )

    assert (early["pricing_status"], late["pricing_status"]) == ("unpriced", "priced")


def test_the_version_is_on_every_row(book: PriceBook) -> None:
    priced = price_all(book, [Call("openai", "gpt-4o"), Call("nobody", "x")])

    assert {each["price_version"] for each in priced} == {book.version}
    assert PriceBook.load().version == book.version


def test_the_wheel_finds_its_prices_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = packaged_directory()
    assert (checkout / "openai.toml").is_file()

    package = tmp_path / "spendmeter_stream"
    (package / "prices").mkdir(parents=True)
    monkeypatch.setattr(book_module, "files", lambda _: package)

    assert packaged_directory() == package / "prices"


def test_the_wheel_carries_the_price_files() -> None:
    pyproject = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())

    included = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included["stream/prices"] == "spendmeter_stream/prices"


def test_a_flood_of_model_names_does_not_fill_the_memory(book: PriceBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_module, "_CACHED_KEYS", 3)
    fresh = book.with_rows([])

    for number in range(10):
        fresh.timeline(CallKind("openai", f"made-up-{number}", "standard", ""))

    assert len(fresh._timelines) <= 3  # noqa: SLF001 - a cache has no other sign
    assert price(fresh, Call("openai", "gpt-4o", {"output_tokens": 1_000_000}))["cost"] == 10


def test_equal_cards_are_kept_once(book: PriceBook) -> None:
    fresh = book.with_rows([])
    price_all(
        fresh, [Call("openai", name, region=region) for name in ("gpt-4.1", "GPT-4.1") for region in ("", "eu", "x")]
    )

    assert fresh.cards.arrays().size == 2, "the unknown card and one more"
