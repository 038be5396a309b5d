"""Values in words and in lengths of bars, as the page shows them. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import final

from confidante.core.errors import DataError
from confidante.device.values import Reason, ReasonKind

EVERYONE = "popular with everyone"


@final
@dataclass(frozen=True, slots=True)
class Share:
    """One stretch of a bar. left, percent: in hundredths of it; against: it pulls the score down."""

    label: str
    kind: str
    percent: float
    left: float
    against: bool


def shares(reasons: Sequence[Reason], named: int = 3) -> tuple[Share, ...]:
    """What a suggestion rests on, heaviest own events by name first, the others of one kind together.

    Percentages are of the sum of sizes of all points, so they add up to 100. Nothing when every point is 0.
    """
    total = math.fsum(abs(reason.points) for reason in reasons)
    if total <= 0:
        return ()
    events = sorted((r for r in reasons if r.kind is ReasonKind.EVENT), key=lambda r: -abs(r.points))
    grouped = [(reason.subject, "event", abs(reason.points), reason.points < 0) for reason in events[:named]]
    rest = events[named:]
    if rest:
        what = "1 more of yours" if len(rest) == 1 else f"{len(rest)} more of yours"
        sizes = math.fsum(abs(reason.points) for reason in rest)
        grouped.append((what, "event", sizes, math.fsum(reason.points for reason in rest) < 0))
    for reason in reasons:
        if reason.kind is ReasonKind.TASTE:
            grouped.append((f"your taste: {reason.subject}", "taste", abs(reason.points), reason.points < 0))
        elif reason.kind is ReasonKind.REQUEST:
            label = f"less like {reason.subject}"
            grouped.append((label, "request", abs(reason.points), reason.points < 0))
        elif reason.kind is ReasonKind.POPULARITY:
            grouped.append((EVERYONE, "everyone", abs(reason.points), reason.points < 0))
    found, left = [], 0.0
    for label, kind, size, against in grouped:
        percent = 100 * size / total
        found.append(Share(label, kind, percent, left, against))
        left += percent
    return tuple(share for share in found if share.percent >= 0.5)


def reason_words(reason: Reason) -> str:
    """One line of the table of all reasons."""
    if reason.kind is ReasonKind.EVENT:
        return reason.subject
    if reason.kind is ReasonKind.POPULARITY:
        return "Popular with everyone (learnt from noisy sums over many people; the same for all)"
    if reason.kind is ReasonKind.TASTE:
        return f"Your taste: {reason.subject}"
    return f"You asked for less like {reason.subject}"


def size_words(size: int) -> str:
    """Bytes, as people read them."""
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"


def time_words(at: float) -> str:
    """A time in the zone of this machine, to the minute."""
    return _local(at).strftime("%Y-%m-%d %H:%M")


def clock_words(at: float) -> str:
    """The time of day in the zone of this machine, to the second."""
    return _local(at).strftime("%H:%M:%S")


def machine_time(at: float) -> str:
    """RFC 3339, UTC, for machines."""
    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at)).isoformat()
    return moment.replace("+00:00", "Z")


def day_start(text: str, *, after: bool = False) -> float | None:
    """Seconds since 1970 of a day's first moment here, of the next day's with `after`. None for no text."""
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d") + timedelta(days=int(after))
        return day.astimezone().timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise DataError(f"{text[:20]!r} is no day: write it as 2026-01-31") from error


def listed(words: Iterable[str]) -> str:
    """Join with commas and a last "and"."""
    all_words = list(words)
    if len(all_words) < 2:
        return "".join(all_words)
    return f"{', '.join(all_words[:-1])} and {all_words[-1]}"


def _local(at: float) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at)).astimezone()
