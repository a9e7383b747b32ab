"""Send each alert once: topic, webhook, and the history of sent alerts."""
