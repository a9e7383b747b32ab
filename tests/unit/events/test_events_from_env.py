"""`from_env`: Kafka or HTTP, by `SPENDMETER_*` variables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from spendmeter_events import HttpConnection, InvalidSettings, KafkaConnection, ProducerSettings
from spendmeter_events._delivery.from_environment import connection_from, settings_from


def test_the_collector_is_preferred() -> None:
    given = {
        "SPENDMETER_COLLECTOR_URL": "https://collect.example",
        "SPENDMETER_COLLECTOR_KEY": "sm_1",
        "SPENDMETER_BOOTSTRAP": "kafka:9092",
    }
    assert connection_from(given) == HttpConnection(url="https://collect.example", key="sm_1")
    assert "sm_1" not in repr(connection_from(given))


def test_a_secured_broker() -> None:
    given = {
        "SPENDMETER_BOOTSTRAP": "kafka:9093",
        "SPENDMETER_SECURITY_PROTOCOL": "SASL_SSL",
        "SPENDMETER_SASL_USERNAME": "u",
        "SPENDMETER_SASL_PASSWORD": "p",
    }
    assert connection_from(given) == KafkaConnection(
        bootstrap_servers="kafka:9093",
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="u",
        sasl_password="p",
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "set SPENDMETER_COLLECTOR_URL=https://HOST or SPENDMETER_BOOTSTRAP=HOST:PORT"),
        ({"SPENDMETER_COLLECTOR_URL": "x"}, "SPENDMETER_COLLECTOR_URL must be http"),
        ({"SPENDMETER_BOOTSTRAP": "nowhere"}, "SPENDMETER_BOOTSTRAP: 'nowhere' is not host:port"),
        ({"SPENDMETER_BOOTSTRAP": "k:1", "SPENDMETER_SECURITY_PROTOCOL": "SASL_SSL"}, "SPENDMETER_SASL_USERNAME"),
    ],
)
def test_faults_name_the_variables(given: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidSettings, match=message):
        connection_from(given)


def test_settings_of_variables() -> None:
    given = {
        "SPENDMETER_EMIT_SPOOL_DIR": "/var/spool/spendmeter",
        "SPENDMETER_EMIT_LINGER_MS": "5",
        "SPENDMETER_EMIT_CLOSE_TIMEOUT_S": "2.5",
        "SPENDMETER_EMIT_TOPIC": "",
    }
    expected = ProducerSettings(spool_dir=Path("/var/spool/spendmeter"), linger_ms=5, close_timeout_s=2.5)
    assert settings_from(given) == expected
    with pytest.raises(InvalidSettings, match="SPENDMETER_EMIT_LINGER_MS must be a number"):
        settings_from({"SPENDMETER_EMIT_LINGER_MS": "soon"})
    with pytest.raises(InvalidSettings, match="SPENDMETER_EMIT_REQUEST_TIMEOUT_S must be above 0 and finite"):
        settings_from({"SPENDMETER_EMIT_REQUEST_TIMEOUT_S": "inf"})


def test_a_misspelt_setting_is_refused_with_the_nearest_name() -> None:
    given = {"SPENDMETER_EMIT_SPOL_DIR": "/var/spool", "SPENDMETER_EMIT_LINGER_MS": "soon", "SPENDMETER_EMIT_XQ": ""}
    with pytest.raises(InvalidSettings) as refusal:
        settings_from(given)
    assert str(refusal.value).splitlines() == [
        "SPENDMETER_EMIT_SPOL_DIR is not a setting; did you mean SPENDMETER_EMIT_SPOOL_DIR?",
        "SPENDMETER_EMIT_XQ is not a setting",
        "SPENDMETER_EMIT_LINGER_MS must be a number",
    ]


def test_the_http_transport_does_not_load_aiokafka() -> None:
    script = (
        "import sys\n"
        "from spendmeter_events import SyncUsageProducer\n"
        "SyncUsageProducer.from_env().close()\n"
        "print('aiokafka' in sys.modules)"
    )
    environment = {"SPENDMETER_COLLECTOR_URL": "http://127.0.0.1:1"}
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert answer.stdout.strip() == "False"
