"""Starts coordinators by forking from a process that has imported them: what it runs is `confidante` itself.

Reads one line of JSON at a time: {"run": arguments, "out": file} is answered with a pid, {"wait": pid} with
how it ended.
"""

import json
import os
import sys

from confidante.cli import app


def start(arguments: list[str], out: str) -> int:
    pid = os.fork()
    if pid:
        return pid
    said = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(said, 1)
    os.dup2(said, 2)
    code = 70
    try:
        code = app.run(arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        if "run" in asked:
            answer = start(asked["run"], asked["out"])
        else:
            answer = os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1])
        print(answer, flush=True)
