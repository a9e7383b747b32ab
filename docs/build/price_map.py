"""Read a copy of LiteLLM's `model_prices_and_context_window.json` as calls with their costs by the map.

The map itself is never part of this repository: pass the path of a copy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np

from spendmeter_stream.pricing import PriceBook, price_chunk
from spendmeter_stream.pricing.book.units import COUNT_COLUMNS

MODES: Final = (
    "chat", "completion", "responses", "embedding", "image_generation", "image_edit", "audio_transcription",
    "audio_speech", "realtime",
)  # fmt: skip
COUNT: Final = 1_000
"""Tokens, characters or images of each priced unit in a call."""

_TOKENS: Final = {
    "input_cost_per_token": "input_tokens",
    "cache_read_input_token_cost": "cache_read_tokens",
    "cache_creation_input_token_cost": "cache_write_5m_tokens",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h_tokens",
    "output_cost_per_token": "output_tokens",
    "input_cost_per_audio_token": "input_audio_tokens",
    "cache_read_input_audio_token_cost": "cache_read_audio_tokens",
    "output_cost_per_audio_token": "output_audio_tokens",
    "input_cost_per_image_token": "input_image_tokens",
    "cache_read_input_image_token_cost": "cache_read_image_tokens",
    "output_cost_per_image_token": "output_image_tokens",
    "input_cost_per_character": "characters",
}
_PROVIDERS: Final = {
    "bedrock_converse": "bedrock", "bedrock_mantle": "bedrock", "azure_text": "azure", "azure_ai": "azure",
    "text-completion-openai": "openai", "cohere_chat": "cohere", "text-completion-codestral": "mistral",
    "fireworks_ai-embedding-models": "fireworks", "text-completion-inception": "inception", "codestral": "mistral",
    "aws_polly": "amazon-polly", "amazon_nova": "amazon-nova-api",
}  # fmt: skip
_SIZE: Final = re.compile(r"^(?:(?P<quality>standard|hd|low|medium|high)/)?(?P<w>\d+)-x-(?P<h>\d+)/(?P<rest>.+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One id of the map: a call with every unit that the map prices, and the rates."""

    id: str
    provider: str
    model: str
    rates: Mapping[str, Decimal]
    """USD for one of each unit; one second of audio."""
    tags: Mapping[str, str]
    source: str

    def usage(self) -> dict[str, int]:
        """Return the counts by column of a chunk; audio in milliseconds."""
        used = {unit: COUNT for unit in self.rates if unit != "audio_seconds"}
        return used | ({"audio_milliseconds": COUNT * 1000} if "audio_seconds" in self.rates else {})

    def cost(self) -> Decimal:
        return sum((rate * COUNT for rate in self.rates.values()), Decimal(0))


def entries(path: Path) -> Iterator[tuple[str, Entry | None]]:
    """Yield each id of a metered mode with its call, or None if no rate of the map has a unit in events."""
    content = json.loads(path.read_text("utf-8"), parse_float=Decimal)
    for key, data in content.items():
        if isinstance(data, dict) and data.get("litellm_provider") and data.get("mode") in MODES:
            yield key, _entry(key, data)


def provider_of(name: str) -> str:
    """Return the provider of an event for a provider of the map."""
    return "vertex" if name.startswith("vertex_ai") else _PROVIDERS.get(name, name)


def _entry(key: str, data: Mapping[str, Any]) -> Entry | None:
    size = _SIZE.match(key.split("/", 1)[1] if key.startswith("azure/") else key)
    rates = dict(_rates(data, size))
    if not any(rates.values()):
        return None
    model = size["rest"] if size else key
    name = str(data["litellm_provider"])
    for prefix in (f"{name}/", f"{name.split('-')[0]}/", f"{provider_of(name)}/"):
        model = model.removeprefix(prefix)
    tags = {"image_size": f"{size['w']}x{size['h']}"} if size else {}
    if "output_image_tokens" in rates:
        # A call that counts tokens of its images does not pay for images.
        rates.pop("images", None)
    if size and size["quality"]:
        tags["image_quality"] = size["quality"]
    source = str(data.get("source", ""))
    return Entry(id=key, provider=provider_of(name), model=model, rates=rates, tags=tags, source=source)


def _rates(data: Mapping[str, Any], size: re.Match[str] | None) -> Iterator[tuple[str, Decimal]]:
    for key, unit in _TOKENS.items():
        if isinstance(data.get(key), Decimal | int) and data[key]:
            yield unit, Decimal(data[key])
    image = _image(data, size)
    if image and str(data["mode"]).startswith("image"):
        yield "images", image
    if str(data["mode"]).startswith("audio"):
        seconds = data.get("input_cost_per_second") or data.get("output_cost_per_second")
        if seconds and not data.get("input_cost_per_token"):
            yield "audio_seconds", Decimal(seconds)


def _image(data: Mapping[str, Any], size: re.Match[str] | None) -> Decimal:
    rate = data.get("output_cost_per_image") or data.get("input_cost_per_image")
    if rate:
        return Decimal(rate)
    pixel = data.get("output_cost_per_pixel") or data.get("input_cost_per_pixel")
    return Decimal(pixel) * int(size["w"]) * int(size["h"]) if pixel and size else Decimal(0)


def priced_calls(book: PriceBook, path: Path, at: datetime) -> Iterator[tuple[Entry, dict[str, Any]]]:
    """Yield each entry with a rate, and its call as priced by the book at a time."""
    found = [entry for _, entry in entries(path) if entry]
    counts = [entry.usage() for entry in found]
    columns: dict[str, Any] = {
        "provider": [entry.provider for entry in found],
        "model": [entry.model for entry in found],
        "tags": [dict(entry.tags) for entry in found],
        "occurred_at_ms": np.full(len(found), round(at.timestamp() * 1000)),
        **{name: [""] * len(found) for name in ("org_id", "service_tier", "region")},
        **{name: np.array([each.get(name, 0) for each in counts], np.int64) for name in COUNT_COLUMNS},
    }
    priced = {name: column.to_pylist() for name, column in price_chunk(book, columns).items()}
    for row, entry in enumerate(found):
        yield entry, {name: values[row] for name, values in priced.items()}


def unpriced(book: PriceBook, path: Path, at: datetime) -> Iterator[tuple[Entry, set[str]]]:
    """Yield each entry that the book does not price in full, and the unpriced units."""
    for entry, priced in priced_calls(book, path, at):
        if priced["pricing_status"] in ("partial", "unpriced"):
            yield entry, set(priced["unpriced_units"])
