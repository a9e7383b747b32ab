"""Apache Kafka: one KRaft node, broker and controller in one small JVM, on loopback ports.

It has two listeners for clients, plain and SASL/SCRAM over TLS, so that one broker serves both kinds of test. One that
is `guarded` enforces ACLs for SASL users; clients of the plain listener are administrators.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shlex
import subprocess
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from spendmeter_events import KafkaConnection
from tests.support.kafka.certificates import make_certificates
from tests.support.kafka.jars import kafka_jars
from tests.support.kafka.process import BrokerProcess, free_port, wait_for_port

SCRAM_USER: Final = "spendmeter"
SCRAM_PASSWORD: Final = "correct horse"
_READY_ATTEMPTS: Final = 120
# A test broker runs for seconds with kilobytes of data: fast start matters, peak throughput does not.
_JVM: Final = ("-Xms96m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class ApacheKafka(BrokerProcess):
    """`folder` is empty and used only by this broker. A restart keeps topics, offsets and producer ids.

    Raises `KafkaUnavailable` if Java or Maven is missing.
    """

    name = "kafka"

    def __init__(self, *, folder: Path, users: Sequence[str] = (SCRAM_USER,), guarded: bool = False) -> None:
        self.port, self.secure_port, controller_port = free_port(), free_port(), free_port()
        jars = kafka_jars()
        certificates = make_certificates(folder)
        properties = folder / "server.properties"
        written = _properties(folder, certificates.server, self.port, self.secure_port, controller_port)
        properties.write_text(written + (_GUARDED if guarded else ""))
        logging = folder / "log4j2.properties"
        logging.write_text(_LOG4J2)
        java = ["java", *_JVM, f"-Dlog4j2.configurationFile={logging}", "-cp", f"{jars}/*"]
        self._format = [
            *(*java, "kafka.tools.StorageTool", "format", "--config", str(properties)),
            # The first byte is 0, because an id that starts with a dash is parsed as an option.
            *("--cluster-id", base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).rstrip(b"=").decode()),
        ]
        for user in users:
            self._format += ["--add-scram", f"SCRAM-SHA-512=[name={user},password={SCRAM_PASSWORD}]"]
        self._java, self._folder = java, folder
        self._formatted = False
        super().__init__(command=[*java, "kafka.Kafka", str(properties)], log=folder / "kafka.log")
        self.connection = KafkaConnection(bootstrap_servers=f"127.0.0.1:{self.port}")
        self.secure_connection = KafkaConnection(
            bootstrap_servers=f"127.0.0.1:{self.secure_port}",
            security_protocol="SASL_SSL",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_username=users[0],
            sasl_password=SCRAM_PASSWORD,
            ssl_cafile=str(certificates.authority),
        )

    def connection_of(self, user: str) -> KafkaConnection:
        """Return a user's connection, with SASL/SCRAM over TLS."""
        return replace(self.secure_connection, sasl_username=user)

    def as_admin(self, *command: str) -> None:
        """Run a command with Kafka's `kafka-acls.sh` on its PATH, and this broker as its last arguments."""
        tools = self._folder / "bin"
        tools.mkdir(exist_ok=True)
        tool = tools / "kafka-acls.sh"
        tool.write_text(f'#!/bin/sh\nexec {shlex.join([*self._java, "org.apache.kafka.tools.AclCommand"])} "$@"\n')
        tool.chmod(0o755)
        env = {**os.environ, "PATH": os.pathsep.join([str(tools), os.environ["PATH"]])}
        full = [*command, "--bootstrap-server", f"127.0.0.1:{self.port}"]
        subprocess.run(full, check=True, env=env, stdin=subprocess.DEVNULL, timeout=300)

    def start(self) -> None:
        """Start the broker and wait until it responds to an admin client (about five seconds)."""
        if not self._formatted:
            subprocess.run(self._format, check=True, capture_output=True, timeout=60)
            self._formatted = True
        super().start()
        wait_for_port(self, self.port)
        # In a thread, because the caller may run in an event loop.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, self._answers()).result()

    async def _answers(self) -> None:
        for _ in range(_READY_ATTEMPTS):
            self.fail_if_dead()
            admin = AIOKafkaAdminClient(**self.connection.client_options())
            with contextlib.suppress(KafkaError):
                await admin.start()
                await admin.list_topics()
                await admin.close()
                return
            await admin.close()
            await asyncio.sleep(0.25)
        raise RuntimeError("Apache Kafka listens, but answers no admin client")


# With a short session, a restarted broker does not wait for the expiry of its previous registration.
def _properties(folder: Path, server_pem: Path, port: int, secure_port: int, controller_port: int) -> str:
    return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{secure_port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{secure_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={server_pem}
log.dirs={folder / "data"}
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=2
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
log.cleaner.dedupe.buffer.size=4194304
"""


_GUARDED: Final = """\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


_LOG4J2: Final = """\
rootLogger.level=WARN
rootLogger.appenderRef.console.ref=console
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %c{1} %m%n
"""
