"""Send alerts once: topic, webhook, and the history of what was sent."""
