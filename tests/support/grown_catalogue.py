"""Run by test_clickhouse_catalogue in a copy of the project whose catalogue has one more unit and one more dimension.

Prints what each part of the copy makes of them, as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec
from fastapi.testclient import TestClient
from grafana.build.all import rendered

from spendmeter_clickhouse import Store, StoreSettings, migrate
from spendmeter_clickhouse.ddl import schema
from spendmeter_clickhouse.migrate import packaged_migrations
from spendmeter_events import UsageEvent
from spendmeter_rollups import ServiceSettings, create_app
from spendmeter_stream.ingest.block import build_block
from spendmeter_stream.ingest.decode import Events, WireEvent
from spendmeter_stream.journal.coordinates import Coordinates
from spendmeter_stream.pricing import PriceBook
from spendmeter_stream.verify.compare import compare_days

KEY = "the administrator's key of the grown catalogue: 0123456789"


async def _migrated(store: Store) -> list[str]:
    await migrate(store)
    with store.session("schema") as session:
        return await schema.differences(session)


async def _stored(store: Store, event: UsageEvent) -> dict[str, Any]:
    assert msgspec.json.Decoder(WireEvent).decode(event.to_json()) == WireEvent.of(event)
    block = build_block(
        Events.of([event]),
        coordinates=Coordinates("grown", 0),
        book=PriceBook.load(),
        users={},
        ingested_at=datetime.now(UTC),
    )
    with store.session("grown") as session:
        await session.insert_arrow("usage_events", block)
        agreed = await compare_days(session, [event.occurred_at.date()])
        stray = "INSERT INTO usage_daily (bucket, org_id, team, video_tokens) VALUES (now(), 'x', 'y', 1)"
        await session.command(stray)
        differing = await compare_days(session, [event.occurred_at.date()])
    return {
        "block": [name for name in block.column_names if name in ("team", "video_tokens")],
        "unpriced": block["unpriced_units"].to_pylist()[0],
        "verify": [len(agreed), sorted({it.measure for day in differing for it in day.differences})],
    }


def _answer(store: Store) -> dict[str, Any]:
    settings = ServiceSettings(admin_key=KEY, answer_cache_seconds=0)
    headers = {"Authorization": f"Bearer {KEY}"}
    with TestClient(create_app(store=store, settings=settings), headers=headers) as client:
        found = client.get("/v1/usage/breakdown/team", params={"team": "red"})
        assert found.status_code == 200, found.text
        (row,) = found.json()["rows"]
    return {name: row[name] for name in ("key", "video_tokens", "prompt_tokens", "total_tokens")}


def main(folder: str) -> None:
    """Ask every part."""
    event = UsageEvent.now(
        org_id="acme", feature="chat", provider="openai", model="gpt-4o", team="red", input_tokens=1, video_tokens=41
    )
    # The SQL is that of before: the comparison names what it lacks.
    with Store(StoreSettings(store_dsn=f"chdb://{folder}?database=stale")) as stale:
        missing = asyncio.run(_migrated(stale))
    schema.main()
    with Store(StoreSettings(store_dsn=f"chdb://{folder}?database=grown")) as store:
        differences = asyncio.run(_migrated(store))
        found = asyncio.run(_stored(store, event))
        answer = _answer(store)
    boards = rendered()
    print(
        json.dumps(
            {
                **found,
                "missing": missing,
                "differences": differences,
                "answer": answer,
                "boards": sum("sum(usage.video_tokens)" in board for board in boards.values()),
                "variables": sum(bool(re.search(r'"name": "team"', board)) for board in boards.values()),
                "sql": sum(path.read_text().count("video_tokens") for path in packaged_migrations().glob("*.sql")),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
