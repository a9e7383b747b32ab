"""Results of the Vercel AI SDK."""

from __future__ import annotations

from typing import Any


def ai_sdk(model: str, usage: dict[str, Any], metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"response": {"id": "r", "modelId": model}, "usage": usage, "providerMetadata": metadata}


def v4(prompt: float, completion: float) -> dict[str, float]:
    return {"promptTokens": prompt, "completionTokens": completion, "totalTokens": prompt + completion}


def v5(prompt: int, completion: int, cached: int) -> dict[str, int]:
    total = prompt + completion
    return {"inputTokens": prompt, "outputTokens": completion, "totalTokens": total, "cachedInputTokens": cached}
