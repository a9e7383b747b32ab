"""The HTTP layer: routes, answer cache, middleware, server options."""
