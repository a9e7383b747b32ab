"""Usage in other layouts: Cohere's billed units, Ollama's evaluation counts, and a total alone (Voyage, Jina)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spendmeter_events.extract._sections.payload import fields_of, items, pick
from spendmeter_events.extract._sections.tally import Kinds, Tally, part
from spendmeter_events.extract._sections.tokens import tokens
from spendmeter_events.extract._sections.tools import tool_tag

Native = Callable[[Tally], tuple[object, dict[str, Any]]]


def native_usage(body: object, usage: object) -> Native | None:
    """Return a reader of the usage section and its buckets, if the body has one of these layouts."""
    meta = part(body, "meta")
    for section in (usage, meta):
        if part(section, "billed_units") is not None:
            return lambda tally: (section, _cohere(tally, section))
    if pick(body, "prompt_eval_count", "eval_count") is not None:
        return lambda tally: _ollama(tally, body)
    if usage is None and (found := _flat_usage(body)) is not None:
        return lambda tally: (found, tokens(tally, found))
    section = usage if usage is not None else _bare_total(body)
    sides = ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens")
    if pick(section, "total_tokens") is not None and pick(section, *sides) is None and _is_input_only(body):
        return lambda tally: (section, _only_input(tally, section))
    return None


def _cohere(tally: Tally, section: object) -> dict[str, Any]:
    """Return the billed units, which the invoice counts; `tokens` also includes Cohere's own prompt."""
    billed = part(section, "billed_units", "billedUnits")
    tally.skip(section, "tokens", "api_version", "warnings")
    prompt, output = tally.count(billed, "input_tokens"), tally.count(billed, "output_tokens")
    cached = tally.first((section, ("cached_tokens",)), (billed, ("cached_tokens",)))
    images = tally.count(billed, "image_tokens") or 0
    if images:
        tally.skip(billed, "images")  # billed by their tokens
        prompt = (prompt or 0) + images
    searches = tally.count(billed, "search_units")
    fields: dict[str, Any] = {}
    if prompt is not None:
        fields |= tally.input_side(prompt, cached=cached, kinds=Kinds(image=images))
    if prompt is not None or searches is not None or output is not None:
        fields |= {"input_tokens": fields.get("input_tokens", 0), "output_tokens": output or 0}
    if searches:
        fields |= {"tool_calls": searches, "tags": tool_tag({"rerank": searches})}
    return fields


def _ollama(tally: Tally, body: object) -> tuple[object, dict[str, Any]]:
    names = ("prompt_eval_count", "eval_count")
    section = {name: value for name, value in fields_of(body).items() if name.endswith(("_count", "_tokens"))}
    fields: dict[str, Any] = {}
    prompt, output = (tally.count(section, name) for name in names)
    # A fully cached prompt is not evaluated, so its count is absent.
    if pick(body, "done") is not False:
        prompt, output = prompt or 0, output or 0
    fields |= {} if prompt is None else {"input_tokens": prompt}
    fields |= {} if output is None else {"output_tokens": output}
    return section, fields


def _flat_usage(body: object) -> dict[str, Any] | None:
    """Return the counts of llama.cpp, Workers AI, watsonx.ai and OpenRouter's generations in OpenAI's layout."""
    if pick(body, "tokens_evaluated") is not None:
        return {"prompt_tokens": pick(body, "tokens_evaluated"), "completion_tokens": pick(body, "tokens_predicted")}
    if (usage := pick(pick(body, "result"), "usage")) is not None:
        return dict(fields_of(usage))
    results = [each for each in items(body, "results") if pick(each, "generated_token_count") is not None]
    if results:
        return {
            "prompt_tokens": sum(pick(each, "input_token_count") or 0 for each in results),
            "completion_tokens": sum(pick(each, "generated_token_count") for each in results),
        }
    return None


def _bare_total(body: object) -> object:
    """Return a usage section with the total of Voyage's SDK objects, which have it at the top level."""
    total = pick(body, "total_tokens")
    return None if total is None else {"total_tokens": total}


def _is_input_only(body: object) -> bool:
    """Return whether the response has no output tokens: embeddings or a ranking."""
    return bool(
        pick(body, "object") == "list" or items(body, "embeddings") or items(body, "results") or _has_vectors(body)
    )


def _has_vectors(body: object) -> bool:
    return any(pick(each, "embedding", "relevance_score") is not None for each in items(body, "data"))


def _only_input(tally: Tally, section: object) -> dict[str, int]:
    total = tally.count(section, "total_tokens")
    # The total includes images and videos, as tokens.
    tally.skip(section, "text_tokens", "image_tokens", "image_pixels", "video_pixels")
    return {} if total is None else {"input_tokens": total, "output_tokens": 0}
