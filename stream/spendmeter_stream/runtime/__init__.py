"""The worker's life cycle: start, background tasks, health, readiness, HTTP server."""
