"""Units and measures are defined once: generated SQL is up to date, and few other files name a token bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from spendmeter_clickhouse.catalogue import COLUMNS, STORED
from spendmeter_clickhouse.ddl import schema
from spendmeter_clickhouse.migrate import packaged_migrations
from spendmeter_events.event import UsageEvent
from spendmeter_events.extract import Usage
from spendmeter_events.usage_units import REASONING, UNITS
from spendmeter_stream.ingest.decode import WireEvent

ROOT: Final = Path(__file__).parents[3]
_FOLDERS: Final = ("producers", "clickhouse", "stream", "rollups", "deploy", "grafana")
# Extractors and presets of importers translate the names of others, so each names the buckets of its source.
_TRANSLATORS: Final = ("producers/spendmeter_events/extract/_", "producers/spendmeter_events/importers/_presets.py")
NAMED_BY: Final = {
    "cache_write_1h_tokens": [
        # The contract, its fast decoder, the extractors' result, the table of units.
        "producers/spendmeter_events/event.py",
        "producers/spendmeter_events/extract/usage.py",
        "producers/spendmeter_events/usage_units.py",
        "stream/spendmeter_stream/ingest/decode.py",
        # The demo and genai-prices have other names for them.
        "producers/spendmeter_events/traffic/_templates.py",
        "stream/spendmeter_stream/pricing/seed/genai.py",
        # The table of raw events; all others are generated.
        "clickhouse/migrations/0001_usage_events.sql",
    ],
    "output_audio_tokens": [
        "producers/spendmeter_events/event.py",
        "producers/spendmeter_events/extract/usage.py",
        "producers/spendmeter_events/usage_units.py",
        "stream/spendmeter_stream/ingest/decode.py",
        "stream/spendmeter_stream/pricing/seed/genai.py",
        "clickhouse/migrations/0001_usage_events.sql",
    ],
}


def test_generated_sql_is_that_of_the_catalogue() -> None:
    for name, generate in zip(schema.GENERATED, (schema.rollups, schema.projections), strict=True):
        text = (packaged_migrations() / name).read_text()
        assert generate(text) == text, "run `make schema`"


def test_the_contract_and_its_readers_have_every_unit() -> None:
    units = {*(unit.name for unit in UNITS), REASONING}
    for fields in (UsageEvent.model_fields, WireEvent.__struct_fields__, Usage.__dataclass_fields__, STORED):
        assert units <= set(fields)


def test_every_dimension_comes_from_the_event_or_the_directory() -> None:
    assert set(COLUMNS) - set(UsageEvent.model_fields) == {"role", "class_name", "section"}


@pytest.mark.parametrize("bucket", NAMED_BY)
def test_few_places_name_a_token_bucket(bucket: str) -> None:
    found = [
        str(path.relative_to(ROOT))
        for folder in _FOLDERS
        for suffix in ("py", "sql")
        for path in (ROOT / folder).rglob(f"*.{suffix}")
        if path.name not in schema.GENERATED and bucket in path.read_text()
    ]
    assert sorted(name for name in found if not name.startswith(_TRANSLATORS)) == sorted(NAMED_BY[bucket])
