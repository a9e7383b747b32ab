"""Kafka's protocol and aiokafka's internals: topics, topic ids, offsets, the fence."""
