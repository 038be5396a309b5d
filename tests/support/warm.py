"""Real processes of Confidante's that start in no time, and may be killed like any other.

They are forked off one process a test worker, which has imported everything already: a coordinator that is
started by Python itself spends a second of a processor before its first line. What must be seen to work from
a cold start (imports, extras that are missing, what is not imported) is tested with `subprocess`.
"""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from paths import SUPPORT

_POLL_SECONDS = 0.01
_MOST_BYTES = 1 << 20


class Server:
    """The process that all others of this worker are forked off. It ends with the worker."""

    def __init__(self) -> None:
        self._end, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with other:
            self.process = subprocess.Popen(
                [sys.executable, str(SUPPORT / "warm_server.py"), str(other.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=(other.fileno(),),
            )

    def ask(self, asked: Mapping[str, object], files: Sequence[int] = ()) -> int | None:
        with self._lock:
            socket.send_fds(self._end, [json.dumps(asked).encode()], files)
            answer = self._end.recv(_MOST_BYTES)
        assert answer, "the process that others are forked off has ended"
        found: int | None = json.loads(answer)
        return found


@lru_cache(maxsize=1)
def server() -> Server:
    return Server()


class Process:
    """A Python program that runs: what `subprocess.Popen` has, as far as tests use it."""

    def __init__(
        self,
        *words: object,
        folder: Path | None = None,
        env: Mapping[str, str] | None = None,
        output: Path | None = None,
    ) -> None:
        """Start it. words: "-m", "confidante.cli", ... or a file and its arguments.

        folder: to run in; env: beside our own variables; output: a file for all that it writes, in place of
        the pipes `stdout` and `stderr`.
        """
        (given, self._given), (told, out), (wrong, err) = os.pipe(), os.pipe(), os.pipe()
        files = [given, out, err]
        if output is not None:
            os.close(out)
            os.close(err)
            files[1:] = [os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)] * 2
        self.args = list(map(str, words))
        self.returncode: int | None = None
        self.stdin: TextIO = os.fdopen(self._given, "w", 1)
        self.stdout: TextIO = os.fdopen(told)
        self.stderr: TextIO = os.fdopen(wrong)
        asked = {
            "words": self.args,
            "folder": str(folder or Path.cwd()),
            "env": {**os.environ, **(env or {})},
        }
        pid = server().ask(asked, files)
        for file in set(files):
            os.close(file)
        assert pid is not None
        self.pid = pid

    def poll(self) -> int | None:
        """Return how it ended, None while it runs."""
        if self.returncode is None:
            self.returncode = server().ask({"ended": self.pid})
        return self.returncode

    def wait(self, timeout: float = 240.0) -> int:
        """Return how it ended, once it has."""
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(_POLL_SECONDS)
        return code

    def send_signal(self, sort: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sort)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 240.0) -> tuple[str, str]:
        """Return the rest of what it writes, once it has ended."""
        wrong = io.StringIO()
        reader = threading.Thread(target=lambda: wrong.write(self.stderr.read()))
        reader.start()
        watch = threading.Timer(timeout, self.kill)
        watch.start()
        told = self.stdout.read()
        reader.join()
        watch.cancel()
        self.wait(timeout)
        self.close()
        return told, wrong.getvalue()

    def close(self) -> None:
        """Let go of its files."""
        for file in (self.stdin, self.stdout, self.stderr):
            try:
                file.close()
            except BrokenPipeError:  # it went without reading what was sent
                continue

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it at once, if it runs still."""
        self.kill()
        self.wait()
        self.close()


def run(*words: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    process = Process(*words, folder=folder)
    process.stdin.close()
    told, wrong = process.communicate()
    return subprocess.CompletedProcess(process.args, process.wait(), told, wrong)
