"""Usage events from what other tools record of a call: spans of OpenTelemetry, and LiteLLM's log payload."""
