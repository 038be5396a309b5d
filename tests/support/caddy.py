"""Debian's Caddy as a process, with a file of deploy/ as it stands."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from paths import ROOT


@dataclass
class Proxy:
    """A Caddy that runs. log: what it wrote, once it has ended."""

    url: str
    log: str = ""


def caddy_program() -> str:
    """Return the program. CONFIDANTE_REQUIRE_CADDY=1 makes it a failure that there is none."""
    found = shutil.which(os.environ.get("CONFIDANTE_CADDY", "caddy"))
    if found is None:
        said = "no Caddy: run `make setup-caddy`, or name one in CONFIDANTE_CADDY"
        if os.environ.get("CONFIDANTE_REQUIRE_CADDY") == "1":
            pytest.fail(said)
        pytest.skip(said)
    return found


@contextmanager
def proxied(file: str, **environment: str) -> Iterator[Proxy]:
    """Run it without TLS on a free port of this machine, until the block ends."""
    url = f"http://127.0.0.1:{_free_port()}"
    with tempfile.TemporaryDirectory() as home, (Path(home) / "log").open("w+") as log:
        places = {"HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home, "CONFIDANTE_SITE": url}
        process = subprocess.Popen(
            [caddy_program(), "run", "--adapter", "caddyfile", "--config", str(ROOT / "deploy" / file)],
            env=os.environ | places | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        made = Proxy(url)
        try:
            _await(process, url)
            yield made
        finally:
            process.terminate()
            process.wait(60)
            log.seek(0)
            made.log = log.read()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


def _await(process: "subprocess.Popen[bytes]", url: str) -> None:
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"Caddy does not answer; it ended with {process.poll()}")
