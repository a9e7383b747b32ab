"""A price map in LiteLLM's format is read in every kind of token that events count."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from docs.build.price_map import entries, priced_calls

from tests.support.pricing import packaged_book

REALTIME = {
    "litellm_provider": "openai",
    "mode": "realtime",
    "input_cost_per_token": 6e-07,
    "cache_read_input_token_cost": 6e-08,
    "input_cost_per_audio_token": 1e-05,
    "cache_read_input_audio_token_cost": 3e-07,
    "input_cost_per_image_token": 8e-07,
    "cache_read_input_image_token_cost": 8e-08,
    "output_cost_per_token": 2.4e-06,
    "output_cost_per_audio_token": 2e-05,
}
DRAWS = {
    "litellm_provider": "gemini",
    "mode": "image_generation",
    "input_cost_per_token": 2e-06,
    "output_cost_per_token": 1.2e-05,
    "output_cost_per_image_token": 0.00012,
    "output_cost_per_image": 0.134,
}


def test_cached_audio_and_images_are_read(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"gpt-realtime-2.1-mini": REALTIME, "gemini-3-pro-image": DRAWS, "free": {}}))
    read = {key: entry for key, entry in entries(path) if entry}
    kinds = {"input_image_tokens", "cache_read_image_tokens", "cache_read_audio_tokens", "output_audio_tokens"}
    assert kinds < read["gpt-realtime-2.1-mini"].rates.keys()
    assert set(read["gemini-3-pro-image"].rates) == {"input_tokens", "output_tokens", "output_image_tokens"}
    for entry, priced in priced_calls(packaged_book(), path, datetime(2026, 11, 1, tzinfo=UTC)):
        assert (priced["pricing_status"], priced["cost"]) == ("priced", entry.cost().quantize(Decimal("1e-12"))), entry
