"""The page at `/`: static files for the browser, which asks only the public API."""
