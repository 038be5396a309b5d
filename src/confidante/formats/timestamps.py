"""Times as people's exports write them, to seconds since 1970, UTC."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import final

from confidante.core.errors import DataError
from confidante.core.text import shown

EARLIEST = 0.0  # 1970
LATEST = 4102444800.0  # 2100

_ISO = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")
_NUMBERS = re.compile(r"\s*(\d{1,4})([/.\-])(\d{1,2})\2(\d{1,4})\b")
_CLOCK = re.compile(r"(?<!\d)(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?\s*([ap])?\.?\s?m?\b\.?", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")
_OFFSET = re.compile(r"(?:UTC|GMT)?\s*([+-])(\d{1,2}):?(\d{2})?\s*$")
_SPACES = re.compile(r"[\s\u202f\u00a0]+")
_MONTHS = {
    name: month
    for month, names in enumerate(
        (
            "jan janv ene gen januar january janvier enero gennaio janeiro januari",
            "feb fév févr fev febr februar february février febrero febbraio fevereiro februari",
            "mar mär märz mars mrt march marzo março maart maerz",
            "apr avr abr april avril abril aprile",
            "may mai mayo maggio maio mei mag",
            "jun juin juni june junio giugno junho giu",
            "jul juil juli july juillet julio luglio julho lug",
            "aug août ago august agosto augustus aout",
            "sep sept set september septembre septiembre settembre setembro",
            "oct okt out ott october oktober octobre octubre ottobre outubro",
            "nov november novembre noviembre novembro",
            "dec dez déc dic december dezember décembre diciembre dicembre dezembro",
        ),
        1,
    )
    for name in names.split()
}
_ZONES = {  # hours ahead of UTC
    "utc": 0, "gmt": 0, "z": 0, "wet": 0, "bst": 1, "west": 1, "cet": 1, "mez": 1, "cest": 2, "mesz": 2,
    "eet": 2, "eest": 3, "msk": 3, "ist": 5.5, "sgt": 8, "hkt": 8, "awst": 8, "jst": 9, "kst": 9, "aest": 10,
    "aedt": 11, "nzst": 12, "nzdt": 13, "brt": -3, "ast": -4, "edt": -4, "est": -5, "cdt": -5, "cst": -6,
    "mdt": -6, "mst": -7, "pdt": -7, "pst": -8, "akdt": -8, "akst": -9, "hst": -10,
}  # fmt: skip


@final
class DateOrder(Enum):
    """What the first two numbers of a date like 3/4/21 are."""

    DAY_FIRST = "day/month"
    MONTH_FIRST = "month/day"

    @classmethod
    def named(cls, name: str) -> "DateOrder":
        """Return the order of that name. Raises DataError, naming both."""
        try:
            return cls(name)
        except ValueError:
            raise DataError(
                f"date_order is {shown(name)}: give {' or '.join(one.value for one in cls)}"
            ) from None


def parse_time(text: str, order: DateOrder | None = None) -> float | None:
    """Return seconds since 1970 of a time without its own words, or None when it is not understood.

    Understood: seconds, milliseconds or microseconds since 1970; ISO 8601 (UTC when no zone is given);
    2021/3/4; 4.3.2021; 3/4/21 when `order` says what comes first or only one order is possible; each with or
    without a time of day.
    """
    text = _SPACES.sub(" ", text).strip()
    if not text or len(text) > 64:
        return None
    if _ISO.match(text):
        return _iso(text)
    numbers = _NUMBERS.match(text)
    if numbers:
        return _by_numbers(numbers, text[numbers.end() :], order)
    return _since_1970(text)


def parse_words(text: str) -> tuple[float, str] | None:
    """Return the seconds of a time written out ("Jan 1, 2023, 1:02:03 PM CET"), and its zone if unknown.

    Month names: English, German, French, Spanish, Italian, Portuguese, Dutch. Also what `parse_time`
    understands. The zone is empty when it is known or none is named; an unknown one is taken as UTC.
    """
    text = _SPACES.sub(" ", text).strip()
    if not text or len(text) > 100:
        return None
    plain = parse_time(text)
    if plain is not None:
        return plain, ""
    clock = _CLOCK.search(text)
    date = text[: clock.start()] if clock and clock.start() else text
    rest = text[clock.end() :].strip() if clock else ""
    day = _written_date(date)
    if day is None:
        return None
    moment = _with_clock(day, clock)
    if moment is None:
        return None
    hours, unknown = _zone(rest)
    return _checked(moment - timedelta(hours=hours)) if not unknown else _checked(moment, unknown)


def ambiguous(text: str) -> bool:
    """Whether a text is a date like 3/4/21, which can be read in two ways."""
    found = _NUMBERS.match(text)
    if found is None or found[2] == "." or len(found[1]) > 2:
        return False
    one, two = int(found[1]), int(found[3])
    return one != two and 0 < one <= 12 and 0 < two <= 12


def evidence(dates: Iterable[str]) -> tuple[DateOrder | None, bool]:
    """Return which order the dates prove, and whether any of them can be read in two ways.

    Proof: a first or second number above 12; else that, read in one order only, the rows go steadily through
    time, as exports do. None when both remain possible, or the rows contradict each other.
    """
    first_day = second_day = needed = False
    steady = {(order, up): True for order in DateOrder for up in (True, False)}
    before: dict[DateOrder, tuple[int, int, int]] = {}
    for text in dates:
        found = _NUMBERS.match(text)
        if found is None or found[2] == "." or len(found[1]) > 2:
            continue
        needed = needed or ambiguous(text)
        one, two, year = int(found[1]), int(found[3]), int(found[4])
        first_day |= one > 12
        second_day |= two > 12
        for order, day in (
            (DateOrder.DAY_FIRST, (year, two, one)),
            (DateOrder.MONTH_FIRST, (year, one, two)),
        ):
            last = before.get(order, day)
            steady[order, True] &= last <= day
            steady[order, False] &= last >= day
            before[order] = day
    if first_day != second_day:
        return (DateOrder.DAY_FIRST if first_day else DateOrder.MONTH_FIRST), needed
    fits = [order for order in DateOrder if steady[order, True] or steady[order, False]]
    return (fits[0] if needed and len(fits) == 1 and not first_day else None), needed


def _checked(moment: datetime, zone: str = "") -> tuple[float, str] | None:
    seconds = moment.replace(tzinfo=UTC).timestamp()
    return (seconds, zone) if EARLIEST <= seconds < LATEST else None


def _seconds(moment: datetime) -> float | None:
    checked = _checked(moment)
    return checked[0] if checked else None


def _iso(text: str) -> float | None:
    text = re.sub(r" ?(UTC|GMT|Z)$", "+00:00", text, flags=re.IGNORECASE)
    text = re.sub(r"(?<=\d) (?=[+-]\d)", "", text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        found = re.match(r"(\d{4})-(\d{1,2})-(\d{1,2})", text)
        day = _date(int(found[1]), int(found[2]), int(found[3])) if found else None
        if found is None or day is None:
            return None
        moment_or_none = _at_clock(day, text[found.end() :])
        return None if moment_or_none is None else _seconds(moment_or_none)
    if moment.tzinfo is None:
        return _seconds(moment)
    try:
        return _seconds(moment.astimezone(UTC).replace(tzinfo=None))
    except OverflowError:
        return None


def _since_1970(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    for unit in (1.0, 1e3, 1e6):  # seconds, milliseconds, microseconds
        if 1e8 * unit <= number < LATEST * unit:
            return number / unit
    return None  # a smaller number is a year, or the clock of a player that was never set


def _by_numbers(found: re.Match[str], rest: str, order: DateOrder | None) -> float | None:
    one, two, three = int(found[1]), int(found[3]), int(found[4])
    if len(found[1]) > 2:
        year, month, day = one, two, three
    elif found[2] == "." or order is DateOrder.DAY_FIRST or one > 12:
        year, month, day = _full_year(found[4]), two, one
    elif order is DateOrder.MONTH_FIRST or two > 12 or one == two:
        year, month, day = _full_year(found[4]), one, two
    else:
        return None
    date = _date(year, month, day)
    moment = None if date is None else _at_clock(date, rest)
    return None if moment is None else _seconds(moment)


def _full_year(text: str) -> int:
    return int(text) + 2000 if len(text) <= 2 else int(text)


def _date(year: int, month: int, day: int) -> datetime | None:
    try:
        return datetime(year, month, day)
    except ValueError:
        return None


def _at_clock(day: datetime, text: str) -> datetime | None:
    """Return the day at the time of day that `text` gives (none: midnight), None when it is no time."""
    text = text.strip(" ,T")
    if not text:
        return day
    clock = _CLOCK.match(text)
    if clock is None:
        return None
    moment = _with_clock(day, clock)
    hours, unknown = _zone(text[clock.end() :].strip())
    return None if moment is None or unknown else moment - timedelta(hours=hours)


def _with_clock(day: datetime, clock: re.Match[str] | None) -> datetime | None:
    if clock is None:
        return day
    hour, minute, second = int(clock[1]), int(clock[2]), int(clock[3] or 0)
    if clock[4]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if clock[4].lower() == "p" else 0)
    try:
        return day.replace(hour=hour, minute=minute, second=min(second, 59))
    except ValueError:
        return None


def _zone(text: str) -> tuple[float, str]:
    """Return hours ahead of UTC, and the zone's name when it is unknown."""
    offset = _OFFSET.match(text)
    if offset and (offset[1]):
        hours = int(offset[2]) + int(offset[3] or 0) / 60
        return (hours if offset[1] == "+" else -hours), ""
    name = text.strip(" ,.()")
    if not name:
        return 0, ""
    return (_ZONES[name.lower()], "") if name.lower() in _ZONES else (0, name[:20])


def _written_date(text: str) -> datetime | None:
    """Return the day of a date with the month's name, or of numbers that can be read in one way."""
    numbers = _NUMBERS.match(text)
    if numbers:
        seconds = _by_numbers(numbers, "", None)
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    months = [_MONTHS[word.lower()] for word in _WORD.findall(text) if word.lower() in _MONTHS]
    found = [part for part in re.findall(r"\d+", text) if len(part) <= 4]
    years = [int(part) for part in found if len(part) == 4]
    days = [int(part) for part in found if len(part) <= 2]
    if not months or len(years) != 1 or len(days) != 1:
        return None
    return _date(years[0], months[-1], days[0])  # a weekday can look like a month, and stands first
