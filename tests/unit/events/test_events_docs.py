"""docs/emitting.md matches the code: names and defaults."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import spendmeter_events
from spendmeter_events import DropReason, KafkaConnection, ProducerSettings, ProducerStats

_DOCS = (Path(__file__).resolve().parents[3] / "docs" / "emitting.md").read_text()
_SHOWN = {100_000: "100,000", 64 * 2**20: "64 MiB", 512 * 2**10: "512 KiB", 2**30: "1 GiB", 10.0: "10", 15.0: "15"}


@pytest.mark.parametrize("field", dataclasses.fields(ProducerSettings), ids=lambda field: field.name)
def test_setting_is_documented_with_its_default(field: dataclasses.Field[object]) -> None:
    default = field.default
    shown = f"`{default}`" if isinstance(default, str) else _SHOWN.get(default, str(default))  # type: ignore[call-overload]
    assert f"| `{field.name}` | {shown} |" in _DOCS


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(KafkaConnection)])
def test_connection_option_is_documented(name: str) -> None:
    assert f"`{name}`" in _DOCS


@pytest.mark.parametrize("reason", DropReason)
def test_drop_reason_is_documented(reason: DropReason) -> None:
    assert f"| `{reason}` |" in _DOCS


def test_every_documented_import_exists() -> None:
    imported = [line for line in _DOCS.splitlines() if line.startswith("from spendmeter_events import ")]
    names = {name.strip() for line in imported for name in line.partition(" import ")[2].split(",")}
    assert names
    assert names <= set(spendmeter_events.__all__)


def test_documented_sum_names_real_counts() -> None:
    counts = {field.name for field in dataclasses.fields(ProducerStats)} | set(DropReason)
    assert "`accepted = sent + buffered + refused + unsent`" in _DOCS
    assert {"accepted", "sent", "buffered", "refused", "unsent"} <= counts
