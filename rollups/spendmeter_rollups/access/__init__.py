"""Authentication, scopes, rate limits and concurrency limits."""
