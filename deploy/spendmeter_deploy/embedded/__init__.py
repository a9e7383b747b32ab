"""The embedded stack and the demo."""
