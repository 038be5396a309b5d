"""Times and durations as Gorse reads and writes them, which is as Go does."""

import re
from datetime import UTC, datetime, timedelta

from confidante.core.errors import DataError
from confidante.core.text import shown

try:
    from dateutil import parser
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "Gorse's API reads times with python-dateutil: install confidante[gorse]", name=error.name
    ) from None

NO_TIME = datetime(1, 1, 1, tzinfo=UTC)
"""What Go writes where no time was given."""

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d{1,15}(?:\.\d{0,9})?|\.\d{1,9})(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_STAMP = re.compile(r"\d{10}|\d{13}|\d{16}|\d{19}", re.ASCII)
_LONGEST = 100 * 365 * 86_400.0


def read_time(text: str) -> datetime:
    """Return the time that a text says, UTC where it names no zone; `NO_TIME` for an empty one.

    Reads RFC 3339, seconds, milliseconds, microseconds or nanoseconds since 1970, and the many other ways of
    writing that Gorse reads, month first where that is open. Raises DataError.
    """
    if not text:
        return NO_TIME
    try:
        if _STAMP.fullmatch(text):
            return datetime.fromtimestamp(int(text) / 10 ** (len(text) - 10), UTC)
        return _in_utc(_parsed(text))
    except (ValueError, OverflowError):
        if text.startswith("0001-01-01"):  # of a zone in which the year 1 begins before that of UTC
            return NO_TIME
        raise DataError(f"{shown(text)} is not a time: write it as 2026-01-31T12:00:00Z") from None


def write_time(moment: datetime) -> str:
    """Write a time as Go does: RFC 3339 in UTC, with as many digits of a second as it has."""
    whole = moment.replace(microsecond=0, tzinfo=None).isoformat()
    return f"{whole}.{moment.microsecond:06d}".rstrip("0").rstrip(".") + "Z"


def moment_of(at: float) -> datetime:
    """Return seconds since 1970 as a time."""
    return datetime.fromtimestamp(at, UTC)


def second_of(moment: datetime) -> float:
    """Return a time as whole seconds since 1970, below 0 before."""
    return float((moment - moment_of(0)) // timedelta(seconds=1))


def seconds_of(duration: str) -> float:
    """Read a duration as Go does, "1h30m0s", "10m", "1.5s"; DataError for anything else."""
    sign, unsigned = (-1.0, duration[1:]) if duration.startswith("-") else (1.0, duration.removeprefix("+"))
    if duration in ("", "0", "+0", "-0"):
        return 0.0
    parts = list(_PART.finditer(unsigned))
    seconds = sum(float(part[1]) * _UNITS[part[2]] for part in parts)
    if not parts or "".join(part[0] for part in parts) != unsigned or seconds > _LONGEST:
        raise DataError(f"{shown(duration)} is not a duration: write it as 1h30m0s")
    return sign * seconds


def _parsed(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        found: datetime = parser.parse(text, default=NO_TIME, tzinfos=lambda _name, offset: offset or 0)
        if found.year == 1 and not text.startswith("0001"):
            raise ValueError("no year") from None
        return found


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
