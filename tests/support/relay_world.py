"""A real `confidante relay` process, and a gateway that a test moves by hand."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from warm import Process

from confidante.crypto.oblivious_http import REQUEST_TYPE
from confidante.wire.rounds import Refusal, decode


@dataclass
class Running:
    process: Process
    url: str

    def post(self, body: object = b"sealed", **headers: str) -> httpx.Response:
        sent = {"content-type": REQUEST_TYPE} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        with httpx.Client(trust_env=False, timeout=60) as http:
            return http.post(self.url, content=body, headers=sent)  # type: ignore[arg-type]


@contextmanager
def relay_process(gateway: str, *options: object) -> Iterator[Running]:
    """Start it on a free port; it must have written its address, and of its gateway, and nothing else."""
    process = Process("-m", "confidante.cli", "relay", "--gateway", gateway, "--port", 0, *options)
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.append(process.stderr.read()))
    reader.start()
    try:
        first = process.stdout.readline()
        assert first.startswith("relay at http"), first
        yield Running(process, first.split()[-1])
    finally:
        process.terminate()
        process.wait(60)
        reader.join()
        rest = process.stdout.read()
        process.close()
    events = [json.loads(line) for line in "".join(said).splitlines()]
    assert (rest, {one["event"] for one in events} - {"gateway", "metrics", "crowded"}) == ("", set())
    assert all(set(one) <= {"at", "event", "level", "says", "at_port", "requests"} for one in events)


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, decode(answer.content, Refusal).reason
