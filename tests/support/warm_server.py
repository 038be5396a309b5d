"""Forks Python programs off a process that has imported what they need: see `warm.py`.

Each message on the socket that it is given is a JSON object. {"words", "folder", "env"}, with the three
files that the program gets as standard input, output and error, is answered with its pid; {"ended": pid} with
how the program ended, or null while it runs.
"""

import json
import os
import runpy
import signal
import socket
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

import confidante.cli
import confidante.cli.app
import confidante.cli.coordinator.app
import confidante.coordinator.server.serve
import confidante.coordinator.server.worker
import confidante.device.device
import confidante.relay.app

MOST_BYTES = 1 << 20


def run(asked: dict[str, Any], files: Sequence[int]) -> NoReturn:
    """Be the program: `-m confidante.cli ...`, or a file and its arguments."""
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.closerange(3, 1024)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["env"])
    for sort in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sort, signal.default_int_handler if sort == signal.SIGINT else signal.SIG_DFL)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w", 1), os.fdopen(2, "w", 1)
    sys.modules["__main__"] = ModuleType("__main__")
    code: object = 1
    try:
        if asked["words"][:2] == ["-m", "confidante.cli"]:
            sys.argv = ["confidante", *asked["words"][2:]]
            confidante.cli.main()
        else:
            sys.argv = asked["words"]
            runpy.run_path(asked["words"][0], run_name="__main__")
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:  # noqa: BLE001  (what Python itself does at the top)
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def ended(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def main() -> None:
    with socket.socket(fileno=int(sys.argv[1])) as end:
        while True:
            data, files, _, _ = socket.recv_fds(end, MOST_BYTES, 3)
            if not data:
                return
            asked = json.loads(data)
            if "words" in asked:
                answer: int | None = os.fork()
                if answer == 0:
                    run(asked, files)
                for file in files:
                    os.close(file)
            else:
                answer = ended(asked["ended"])
            end.send(json.dumps(answer).encode())


if __name__ == "__main__":
    main()
