"""The real trace, if available, has known totals."""

from __future__ import annotations

from pathlib import Path

import pytest

from spendmeter_events.importers import EventMapping, Imported, events

TRACE = Path(__file__).parents[4] / "shared" / "data" / "AzureLLMInferenceTrace_conv.csv"


@pytest.mark.data
@pytest.mark.skipif(not TRACE.exists(), reason="../shared/data/AzureLLMInferenceTrace_conv.csv is not there")
def test_the_azure_trace_gives_its_known_totals() -> None:
    mapping = EventMapping(
        columns={
            "occurred_at": "TIMESTAMP",
            "input_tokens": "ContextTokens",
            "output_tokens": "GeneratedTokens",
        },
        constants={"org_id": "azure", "provider": "openai", "model": "gpt-4o", "feature": "chat"},
    )
    found = [item.event for item in events(TRACE, mapping) if isinstance(item, Imported)]
    assert len(found) == len({event.event_id for event in found}) == 19_366
    assert sum(event.input_tokens for event in found) == 22_361_870
    assert sum(event.output_tokens for event in found) == 4_088_665
    assert found[0].occurred_at.isoformat() == "2023-11-16T18:15:46.680000+00:00"
    assert [event.event_id for event in found[:2]] != [event.event_id for event in found[1:3]]
