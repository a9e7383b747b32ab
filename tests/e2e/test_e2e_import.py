"""Import a real provider trace end to end: its exact cost is stored once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import RunningStack, running, spendmeter, wait_until

AZURE = Path(__file__).parents[2].parent / "shared" / "data" / "AzureLLMInferenceTrace_conv.csv"
DUPLICATES = 'spendmeter_events_total{outcome="duplicate"}'
COLUMNS = ("occurred_at=TIMESTAMP", "input_tokens=ContextTokens", "output_tokens=GeneratedTokens")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


def import_file(stack: RunningStack, file: Path) -> str:
    options = [option for column in COLUMNS for option in ("--column", column)]
    constants = ("--org", "azure", "--provider", "openai", "--model", "gpt-4o", "--feature", "chat")
    done = spendmeter("import", file, *constants, *options, "--data-dir", stack.folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.data
@pytest.mark.skipif(not AZURE.exists(), reason="the real trace is not in ../shared/data")
def test_a_real_trace_costs_what_it_cost_once(stack: RunningStack) -> None:
    assert "19,366 events published, 0 lines rejected" in import_file(stack, AZURE)
    wait_until(lambda: stack.totals()["requests"] == 19_366)
    first = stack.totals()
    assert (first["input_tokens"], first["output_tokens"]) == (22_361_870, 4_088_665)
    assert first["cost"] == "96.791325"

    # Import it again: every event is a duplicate, and no figure changes.
    published = stack.metric(DUPLICATES)
    import_file(stack, AZURE)
    wait_until(lambda: stack.metric(DUPLICATES) == published + 19_366)
    assert stack.totals() == first

    events = stack.get("/v1/usage/events?preset=all&page_size=10")
    assert len(events["rows"]) == 10
