"""Failed calls: frequency of each kind, error message, and usage before the failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spendmeter_events.traffic._draw import slots
from spendmeter_events.traffic._models import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailure:
    """A kind of failure. `{model}` and `{number}` in the message are replaced."""

    type: str
    message: str
    uses_input: bool = False
    latency: int
    """Median milliseconds."""


_RATE: Final = CallFailure(
    type="rate_limit",
    message="Rate limit reached for {model} on tokens per min (TPM): Limit 200000, Used 198{number}, "
    "Requested 4{number}. Please try again in {number}ms.",
    latency=110,
)
_OVERLOADED: Final = CallFailure(type="rate_limit", message="overloaded_error: Overloaded", latency=240)
_QUOTA: Final = CallFailure(
    type="rate_limit", message="RESOURCE_EXHAUSTED: Quota exceeded for {model}. Retry in {number}ms.", latency=90
)
_TIMEOUT: Final = CallFailure(type="timeout", message="Request timed out after 60s", latency=60_000)
_POLICY: Final = CallFailure(
    type="content_policy",
    message="The response was filtered due to the prompt triggering the content management policy.",
    uses_input=True,
    latency=420,
)
_INVALID: Final = CallFailure(
    type="invalid_response",
    message="Invalid response format: expected a JSON object at character {number}",
    uses_input=True,
    latency=3_800,
)
_NETWORK: Final = CallFailure(
    type="network", message="Connection reset by peer while reading the response headers", latency=1_900
)
_CONNECTION_REFUSED: Final = CallFailure(type="network", message="Connection refused", latency=12)

_USUAL: Final = ((_RATE, 0.40), (_TIMEOUT, 0.18), (_POLICY, 0.12), (_INVALID, 0.14), (_NETWORK, 0.16))
_BY_PROVIDER: Final = {
    "anthropic": ((_OVERLOADED, 0.5), (_TIMEOUT, 0.12), (_POLICY, 0.06), (_INVALID, 0.12), (_NETWORK, 0.2)),
    "google": ((_QUOTA, 0.38), (_TIMEOUT, 0.14), (_POLICY, 0.22), (_INVALID, 0.16), (_NETWORK, 0.1)),
    "deepseek": ((_OVERLOADED, 0.3), (_TIMEOUT, 0.42), (_INVALID, 0.16), (_NETWORK, 0.12)),
    "ollama": ((_TIMEOUT, 0.6), (_CONNECTION_REFUSED, 0.4)),
    "edge-tts": ((_NETWORK, 0.8), (_TIMEOUT, 0.2)),
}


def failures(provider: str, *, generates_text: bool) -> tuple[CallFailure, ...]:
    """Return 64 equally likely failures; content and format errors only if the model generates_text text."""
    choices = _BY_PROVIDER.get(provider, _USUAL)
    return slots([(failure, share) for failure, share in choices if generates_text or not failure.uses_input])


def error_fragment(failure: CallFailure, model: Model, number: int) -> str:
    """Return the JSON fragment of a failed call; `number` (0 to 999) makes its message distinct."""
    message = failure.message.format(model=model.name, number=f"{number:03d}")
    return f',"status":"error","error_type":"{failure.type}","error_message":"{message}"'
