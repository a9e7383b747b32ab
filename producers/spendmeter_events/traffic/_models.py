"""Models of the demo: public names and behaviour. Their prices are in the price book."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Caching = Literal["none", "automatic", "explicit"]
"""`automatic`: the provider caches long prefixes. `explicit`: the caller pays for cache writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Behaviour of a model. Times are medians in milliseconds."""

    provider: str
    name: str
    first: int
    """Time to the first token, or to the complete response if it is not generated token by token."""
    token: float = 0.0
    """Time per output token."""
    caching: Caching = "none"
    block: int = 1
    """Cached tokens are a multiple of this."""
    reasoning: float = 0.0
    """Reasoning tokens per visible output token."""
    fails: float = 0.010
    """Share of calls that fail."""
    tiers: tuple[str, ...] = ()
    """Tiers in addition to the standard tier."""
    quality: str = ""
    """Quality of generated images."""


# fmt: off
_ALL: Final = (
    Model(provider="openai", name="gpt-5.4", first=900, token=14, caching="automatic", block=128, reasoning=0.9,
          tiers=("batch", "flex", "priority")),
    Model(provider="openai", name="gpt-5-mini", first=620, token=8, caching="automatic", block=128, reasoning=0.5,
          tiers=("batch", "flex")),
    Model(provider="openai", name="gpt-5-nano", first=380, token=5, caching="automatic", block=128, reasoning=0.2,
          tiers=("batch", "flex")),
    Model(provider="openai", name="gpt-4o", first=520, token=11, caching="automatic", block=128, tiers=("batch",)),
    Model(provider="openai", name="gpt-4o-mini", first=410, token=8, caching="automatic", block=128,
          tiers=("batch",)),
    Model(provider="anthropic", name="claude-sonnet-5", first=980, token=13, caching="explicit", tiers=("batch",)),
    Model(provider="anthropic", name="claude-haiku-4-5", first=540, token=7, caching="explicit", tiers=("batch",)),
    Model(provider="anthropic", name="claude-opus-4-8", first=1500, token=19, caching="explicit",
          tiers=("batch",)),
    Model(provider="google", name="gemini-2.5-pro", first=1300, token=10, caching="automatic", reasoning=0.7),
    Model(provider="google", name="gemini-2.5-flash", first=450, token=5, caching="automatic", reasoning=0.15),
    Model(provider="google", name="gemini-2.5-flash-lite", first=300, token=4),
    Model(provider="deepseek", name="deepseek-v4-flash", first=800, token=12, caching="automatic", block=64,
          fails=0.018),
    Model(provider="deepseek", name="deepseek-v4-pro", first=1400, token=19, caching="automatic", block=64,
          reasoning=1.2, fails=0.018),
    Model(provider="mistral", name="mistral-large-4", first=700, token=12),
    Model(provider="mistral", name="mistral-small-2603", first=380, token=6),
    # Self-hosted: free and slow.
    Model(provider="ollama", name="llama3.2:3b", first=900, token=28, fails=0.004),
    Model(provider="openai", name="text-embedding-3-small", first=140, fails=0.003),
    Model(provider="google", name="gemini-embedding-001", first=170, fails=0.003),
    Model(provider="mistral", name="mistral-embed", first=150, fails=0.003),
    Model(provider="ollama", name="nomic-embed-text", first=60, fails=0.002),
    Model(provider="openai", name="whisper-1", first=1400),
    Model(provider="openai", name="tts-1", first=900),
    Model(provider="openai", name="dall-e-3", first=14_000, fails=0.03, quality="standard"),
    Model(provider="openai", name="gpt-image-1", first=21_000, fails=0.03, quality="medium"),
    Model(provider="azure-speech", name="neural", first=350),
    Model(provider="edge-tts", name="edge-tts", first=520, fails=0.02),
    Model(provider="elevenlabs", name="eleven_multilingual_v2", first=780),
    Model(provider="deepl", name="deepl-translate", first=230, fails=0.004),
)
# fmt: on

MODELS: Final[dict[str, Model]] = {model.name: model for model in _ALL}
"""By name, which is unique."""
