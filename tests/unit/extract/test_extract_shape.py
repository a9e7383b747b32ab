"""The shape of a payload in errors, and payloads without usage."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from spendmeter_events import SpendmeterError, extract
from spendmeter_events.extract import InconsistentUsage


def openai(**usage: Any) -> dict[str, Any]:
    return {"id": "c1", "model": "m", "usage": usage}


def test_the_error_is_one_of_ours_and_of_the_built_in_kind() -> None:
    assert issubclass(InconsistentUsage, SpendmeterError)
    assert issubclass(InconsistentUsage, ValueError)


def test_the_shape_has_names_and_types_and_no_content() -> None:
    """Given a payload with the conversation, when its usage is inconsistent, then the error has no content of it."""
    payload = {
        "id": "c1",
        "model": "m",
        "choices": [{"message": {"content": "SECRET answer"}}],
        "usage": {
            "prompt_tokens": "SECRET count",
            "SECRET question, as a key": 1,
            "details": {"a": {"b": {"c": "SECRET"}}},
            "notes": ["SECRET", 2],
            "nothing": [],
            "pairs": ((1, 2),),
            7: 3.5,
            "client": SimpleNamespace(key="SECRET"),
            "kind": int,
        },
    }
    with pytest.raises(InconsistentUsage) as caught:
        extract.from_openai(payload, strict=True)
    assert caught.value.shape == (
        "{prompt_tokens: str, ?: int, details: {a: {b: object}}, notes: [str], nothing: list, "
        "pairs: [[int]], ?: float, client: {key: str}, kind: type}"
    )
    assert "SECRET" not in str(caught.value)
    assert "SECRET" not in repr(caught.value)


def test_the_shape_of_an_endless_list_of_lists_ends() -> None:
    nested: list[Any] = []
    nested.append(nested)
    with pytest.raises(InconsistentUsage) as caught:
        extract.from_openai(openai(prompt_tokens=-1, deep=nested), strict=True)
    assert "deep: [[list]]" in caught.value.shape


def test_the_otel_shape_leaves_out_everything_but_the_counts() -> None:
    span = {"gen_ai.prompt.SECRET": "SECRET", "gen_ai.usage.input_tokens": -1}
    with pytest.raises(InconsistentUsage) as caught:
        extract.from_otel(span, strict=True)
    assert caught.value.shape == "{gen_ai.usage.input_tokens: int}"


@pytest.mark.parametrize("nothing", [None, "", b"", 0, object(), {}, {"usage": "none"}, int])
@pytest.mark.parametrize("extractor", [name for name in extract.__all__ if name.startswith("from_")])
def test_a_value_that_is_not_a_response_is_missing(extractor: str, nothing: object) -> None:
    usage = getattr(extract, extractor)(nothing)
    assert usage.state == "missing"
    assert usage.total_tokens == 0


def test_an_error_in_the_callers_own_stream_is_theirs() -> None:
    def stream() -> Any:
        yield {"id": "c1", "choices": []}
        raise ConnectionResetError("their network")

    with pytest.raises(ConnectionResetError, match="their network"):
        extract.from_openai(stream())
