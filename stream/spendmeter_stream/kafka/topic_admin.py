"""Creates the topics where they do not exist yet."""

from __future__ import annotations

from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from spendmeter_events.topics import topic_specs
from spendmeter_stream.errors import SetupError

APP: Final = "spendmeter-worker"
"""The name of the Faust app, and so of its consumer group."""
LEADER: Final = f"{APP}-__assignor-__leader"
"""Whoever is assigned the one partition of this topic leads. Faust would have the broker create it by itself, which
most brokers are told not to do; and without it nobody leads."""


async def ensure_topics(client_options: dict[str, Any], *, usage_partitions: int, replication: int = 1) -> None:
    """Create what is missing; a topic that exists stays as it is, its width included.

    :raises SetupError: the broker refused a topic.
    """
    admin = AIOKafkaAdminClient(**client_options)
    try:
        await admin.start()
        wanted = [
            NewTopic(spec.name, spec.partitions, replication, topic_configs=spec.config)
            for spec in topic_specs(usage_partitions=usage_partitions)
        ]
        wanted.append(NewTopic(LEADER, 1, replication))
        # A worker that may not create topics must not ask for one that is there: it would be refused.
        there = set(await admin.list_topics())
        answer = await admin.create_topics([topic for topic in wanted if topic.name not in there])
    finally:
        await admin.close()
    for name, code, *message in answer.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            raise SetupError(f"the broker refused to create {name}: {message or for_code(code).__name__}")
