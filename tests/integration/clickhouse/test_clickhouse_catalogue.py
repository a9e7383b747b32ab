"""The catalogue: the store has its columns and views, and a new unit or dimension reaches every part."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.ddl import schema

ROOT: Final = Path(__file__).parents[3]
_PACKAGES: Final = ("producers", "clickhouse", "stream", "rollups", "deploy", "grafana")
EDITS: Final = (
    (
        "producers/spendmeter_events/usage_units.py",
        '    Unit("characters"',
        '    Unit("video_tokens", "audio_cost", "prompt"),\n',
    ),
    ("producers/spendmeter_events/event.py", "    characters: Count", "    video_tokens: Count = 0\n"),
    ("producers/spendmeter_events/event.py", "    service: Label", '    team: Label = ""\n'),
    ("stream/spendmeter_stream/ingest/decode.py", "    characters: _Count", "    video_tokens: _Count = 0\n"),
    ("stream/spendmeter_stream/ingest/decode.py", "    service: _Label", '    team: _Label = ""\n'),
    ("clickhouse/migrations/0001_usage_events.sql", "    characters UInt64", "    video_tokens UInt64,\n"),
    ("clickhouse/migrations/0001_usage_events.sql", "    service Low", "    team LowCardinality(String),\n"),
    (
        "clickhouse/spendmeter_clickhouse/catalogue.py",
        '    Dimension("service"',
        '    Dimension("team", ("team",), filter="Team"),\n',
    ),
)
"""(file, line before which the new line is added, new line)."""


def test_a_migrated_store_has_the_columns_and_views_of_the_catalogue(store: Store) -> None:
    with store.session("schema") as session:
        assert asyncio.run(schema.differences(session)) == []


def test_a_new_unit_and_a_new_dimension_reach_every_part(tmp_path: Path) -> None:
    copy = tmp_path / "project"
    for name in _PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file, before, line in EDITS:
        text = (copy / file).read_text()
        assert text.count(f"\n{before}") == 1, (file, before)
        (copy / file).write_text(text.replace(f"\n{before}", f"\n{line}{before}"))

    path = os.pathsep.join(str(copy / name) for name in ("", *_PACKAGES))
    done = subprocess.run(
        [sys.executable, shutil.copy(ROOT / "tests/support/grown_catalogue.py", copy), tmp_path / "store"],
        env={**os.environ, "PYTHONPATH": path},
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert "usage_daily.video_tokens: missing, not SimpleAggregateFunction(sum, UInt64)" in found["missing"]
    assert "usage_daily.team: missing, not LowCardinality(String)" in found["missing"]
    assert "user_daily_view: not the SELECT of the catalogue" in found["missing"]
    assert found["differences"] == []
    assert found["block"] == ["team", "video_tokens"]
    assert found["unpriced"] == ["video_tokens"]
    assert found["verify"][0] == 0
    assert "video_tokens" in found["verify"][1]
    assert found["answer"] == {"key": {"team": "red"}, "video_tokens": 41, "prompt_tokens": 42, "total_tokens": 42}
    assert found["boards"] >= 8
    assert found["variables"] >= 12
    # By hand: a line each for the unit and the dimension, in five files. All other SQL is generated.
    assert len({file for file, _, _ in EDITS}) == 5
    assert found["sql"] > 20
