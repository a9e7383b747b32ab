"""Find the topic id of the usage topic.

A recreated topic counts offsets from 0 again, as does every topic of a memory-only broker after a restart, while the
store keeps its rows. Offsets therefore identify a record only together with the topic id.
"""

from __future__ import annotations

from spendmeter_events.topics import USAGE
from spendmeter_stream.errors import SetupError
from spendmeter_stream.kafka.topic_identity import read_topic_id
from spendmeter_stream.settings import StreamSettings


async def find_topic_id(settings: StreamSettings) -> str:
    """Return the configured topic id, or else the id that the broker assigned.

    :raises SetupError: the broker does not support topic ids, and none is configured.
    """
    if settings.topic_id:
        return settings.topic_id
    found = await read_topic_id(settings.connection(), USAGE)
    if found is None:
        raise SetupError(
            f"the broker has no topic id for {USAGE} (Kafka 2.8 or later has): set SPENDMETER_TOPIC_ID to any name,"
            " and change it whenever the topic is recreated"
        )
    return found.hex
