"""What coordinator and relay write of themselves: one line an event, on stderr, and nothing of a device."""

import json
import logging
import math
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, final

from confidante.core.address_quota import is_here

_shown: dict[str, Any] = {"form": "json", "always": {}}


def configure(form: str = "json", **always: object) -> None:
    """Set how lines look from now on (`json` or `text`), and what each says. Takes over uvicorn's."""
    _shown.update(form=form, always=always)
    server = logging.getLogger("uvicorn.error")
    server.handlers[:] = [_Handler()]
    server.setLevel(logging.ERROR)
    server.propagate = False


def log(event: str, **fields: object) -> None:
    """Write one line."""
    said = {"at": round(time.time(), 3), "event": event, **_shown["always"], **fields}
    if _shown["form"] == "json":
        line = json.dumps(said, default=str)
    else:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(float(str(said.pop("at")))))
        rest = " ".join(
            f"{name}={json.dumps(value, default=str)}" for name, value in said.items() if name != "event"
        )
        line = f"{stamp}Z {event} {rest}".rstrip()
    with suppress(OSError):  # no room for the log is no reason to stop
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


@final
class Seldom:
    """Writes about what may come with every request once in a while only, with how many came since."""

    def __init__(self, event: str, every: float = 10.0) -> None:
        """every: least seconds between two lines."""
        self._event, self._every = event, every
        self._from, self._unsaid = -math.inf, 0
        self._lock = threading.Lock()

    def __call__(self, **fields: object) -> None:
        """Count one more, and write a line if it is time to. May be called from any thread."""
        at = time.monotonic()
        with self._lock:
            self._unsaid += 1
            if at < self._from:
                return
            count, self._from, self._unsaid = self._unsaid, at + self._every, 0
        log(self._event, level="error", **fields, requests=count)


def crowded_log(*, named: str) -> Callable[[str], None]:
    """Return what to call with an address that has too many connections: it writes how many, never whose.

    named: the proxies that are believed who asks, if any.
    """
    others, here = Seldom("crowded"), Seldom("crowded")
    advice = (
        "this machine has too many connections: name a proxy on it with --proxies, as it joins everybody's"
    )

    def crowded(address: str) -> None:
        if is_here(address) and not named:
            here(says=advice)
        else:
            others(says="one address has too many connections")

    return crowded


@final
class _Handler(logging.Handler):
    """Writes what uvicorn complains of. Of an error in our own code its type and place, but not its text.

    A text may quote what was being worked at; a type and line numbers cannot.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            log("server", level=record.levelname.lower(), problem=str(record.msg).splitlines()[0][:300])
            return
        where = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        log("error", kind=type(error).__name__, where=where[-12:])
