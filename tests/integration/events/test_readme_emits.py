"""The README's example of an emitter runs as it is written."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from spendmeter_events import UsageEvent
from spendmeter_events.topics import USAGE
from spendmeter_stream.kafka.topic_admin import ensure_topics
from tests.support.kafka.topic import read_topic

README = Path(__file__).parents[3] / "README.md"


async def test_the_first_example_of_the_readme_emits_an_event(fresh_tansu: Any) -> None:
    (block, *_) = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert "kafka:9092" in block
    body = textwrap.indent(block.replace("kafka:9092", fresh_tansu.connection.bootstrap_servers), "    ")
    await ensure_topics(fresh_tansu.connection.client_options(), usage_partitions=1)
    program = f"import asyncio\nasync def main():\n{body}\nasyncio.run(main())\n"
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], check=True, timeout=300, cwd="/")
    (record,) = await read_topic(fresh_tansu.connection, USAGE, count=1)
    event = UsageEvent.model_validate_json(record.value or b"")
    assert (event.org_id, event.model, event.cache_read_tokens) == ("school-1", "gpt-4o", 4096)
