"""docs/api.md shows real answers: each of its commands is repeated on demo traffic."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from fastapi.testclient import TestClient

from spendmeter_clickhouse import Store
from tests.support.demo_store import fill_with_demo
from tests.support.service import service

PAGE = Path(__file__).parents[3] / "docs" / "api.md"
END = datetime(2026, 11, 22, 9, tzinfo=UTC)
EXAMPLE = re.compile(r"<!-- show:(?P<show>[^>]*)-->\n```sh\n(?P<curl>.*?)\n```\n```json\n(?P<json>.*?)```", re.DOTALL)
CSV = re.compile(r"<!-- csv: (?P<lines>\d+) -->\n```sh\n(?P<curl>.*?)\n```\n```csv\n(?P<csv>.*?)```", re.DOTALL)
MOST_ITEMS = 3


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[TestClient]:
    fill_with_demo(store, days=40, end=END)
    with service(store, now=END) as client:
        yield client


def ask(client: TestClient, command: str) -> Any:
    """Return the response that curl would get."""
    words = shlex.split(command)
    url = urlsplit(words[-1].removeprefix("$SPENDMETER"))
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    body = json.loads(words[words.index("-d") + 1]) if "-d" in words else None
    return client.request(method, url.path, params=tuple(parse_qsl(url.query)), json=body)


def shown(value: Any, paths: list[list[str]]) -> Any:
    """Return only `paths` of `value`, and the first items of lists; everything without paths."""
    if isinstance(value, list):
        return [shown(item, paths) for item in value[:MOST_ITEMS]]
    if not isinstance(value, dict) or not any(paths):
        return {name: shown(item, []) for name, item in value.items()} if isinstance(value, dict) else value
    names = list(dict.fromkeys(path[0] for path in paths))
    return {name: shown(value[name], [path[1:] for path in paths if path[0] == name]) for name in names}


@pytest.mark.slow
def test_every_answer_on_the_page_is_the_real_one(client: TestClient) -> None:
    page = PAGE.read_text(encoding="utf-8")

    def renewed(match: re.Match[str]) -> str:
        paths = [path.split(".") for path in match["show"].split()]
        answer = json.dumps(shown(ask(client, match["curl"]).json(), paths), indent=1, ensure_ascii=False)
        return match[0].replace(f"```json\n{match['json']}```", f"```json\n{_compact(answer)}\n```")

    def renewed_file(match: re.Match[str]) -> str:
        lines = ask(client, match["curl"]).text.splitlines()[: int(match["lines"])]
        return match[0].replace(f"```csv\n{match['csv']}```", "```csv\n" + "\n".join(lines) + "\n```")

    real = CSV.sub(renewed_file, EXAMPLE.sub(renewed, page))
    if os.environ.get("SPENDMETER_UPDATE_DOCS"):
        PAGE.write_text(real, encoding="utf-8")
        return
    assert page == real


def _compact(text: str) -> str:
    """Put each innermost object on one line."""
    return re.sub(r"\{[^{}\[\]]*\}", lambda found: " ".join(found[0].split()), text)


def test_every_route_is_on_the_page(client: TestClient) -> None:
    page = PAGE.read_text(encoding="utf-8")
    for path in client.get("/openapi.json").json()["paths"]:
        stem = path.partition("{")[0]
        assert stem in page, path
