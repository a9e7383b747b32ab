"""Replies of OpenAI's API, each with 1200 input tokens of which 1024 are cached, and 10 output tokens."""

from __future__ import annotations

from typing import Any, Final

from tests.support.fake_provider import FakeProvider

_CHAT_USAGE: Final = {
    "prompt_tokens": 1200,
    "completion_tokens": 10,
    "total_tokens": 1210,
    "prompt_tokens_details": {"cached_tokens": 1024},
    "completion_tokens_details": {"reasoning_tokens": 4},
}
_RESPONSE_USAGE: Final = {
    "input_tokens": 1200,
    "input_tokens_details": {"cached_tokens": 1024},
    "output_tokens": 10,
    "output_tokens_details": {"reasoning_tokens": 4},
    "total_tokens": 1210,
}
_MODEL: Final = "gpt-4o-2024-08-06"


def chat(number: int, *, tool: bool = False) -> dict[str, Any]:
    """Return a chat completion: a text, or a call of the tool `weather`."""
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    message = {"content": None, "tool_calls": [call]} if tool else {"content": "SECRET answer"}
    finish = "tool_calls" if tool else "stop"
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1,
        "model": _MODEL,
        "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}],
        "usage": _CHAT_USAGE,
    }


def response(number: int, *, tool: bool = False) -> dict[str, Any]:
    """Return a response of the Responses API."""
    content = [{"type": "output_text", "text": "SECRET answer", "annotations": []}]
    message = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": content}
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": "{}"}
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": _MODEL,
        "output": [{**call, "status": "completed"} if tool else message],
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "usage": _RESPONSE_USAGE,
    }


def embedding() -> dict[str, Any]:
    """Return an embedding of 8 tokens."""
    data = [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}]
    return {
        "object": "list",
        "model": "text-embedding-3-small",
        "data": data,
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    }


def _chunk(choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    base = {"id": "chatcmpl-9", "object": "chat.completion.chunk", "created": 1, "model": _MODEL}
    return {**base, "choices": choices, **more}


CHUNKS: Final[list[Any]] = [
    _chunk([{"index": 0, "delta": {"role": "assistant", "content": "SECRET"}, "finish_reason": None}]),
    _chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}]),
    _chunk([], usage=_CHAT_USAGE),
    "data: [DONE]\n\n",
]


def script(fake: FakeProvider, *, tool: bool = True) -> None:
    """Answer a chat, which calls a tool first if `tool`."""
    if tool:
        fake.answer(body=chat(1, tool=True))
    fake.answer(body=chat(2))
