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

_COMPACT = re.compile(r"(?:19|20)\d{6}(?:T\d{4,6}Z?)?")
_ISO = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")
_NUMBERS = re.compile(r"\s*(\d{1,4})([/.\-])\s?(\d{1,2})\2\s?(\d{1,4})\b")
_YEAR_FIRST = re.compile(r"\d{2}\. \d{1,2}\. \d{1,2}\.")  # as Koreans write it, and nobody else
_ROWS = 3  # at least, that go steadily through time from a year of two digits
_CLOCK = re.compile(r"(?<!\d)(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?\s*([ap])?\.?\s?m?\b\.?", re.IGNORECASE)
_OFFSET = re.compile(r"(?:UTC|GMT)?\s*([+-])(\d{1,2}):?(\d{2})?\s*$")
_SPACES = re.compile(r"[\s\u202f\u00a0]+")
ZONES = {  # hours ahead of UTC of the names that programs write, English ones and those of other languages
    "utc": 0, "gmt": 0, "z": 0, "wet": 0, "wez": 0, "azost": 0, "egst": 0, "azot": -1, "cvt": -1, "bst": 1,
    "west": 1, "wesz": 1, "cet": 1, "mez": 1, "seč": 1, "wat": 1, "cest": 2, "mesz": 2, "selč": 2, "cat": 2,
    "sast": 2, "eet": 2, "oez": 2, "idt": 3, "eest": 3, "oesz": 3, "msk": 3, "мск": 3, "trt": 3, "eat": 3,
    "msd": 4, "samt": 4, "azt": 4, "get": 4, "mut": 4, "ret": 4, "irst": 3.5, "irdt": 4.5, "aft": 4.5,
    "pkt": 5, "uzt": 5, "tmt": 5, "tjt": 5, "mvt": 5, "yekt": 5, "ist": 5.5, "slst": 5.5, "npt": 5.75,
    "bdt": 6, "btt": 6, "omst": 6, "kgt": 6, "almt": 6, "mmt": 6.5, "ict": 7, "wib": 7, "krat": 7,
    "novt": 7, "hovt": 7, "sgt": 8, "hkt": 8, "myt": 8, "pht": 8, "wita": 8, "awst": 8, "irkt": 8,
    "ulat": 8, "bnt": 8, "jst": 9, "kst": 9, "wit": 9, "yakt": 9, "acst": 9.5, "acdt": 10.5, "aest": 10,
    "chst": 10, "vlat": 10, "pgt": 10, "aedt": 11, "sbt": 11, "magt": 11, "sakt": 11, "nct": 11, "nzst": 12,
    "fjt": 12, "pett": 12, "anat": 12, "nzdt": 13, "tot": 13, "nst": -3.5, "ndt": -2.5, "brst": -2,
    "brt": -3, "art": -3, "uyt": -3, "clst": -3, "adt": -3, "gft": -3, "wgt": -3, "wgst": -2, "ast": -4,
    "edt": -4, "clt": -4, "bot": -4, "amt": -4, "vet": -4, "gyt": -4, "pyt": -4, "pyst": -3, "est": -5,
    "cdt": -5, "cot": -5, "pet": -5, "ect": -5, "act": -5, "cst": -6, "mdt": -6, "galt": -6, "east": -6,
    "mst": -7, "pdt": -7, "pst": -8, "akdt": -8, "akst": -9, "hst": -10, "hast": -10, "hadt": -9, "haa": -3,
    "hna": -4, "hae": -4, "hne": -5, "hac": -5, "hnc": -6, "har": -6, "hnr": -7, "hap": -7, "hnp": -8,
}  # fmt: skip


@final
class DateOrder(Enum):
    """What the first two numbers of a date like 3/4/21 are."""

    DAY_FIRST = "day/month"
    MONTH_FIRST = "month/day"
    YEAR_FIRST = "year/month"

    @property
    def whole(self) -> str:
        """The order of all three numbers."""
        return f"{self.value}/{'day' if self is DateOrder.YEAR_FIRST else 'year'}"

    @classmethod
    def named(cls, name: str) -> "DateOrder":
        """Return the order of that name. Raises DataError, naming them all."""
        try:
            return cls(name)
        except ValueError:
            raise DataError(
                f"date_order is {shown(name)}: give {' or '.join(one.value for one in cls)}"
            ) from None


def parse_time(text: str, order: DateOrder | None = None) -> float | None:
    """Return seconds since 1970 of a time without its own words, or None when it is not understood.

    Understood: seconds, milliseconds or microseconds since 1970; ISO 8601 (UTC when no zone is given);
    20210304; 2021/3/4; 4.3.2021; 3/4/21 when `order` says what comes first or only one order is possible;
    each with or without a time of day.
    """
    text = _SPACES.sub(" ", text).strip()
    if not text or len(text) > 64:
        return None
    if _ISO.match(text):
        return _iso(text)
    numbers = _NUMBERS.match(text)
    if numbers:
        order = DateOrder.YEAR_FIRST if _YEAR_FIRST.match(text) else order
        return _by_numbers(numbers, text[numbers.end() :], order)
    if _COMPACT.fullmatch(text):
        return _iso(text)
    return _since_1970(text)


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
    time, as exports do; so does a year of two digits that stands first. None when two remain possible, or the
    rows contradict each other.
    """
    first_day = second_day = needed = False
    rows, year_first = 0, True
    steady = {(order, up): True for order in DateOrder for up in (True, False)}
    before: dict[DateOrder, tuple[int, int, int]] = {}
    for text in dates:
        if _YEAR_FIRST.match(text):
            return DateOrder.YEAR_FIRST, True
        found = _NUMBERS.match(text)
        if found is None or found[2] == "." or len(found[1]) > 2:
            continue
        needed = needed or ambiguous(text)
        one, two, year = int(found[1]), int(found[3]), int(found[4])
        rows += 1
        year_first &= len(found[4]) <= 2 and 1 <= two <= 12 and 1 <= year <= 31
        first_day |= one > 12
        second_day |= two > 12
        for order, day in (
            (DateOrder.DAY_FIRST, (year, two, one)),
            (DateOrder.MONTH_FIRST, (year, one, two)),
            (DateOrder.YEAR_FIRST, (one, two, year)),
        ):
            last = before.get(order, day)
            steady[order, True] &= last <= day
            steady[order, False] &= last >= day
            before[order] = day
    fits = [order for order in DateOrder if steady[order, True] or steady[order, False]]
    if year_first and rows >= _ROWS and fits == [DateOrder.YEAR_FIRST]:
        return DateOrder.YEAR_FIRST, True
    fits = [order for order in fits if order is not DateOrder.YEAR_FIRST]
    if first_day != second_day:
        return (DateOrder.DAY_FIRST if first_day else DateOrder.MONTH_FIRST), needed
    return (fits[0] if needed and len(fits) == 1 and not first_day else None), needed


def seconds_of(moment: datetime) -> float | None:
    """Return the seconds since 1970 of a moment in UTC; None before 1970 and after 2100."""
    seconds = moment.replace(tzinfo=UTC).timestamp()
    return seconds if EARLIEST <= seconds < LATEST else None


def numeric_day(
    first: str, between: str, second: str, third: str, order: DateOrder | None
) -> datetime | None:
    """Return the day of a date in numbers; None when there is none, or it can be read in two ways."""
    one, two = int(first), int(second)
    if len(first) > 2 or (order is DateOrder.YEAR_FIRST and len(third) <= 2):
        return _date(_full_year(first), two, int(third))
    if between == "." or order is DateOrder.DAY_FIRST or one > 12:
        return _date(_full_year(third), two, one)
    if order is DateOrder.MONTH_FIRST or two > 12 or one == two:
        return _date(_full_year(third), one, two)
    return None


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
        return None if moment_or_none is None else seconds_of(moment_or_none)
    if moment.tzinfo is None:
        return seconds_of(moment)
    try:
        return seconds_of(moment.astimezone(UTC).replace(tzinfo=None))
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
    day = numeric_day(found[1], found[2], found[3], found[4], order)
    moment = None if day is None else _at_clock(day, rest)
    return None if moment is None else seconds_of(moment)


def _full_year(text: str) -> int:
    return int(text) + 2000 if len(text) <= 2 else int(text)


def _date(year: int, month: int, day: int) -> datetime | None:
    try:
        return datetime(year, month, day)
    except ValueError:
        return None


def _at_clock(day: datetime, text: str) -> datetime | None:
    """Return the day at the time of day that `text` gives (none: midnight), None when it is no time."""
    text = text.strip(" ,.T")
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
    return (ZONES[name.lower()], "") if name.lower() in ZONES else (0, name[:20])
