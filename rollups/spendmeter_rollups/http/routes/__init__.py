"""The HTTP surface: one function an endpoint, no logic."""
