"""Many runs of the `spendmeter` command: each is a process of its own, forked from one that has imported everything.

An import takes two seconds, a fork a few milliseconds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SERVER = """
import importlib, json, os, pkgutil, signal, sys, tempfile, traceback
import spendmeter_deploy, spendmeter_deploy.cli.app as command
for module in pkgutil.walk_packages(spendmeter_deploy.__path__, "spendmeter_deploy."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
for line in sys.stdin:
    case = json.loads(line)
    streams = [tempfile.TemporaryFile() for _ in range(2)]
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        os.chdir(case["folder"])
        os.environ.update(case["environment"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, stream in enumerate(streams, 1):
            os.dup2(stream.fileno(), number)
        sys.argv = ["spendmeter", *case["arguments"]]
        try:
            command.main()
        except SystemExit as exit_:
            sys.stdout.flush()
            os._exit(exit_.code if isinstance(exit_.code, int) else 1)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    texts = []
    for stream in streams:
        stream.seek(0)
        texts.append(stream.read().decode(errors="backslashreplace"))
        stream.close()
    print(json.dumps([code, *texts]), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """Exit code and output of a run."""

    code: int
    stdout: str
    stderr: str


class ForkedCommand:
    """Runs the command, one run at a time."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self._server = server

    def run(self, *arguments: str | Path, folder: Path, **environment: str) -> Ended:
        """Run the command to its end in `folder`; a signal ends it after two minutes."""
        if self._server.stdin is None or self._server.stdout is None:
            raise RuntimeError("the server has no pipes")
        case = {"arguments": list(map(str, arguments)), "folder": str(folder), "environment": environment}
        print(json.dumps(case), file=self._server.stdin, flush=True)
        answer = self._server.stdout.readline()
        assert answer, "the fork server ended; its output is above"
        return Ended(*json.loads(answer))


@contextmanager
def forked_command() -> Iterator[ForkedCommand]:
    """Start the process that the runs are forked from."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        yield ForkedCommand(server)
