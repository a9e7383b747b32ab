"""The query service as a separate process, on a store over HTTP."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.kafka.process import free_port
from tests.support.stack import COMMAND, KEY, wait_until


class ServeProcess:
    """A running `spendmeter serve`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str, *, key: str | None = KEY, patience: float = 300) -> bytes:
        """Return the body of a 200 response. Raises `HTTPError` for other statuses."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        request = urllib.request.Request(self.url + path, headers=headers)
        with urllib.request.urlopen(request, timeout=patience) as answer:
            body: bytes = answer.read()
        return body

    def seconds(self, path: str, *, key: str | None = KEY) -> float:
        """Return the response time."""
        began = time.perf_counter()
        self.get(path, key=key)
        return time.perf_counter() - began

    def memory(self) -> int:
        """Return the resident memory of the process in bytes."""
        (line,) = (
            line
            for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
            if line.startswith("VmRSS:")
        )
        return int(line.split()[1]) * 1024

    def answers(self) -> bool:
        """Return whether it runs and responds."""
        try:
            self.get("/readyz", key=None)
        except OSError:
            return False
        return True


@contextmanager
def serving(dsn: str, **environment: str) -> Iterator[ServeProcess]:
    """Run the service until the block ends."""
    port = free_port()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", str(port)],
            env={**os.environ, "SPENDMETER_STORE_DSN": dsn, "SPENDMETER_ADMIN_KEY": KEY, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        running = ServeProcess(process, port)
        try:
            wait_until(lambda: running.answers() or process.poll() is not None)
            if process.poll() is not None:
                output.seek(0)
                raise AssertionError(f"`serve` ended: {output.read()}")
            yield running
        finally:
            process.terminate()
            process.wait(timeout=120)
