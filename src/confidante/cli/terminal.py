"""What every command says and reads: lines, JSON, times, small files."""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from confidante.core.errors import DataError

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def examples(*commands: str) -> str:
    """Return the end of a command's help: its examples, one below the other."""
    return "\n\n".join((f"[bold]Example{'s' if len(commands) > 1 else ''}[/bold]", *commands))


def say(line: str) -> None:
    """Print a line on standard output, as `shown`."""
    sys.stdout.write(shown(line) + "\n")
    sys.stdout.flush()


def say_aside(line: str) -> None:
    """Print a line on standard error, as `shown`: progress, and what is not the result."""
    sys.stderr.write(shown(line) + "\n")
    sys.stderr.flush()


def shown(line: str) -> str:
    """Return a line to print. A title is anybody's: what would command the terminal is shown, not obeyed."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], line)


def print_json(value: Any) -> None:
    """Print one JSON value on a line, dataclasses by their fields. ASCII: any terminal can hold it."""
    sys.stdout.write(json.dumps(value, allow_nan=False, default=_fields) + "\n")


def _fields(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    return {field.name: getattr(value, field.name) for field in fields(value)}


def time_words(at: float) -> str:
    """Return seconds since 1970 as a time to read, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def iso_time(at: float) -> str:
    """Return seconds since 1970 as ISO 8601 with its zone, for JSON: 2026-01-31T12:00:00Z."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def read_file(path: Path) -> bytes:
    """Return the bytes of a file that an option names; DataError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", path=path) from None
