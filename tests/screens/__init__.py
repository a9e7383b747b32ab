"""Take the screenshots of docs/page/ (`make screens`)."""
