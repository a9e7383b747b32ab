"""The page at `/`: static files for the browser, which uses only the public API."""
