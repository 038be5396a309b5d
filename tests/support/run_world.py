"""A real `confidante coordinator run` process on a small population."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from populations import write_population

KEY = "0123456789abcdef0123456789abcdef"


def defined(folder: Path, name: str = "films") -> Path:
    """Write a population and return its file."""
    return write_population(folder, name=name, items=20, devices=5)


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "confidante.cli", "coordinator", *map(str, words)]


def called(*words: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*words), capture_output=True, text=True, cwd=folder, timeout=240, check=False
    )


@dataclass
class Running:
    process: subprocess.Popen[str]
    url: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    rest: str = ""
    folder: Path = Path()

    def http(self, **more: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=240, trust_env=False, **more)

    def until(self, true: Callable[[], Any], seconds: float = 240.0) -> Any:
        """Wait for something that has to come."""
        end = time.monotonic() + seconds
        while not (found := true()):
            assert time.monotonic() < end, self.events
            time.sleep(0.05)
        return found

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [one for one in self.events if one["event"] == event]

    def end(self, sort: int = signal.SIGTERM) -> int:
        self.process.send_signal(sort)
        return self.process.wait(240)


@contextmanager
def running(*words: object) -> Iterator[Running]:
    """Start it on a free port, and read its log as it comes."""
    process = subprocess.Popen(
        command("run", *words, "--port", 0),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    found = Running(process)
    assert process.stdout is not None
    assert process.stderr is not None
    errors = process.stderr

    def read() -> None:
        for line in errors:
            if line.startswith("{"):
                found.events.append(json.loads(line))
            else:
                found.rest += line

    reader = threading.Thread(target=read)
    reader.start()
    try:
        first = process.stdout.readline()
        assert " at http" in first, found.rest
        found.url = first.split()[-1]
        yield found
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(240)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        reader.join()
        process.stdout.close()
        errors.close()
