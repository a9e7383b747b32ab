"""Which life of the usage topic this is.

A memory-only broker forgets its topics when it stops and counts offsets from 0 again, while the store
remembers. So offsets name a record only together with the life of the topic that they belong to.
"""

from __future__ import annotations

from spendmeter_events.topics import USAGE
from spendmeter_stream.errors import SetupError
from spendmeter_stream.kafka.topic_identity import read_topic_id
from spendmeter_stream.settings import StreamSettings


async def find_topic_id(settings: StreamSettings) -> str:
    """The configured name of the topic's life, else the id that the broker gave the topic.

    :raises SetupError: the broker gives topics no id, and none is configured.
    """
    if settings.topic_id:
        return settings.topic_id
    found = await read_topic_id(settings.connection(), USAGE)
    if found is None:
        raise SetupError(
            f"the broker has no id for {USAGE} (Kafka has since 2.8): set SPENDMETER_TOPIC_ID to a word of your own,"
            " and change it whenever the topic is made anew"
        )
    return found.hex
