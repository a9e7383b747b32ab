"""Everything that touches Kafka's protocol or aiokafka's internals: topics, topic ids, offsets, the fence."""
