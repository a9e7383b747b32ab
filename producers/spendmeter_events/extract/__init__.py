"""Usage extractors: convert the usage that providers report to disjoint buckets, so that no token is counted twice.

`from_openai(response)` and the other extractors take a provider's response (an SDK object or the decoded JSON,
complete or as a list or iterator of streamed chunks) and return a `Usage`; `UsageEvent.now(org_id=…, feature=…,
**usage.as_fields())` creates the event. With `strict=True` they raise `InconsistentUsage` for counts that contradict
each other or cannot be read. `usage_of(response)` recognises the provider and never raises.
docs/extractors.md lists how each provider counts.
"""

from spendmeter_events.extract._apis.anthropic import from_anthropic
from spendmeter_events.extract._apis.bedrock import from_bedrock
from spendmeter_events.extract._apis.compatible import (
    from_cohere,
    from_deepseek,
    from_mistral,
    from_ollama,
    from_openrouter,
    from_perplexity,
)
from spendmeter_events.extract._apis.gemini import from_gemini
from spendmeter_events.extract._apis.openai import from_openai
from spendmeter_events.extract._apis.xai import from_xai
from spendmeter_events.extract._spans.otel import from_otel
from spendmeter_events.extract.any_response import usage_of
from spendmeter_events.extract.errors import InconsistentUsage
from spendmeter_events.extract.usage import COST_SOURCE_TAG, TOKEN_BUCKETS, UNREAD_TAG, USAGE_TAG, State, Usage

__all__ = [
    "COST_SOURCE_TAG",
    "TOKEN_BUCKETS",
    "UNREAD_TAG",
    "USAGE_TAG",
    "InconsistentUsage",
    "State",
    "Usage",
    "from_anthropic",
    "from_bedrock",
    "from_cohere",
    "from_deepseek",
    "from_gemini",
    "from_mistral",
    "from_ollama",
    "from_openai",
    "from_openrouter",
    "from_otel",
    "from_perplexity",
    "from_xai",
    "usage_of",
]
