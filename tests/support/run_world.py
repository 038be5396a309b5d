"""A real `confidante coordinator run` process on a small population."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from populations import write_population
from warm import Process, run

KEY = "0123456789abcdef0123456789abcdef"


def defined(folder: Path, name: str = "films") -> Path:
    """Write a population and return its file."""
    return write_population(folder, name=name, items=20, devices=5)


COMMAND = ("-m", "confidante.cli", "coordinator")


def called(*words: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return run(*COMMAND, *words, folder=folder)


@dataclass
class Running:
    process: Process
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
    process = Process(*COMMAND, "run", *words, "--port", 0)
    found = Running(process)

    def read() -> None:
        for line in process.stderr:
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
        process.close()
