"""Settings reject invalid values, report every fault at once, and keep secrets out of logs."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from spendmeter_events import InvalidSettings, KafkaConnection, ProducerSettings


def test_connection_reports_every_fault_at_once() -> None:
    with pytest.raises(InvalidSettings) as refusal:
        KafkaConnection(bootstrap_servers="nowhere,host:99999", security_protocol="SASL_SSL")
    assert str(refusal.value).splitlines() == [
        "bootstrap_servers: 'nowhere' is not host:port",
        "bootstrap_servers: 'host:99999' is not host:port",
        "sasl_mechanism must be one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512",
        "SASL needs sasl_username and sasl_password",
    ]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"sasl_username": "u"}, "sasl_\\* is given"),
        ({"ssl_cafile": "/ca.pem"}, "ssl_\\* is given"),
        ({"security_protocol": "TLS"}, "security_protocol must be one of"),
        ({"bootstrap_servers": ""}, "is not host:port"),
        ({"bootstrap_servers": ":9092"}, "is not host:port"),
    ],
)
def test_connection_refuses(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidSettings, match=fault):
        KafkaConnection(**{"bootstrap_servers": "broker:9092", **options})


def test_connection_hides_its_password() -> None:
    connection = KafkaConnection(
        bootstrap_servers="[::1]:9093",
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-256",
        sasl_username="emitter",
        sasl_password="hunter2",
    )
    assert "hunter2" not in repr(connection)
    options = connection.client_options()
    assert options["sasl_plain_password"] == "hunter2"
    assert isinstance(options["ssl_context"], ssl.SSLContext)
    assert options["ssl_context"].verify_mode is ssl.CERT_REQUIRED


def test_plain_connection_gives_no_security_options() -> None:
    assert KafkaConnection(bootstrap_servers="a:1,b:2").client_options() == {
        "bootstrap_servers": "a:1,b:2",
        "client_id": "spendmeter-events",
        "security_protocol": "PLAINTEXT",
    }


def test_producer_settings_report_every_fault_at_once() -> None:
    with pytest.raises(InvalidSettings) as refusal:
        ProducerSettings(max_buffered_events=0, linger_ms=-1, topic="")
    assert str(refusal.value).splitlines() == [
        "max_buffered_events must be above 0 and finite",
        "linger_ms must be 0 or more, and finite",
        "topic must not be empty",
    ]
