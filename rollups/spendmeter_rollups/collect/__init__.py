"""The collector: usage events over HTTP, published to Kafka before the answer."""
