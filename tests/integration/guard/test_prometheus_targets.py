"""Two workers behind one name are two targets: the shipped configuration in a real Prometheus, with a name service."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.alerting import CONFIGURATION, tool
from tests.support.required import do_without

ROOT = Path(__file__).parents[3]
# In a separate network namespace, where port 53 is free and no other resolver is used.
SCRIPT = """
set -e
ip link set lo up
echo "nameserver 127.0.0.1" > {folder}/resolv.conf
mount --bind {folder}/resolv.conf /etc/resolv.conf
{python} -m tests.support.dns 127.0.0.2 127.0.0.3 & dns=$!
{prometheus} --config.file={config} --storage.tsdb.path={folder}/data --web.listen-address=127.0.0.1:9090 \
    > {folder}/log 2>&1 & prometheus=$!
trap 'kill $dns $prometheus' EXIT
for attempt in $(seq 600); do
    {python} -c '{ask}' > {folder}/targets.json 2> /dev/null && break
    sleep 0.2
done
cat {folder}/targets.json
"""
# Succeeds once every name has been resolved.
ASK = (
    "import json, urllib.request as r;"
    'found = json.load(r.urlopen("http://127.0.0.1:9090/api/v1/targets"))["data"]["activeTargets"];'
    'assert len({it["labels"]["job"] for it in found}) == 3;'
    'print(json.dumps(sorted([it["labels"]["job"], it["labels"]["instance"]] for it in found)))'
)


def namespaces() -> list[str]:
    """Return the command that creates a network and a mount namespace; skip the test if that is not permitted."""
    command = ["unshare", "--map-root-user", "--net", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], check=False).returncode != 0:
        do_without("unshare cannot create a network namespace here")
    return command


@pytest.mark.promtool
@pytest.mark.timeout(300)
def test_each_address_behind_a_name_is_a_target(tmp_path: Path) -> None:
    script = SCRIPT.format(
        folder=tmp_path,
        python=sys.executable,
        prometheus=tool("prometheus"),
        config=CONFIGURATION / "prometheus.yml",
        ask=ASK,
    )
    done = subprocess.run(
        [*namespaces(), "sh", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        ["spendmeter-collector", "127.0.0.2:8081"],
        ["spendmeter-collector", "127.0.0.3:8081"],
        ["spendmeter-service", "127.0.0.2:8080"],
        ["spendmeter-service", "127.0.0.3:8080"],
        ["spendmeter-worker", "127.0.0.2:6066"],
        ["spendmeter-worker", "127.0.0.3:6066"],
    ]
