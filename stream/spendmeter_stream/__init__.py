"""The worker: usage events from Kafka, validated, counted once, priced and appended to ClickHouse."""
