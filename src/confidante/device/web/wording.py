"""Values in words and in lengths of bars, as the page shows them. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import final

from confidante.core.errors import DataError
from confidante.device.values import Reason, ReasonKind

_NAMES = {
    ReasonKind.EVENT: "{}",
    ReasonKind.EVENTS: "{} of yours",
    ReasonKind.REQUEST: "less like {}",
    ReasonKind.TASTE: "your taste: {}",
    ReasonKind.POPULARITY: "popular with everyone",
    ReasonKind.REFINEMENT: "{}",
    ReasonKind.RULE: "{}",
}
_CLASSES = {
    ReasonKind.REQUEST: "request",
    ReasonKind.TASTE: "taste",
    ReasonKind.POPULARITY: "everyone",
    ReasonKind.REFINEMENT: "server",
    ReasonKind.RULE: "server",
}


@final
@dataclass(frozen=True, slots=True)
class Share:
    """One stretch of a bar. left, percent: in hundredths of it."""

    label: str
    kind: str
    percent: float
    left: float


def shares(reasons: Sequence[Reason], named: int = 3) -> tuple[Share, ...]:
    """Return what a suggestion rests on: what speaks for it, own events first, then all against it as one.

    Percentages are of the sum of the sizes of all points; shares below half a hundredth are left out.
    """
    total = math.fsum(abs(reason.points) for reason in reasons)
    if total <= 0:
        return ()
    speaking = sorted((r for r in reasons if r.points > 0), key=lambda r: -r.points)
    own = [reason for reason in speaking if reason.kind is ReasonKind.EVENT]
    together = [reason for reason in speaking if reason.kind is ReasonKind.EVENTS]
    named += len(own) == named + 1 and not together  # "your other events" takes the room of a name
    grouped = [(reason.subject, "event", reason.points) for reason in own[:named]]
    rest = own[named:] + together
    if rest:
        grouped.append(("your other events", "event", math.fsum(reason.points for reason in rest)))
    grouped += [
        (_name(reason), _CLASSES[reason.kind], reason.points)
        for reason in speaking
        if reason.kind not in (ReasonKind.EVENT, ReasonKind.EVENTS)
    ]
    against = [reason for reason in reasons if reason.points < 0]
    if against:
        heaviest = sorted(against, key=lambda r: r.points)
        names = [_name(reason) for reason in heaviest[:2]]
        names += [f"{len(against) - 2} more"] if len(against) > 2 else []
        grouped.append((f"against it: {listed(names)}", "against", -math.fsum(r.points for r in against)))
    found, left = [], 0.0
    for label, kind, size in grouped:
        percent = 100 * size / total
        found.append(Share(label, kind, percent, left))
        left += percent
    return tuple(share for share in found if share.percent >= 0.5)


def reason_words(reason: Reason) -> str:
    """One line of the table of all reasons."""
    if reason.kind in (ReasonKind.EVENT, ReasonKind.EVENTS):
        said = f" ({reason.said})" if reason.said else ""
        return _NAMES[reason.kind].format(reason.subject) + said
    if reason.kind is ReasonKind.POPULARITY and reason.subject:
        return f"Popular with {reason.subject} (learnt from noisy sums; the same for all of them)"
    if reason.kind is ReasonKind.POPULARITY:
        return "Popular with everyone (learnt from noisy sums over many people; the same for all)"
    if reason.kind is ReasonKind.TASTE:
        return f"Your taste: {reason.subject}"
    if reason.kind in (ReasonKind.REFINEMENT, ReasonKind.RULE):
        return reason.subject[:1].upper() + reason.subject[1:]
    return f"You asked for less like {reason.subject}"


def _name(reason: Reason) -> str:
    if reason.kind is ReasonKind.POPULARITY and reason.subject:
        return f"popular with {reason.subject}"
    return _NAMES[reason.kind].format(reason.subject)


def moved_words(before: int | None, now: int, points: float) -> str:
    """How a server's knowledge moved a suggestion; empty when it did not.

    before: its place on the list made here, from 1; None when it was not on it. now: its place. points: that
    the server's knowledge gave or took, in units of the score.
    """
    if not points:
        return ""
    if before is None:
        place = "not on your own list"
    elif before == now:
        place = "same place"
    else:
        way, by = ("up", before - now) if now < before else ("down", now - before)
        place = f"{by} place{'' if by == 1 else 's'} {way}"
    does = "adds" if points > 0 else "takes"
    return f"{place[:1].upper()}{place[1:]}: what the server knows {does} {figure_words(abs(points))} points"


def picked_words(count: int, wanted: int) -> str:
    """How far a choice has come, for a line that is read aloud. wanted: how many are asked for; 0: any."""
    if count < wanted:
        return f"{count} of {wanted} picked"
    return f"{count} picked: that is a good start" if 0 < wanted == count else f"{count} picked"


def points_words(points: float) -> str:
    """Points of a score, with their sign."""
    return f"{points:+.4f}".replace("-", "\N{MINUS SIGN}")


def figure_words(value: float) -> str:
    """Three digits of a number, never in powers of ten."""
    text = f"{value:.3g}"
    return f"{value:.12f}".rstrip("0").rstrip(".") if "e-" in text else text


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
        raise DataError(f"{text[:20]!r} is not a date: write it as 2026-01-31") from error


def day_range(first: str, last: str) -> tuple[float | None, float | None]:
    """Seconds since 1970 from the start of a first day to the end of a last one, None for no text."""
    return day_start(first), day_start(last, after=True)


def listed(words: Iterable[str]) -> str:
    """Join with commas and a last "and"."""
    all_words = list(words)
    if len(all_words) < 2:
        return "".join(all_words)
    return f"{', '.join(all_words[:-1])} and {all_words[-1]}"


def _local(at: float) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at)).astimezone()
