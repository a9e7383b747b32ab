"""Deliver events to Kafka in the background: buffer, lanes, retries, losses."""
