"""Turn what emitters and files contain into usage events. Every door (Kafka, HTTP, import) uses these rules."""
