"""Pricing: chunks of 10,000 mixed events on one core, beside `genai_prices.calc_price`, and the cold start."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from statistics import median
from typing import Any

import numpy as np
from genai_prices import Usage, calc_price

from spendmeter_stream.pricing import PriceBook, price_chunk
from spendmeter_stream.pricing.book.units import COUNT_COLUMNS

_CHUNK = 10_000
_CHUNKS = 20
_ROUNDS = 5
_NOW_MS = 1_795_000_000_000
_DAY_MS = 86_400_000
_MODELS = (
    ("openai", "gpt-5-mini", ("standard", "batch", "flex")),
    ("openai", "gpt-4o", ("standard", "priority")),
    ("openai", "gpt-5.4", ("standard", "flex")),
    ("openai", "text-embedding-3-small", ("standard",)),
    ("openai", "whisper-1", ("standard",)),
    ("openai", "dall-e-3", ("standard",)),
    ("anthropic", "claude-sonnet-5-20260601", ("standard", "batch")),
    ("anthropic", "claude-haiku-4-5", ("standard",)),
    ("google", "models/gemini-2.5-pro", ("standard",)),
    ("google", "gemini-3.6-flash", ("standard", "batch")),
    ("deepseek", "deepseek-v4-flash", ("standard",)),
    ("azure", "gpt-4o-2024-08-06", ("standard",)),
    ("bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0", ("standard",)),
    ("mistral", "mistral-large-latest", ("standard",)),
    ("groq", "llama-3.3-70b-versatile", ("standard",)),
    ("openrouter", "openai/gpt-4o", ("standard",)),
    ("elevenlabs", "eleven_multilingual_v2", ("standard",)),
    ("ollama", "llama3.2:3b", ("standard",)),
    ("nobody", "a-model-without-a-price", ("standard",)),
)


def chunk(source: random.Random) -> dict[str, Any]:
    """10,000 events of the last 90 days: 19 models, tiers, 500 orgs, every unit that each model bills."""
    numbers = np.random.default_rng(source.randrange(2**32))
    kinds = source.choices(_MODELS, k=_CHUNK)
    columns: dict[str, Any] = {
        "provider": [provider for provider, _, _ in kinds],
        "model": [model for _, model, _ in kinds],
        "service_tier": [source.choice(tiers) for _, _, tiers in kinds],
        "region": source.choices(("", "us", "eu"), k=_CHUNK),
        "org_id": [f"school-{source.randrange(500)}" for _ in kinds],
        "occurred_at_ms": _NOW_MS - numbers.integers(0, 90 * _DAY_MS, _CHUNK),
        "tags": [{} for _ in kinds],
    }
    columns |= {name: np.zeros(_CHUNK, np.int64) for name in COUNT_COLUMNS}
    for name, most in (("input_tokens", 6_000), ("cache_read_tokens", 3_000), ("output_tokens", 1_500)):
        columns[name] = numbers.integers(0, most, _CHUNK)
    for row, (_, model, _) in enumerate(kinds):
        if model == "whisper-1":
            columns["audio_milliseconds"][row] = 61_000
        elif model.startswith("eleven"):
            columns["characters"][row] = 800
        elif model == "dall-e-3":
            columns["images"][row] = 1
            columns["tags"][row] = {"image_size": "1024x1024", "image_quality": "hd"}
    return columns


def events_per_second(book: PriceBook) -> float:
    """Median over rounds, in seconds of one processor: what else the machine does is not counted."""
    chunks = [chunk(random.Random(seed)) for seed in range(_CHUNKS)]
    price_chunk(book, chunks[0])
    rates = []
    for _ in range(_ROUNDS):
        started = time.process_time()
        for columns in chunks:
            price_chunk(book, columns)
        rates.append(_CHUNK * _CHUNKS / (time.process_time() - started))
    return median(rates)


def calls_per_second() -> float:
    """The same question put to `genai_prices`, one call at a time."""
    usage = Usage(input_tokens=5_000, cache_read_tokens=2_000, output_tokens=700)
    started = time.process_time()
    for _ in range(2_000):
        calc_price(usage, "gpt-5-mini", provider_id="openai")
    return 2_000 / (time.process_time() - started)


_COLD = """
import time
started = time.perf_counter(), time.process_time()
import numpy, pyarrow
imported = time.perf_counter(), time.process_time()
from spendmeter_stream.pricing import PriceBook
book = PriceBook.load()
done = time.perf_counter(), time.process_time()
print(done[0] - started[0], done[1] - imported[1], sum(len(price.rates) for price in book.prices))
"""


def cold_start() -> tuple[float, float, int]:
    """In new processes: seconds from nothing to a compiled book, of those the book's processor time; rates in it."""
    runs = [
        subprocess.run([sys.executable, "-c", _COLD], capture_output=True, text=True, check=True, timeout=60).stdout
        for _ in range(_ROUNDS)
    ]
    found = [tuple(map(float, run.split())) for run in runs]
    return median(run[0] for run in found), median(run[1] for run in found), int(found[0][2])


def run() -> list[tuple[str, str]]:
    """(name, value) of every measurement."""
    rate, single = events_per_second(PriceBook.load()), calls_per_second()
    seconds, compiled, rates = cold_start()
    return [
        (f"events priced a second, one core, chunks of {_CHUNK:,}", f"{rate:,.0f}"),
        ("`genai_prices.calc_price` calls a second", f"{single:,.0f}"),
        ("ratio", f"{rate / single:,.0f}"),
        ("cold start: a new process to a compiled book", f"{seconds:.2f} s"),
        (f"of which reading and compiling {rates:,} rates, processor time", f"{compiled:.2f} s"),
    ]


if __name__ == "__main__":
    for name, value in run():
        print(f"{name}: {value}")
