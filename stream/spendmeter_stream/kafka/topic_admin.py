"""Create missing topics."""

from __future__ import annotations

from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from spendmeter_events.topics import topic_specs
from spendmeter_stream.errors import SetupError

APP: Final = "spendmeter-worker"
"""The name of the Faust app and of its consumer group."""
LEADER: Final = f"{APP}-__assignor-__leader"
"""The worker that is assigned the only partition of this topic is the leader. Faust relies on automatic topic creation
for it, which most brokers disable; without the topic there is no leader."""


async def ensure_topics(client_options: dict[str, Any], *, usage_partitions: int, replication: int = 1) -> None:
    """Create missing topics. Existing topics keep their configuration and number of partitions.

    :raises SetupError: the broker rejected a topic.
    """
    admin = AIOKafkaAdminClient(**client_options)
    try:
        await admin.start()
        wanted = [
            NewTopic(spec.name, spec.partitions, replication, topic_configs=spec.config)
            for spec in topic_specs(usage_partitions=usage_partitions)
        ]
        wanted.append(NewTopic(LEADER, 1, replication))
        # Do not request existing topics: a worker without the Create permission would be rejected.
        existing = set(await admin.list_topics())
        answer = await admin.create_topics([topic for topic in wanted if topic.name not in existing])
    finally:
        await admin.close()
    for name, code, *message in answer.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            raise SetupError(f"the broker refused to create topic {name}: {message or for_code(code).__name__}")
