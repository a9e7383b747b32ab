"""The HTTP surface: routes, problems, caching, middleware."""
