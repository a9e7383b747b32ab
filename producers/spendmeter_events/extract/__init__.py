"""Usage extractors: one normal form for what providers report, so that no token is counted twice.

`from_openai(response)` and its sisters take a provider's response (an SDK's object or the decoded JSON, complete
or as a list or iterator of streamed chunks) and give a `Usage`; `UsageEvent.now(org_id=…, feature=…,
**usage.as_fields())` makes the event. What each provider counts where is in docs/extractors.md.
"""

from spendmeter_events.extract._anthropic import from_anthropic
from spendmeter_events.extract._bedrock import from_bedrock
from spendmeter_events.extract._compatible import from_deepseek, from_mistral, from_openrouter
from spendmeter_events.extract._gemini import from_gemini
from spendmeter_events.extract._openai import from_openai
from spendmeter_events.extract._otel import from_otel
from spendmeter_events.extract._xai import from_xai
from spendmeter_events.extract.errors import InconsistentUsage
from spendmeter_events.extract.usage import TOKEN_BUCKETS, USAGE_TAG, State, Usage

__all__ = [
    "TOKEN_BUCKETS",
    "USAGE_TAG",
    "InconsistentUsage",
    "State",
    "Usage",
    "from_anthropic",
    "from_bedrock",
    "from_deepseek",
    "from_gemini",
    "from_mistral",
    "from_openai",
    "from_openrouter",
    "from_otel",
    "from_xai",
]
