"""`python -m tests.torture --seed N --minutes M`: run faults, print a report, exit 1 on a difference."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.support.kafka.apache import ApacheKafka
from tests.support.kafka.jars import KafkaUnavailable
from tests.support.kafka.tansu import Tansu
from tests.torture.embedded import torture_embedded
from tests.torture.plan import ALL, KINDS
from tests.torture.run import torture

_CLUSTER_SHARE = 0.75
"""Share of the time; the embedded stack has the rest."""


def main() -> int:
    """Run the harness and return the exit code."""
    parser = argparse.ArgumentParser(prog="make torture ARGS=", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same events and faults")
    parser.add_argument("--minutes", type=float, default=5.0, help="duration of the run; the last round is completed")
    parser.add_argument("--broker", choices=["kafka", "tansu"], default="kafka", help="tansu cannot be killed")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=ALL, help="only these faults")
    parser.add_argument("--markdown", action="store_true", help="print the rows for docs/testing.md as well")
    parser.add_argument("--keep", type=Path, help="an empty folder for logs and data, kept afterwards")
    arguments = parser.parse_args()
    # The producer's client logs many errors per second while the broker is down on purpose.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="torture-") as temporary:
        return run(arguments, arguments.keep or Path(temporary))


def run(arguments: argparse.Namespace, folder: Path) -> int:
    """Start broker and store, run the faults, and report."""
    for name in ("broker", "store", "workers"):
        (folder / name).mkdir(parents=True)
    broker = choose_broker(arguments.broker, folder / "broker")
    store = ClickHouseHttp(folder=folder / "store")
    try:
        broker.start()
        store.start()
        began = time.monotonic()
        report = asyncio.run(
            torture(
                seed=arguments.seed,
                folder=folder / "workers",
                broker=broker,
                store=store,
                kinds=arguments.kinds,
                go_on=lambda rounds: rounds == 0 or time.monotonic() < began + 60 * arguments.minutes * _CLUSTER_SHARE,
            )
        )
    finally:
        store.kill()
        broker.kill()
    if arguments.kinds is ALL:
        embedded = torture_embedded(
            seed=arguments.seed,
            folder=folder / "embedded",
            go_on=lambda rounds: rounds == 0 or time.monotonic() < began + 60 * arguments.minutes,
        )
        report.add(asyncio.run(embedded))
    print(f"\nseed {arguments.seed}, {broker.name}\n{report.table()}")
    if arguments.markdown:
        print(report.markdown(f"seed {arguments.seed}, {broker.name}"))
    return 1 if report.differences else 0


def choose_broker(wanted: str, folder: Path) -> Tansu | ApacheKafka:
    """Return Apache Kafka if it is selected and can run; otherwise print in one line what is left out."""
    if wanted == "kafka":
        try:
            return ApacheKafka(folder=folder)
        except KafkaUnavailable as missing:
            print(f"without broker kill -9, on Tansu, which keeps nothing: {missing}")
    return Tansu(folder=folder)


if __name__ == "__main__":
    sys.exit(main())
