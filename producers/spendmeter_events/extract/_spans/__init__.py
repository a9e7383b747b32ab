"""Usage in the spans of OpenTelemetry and its dialects."""
