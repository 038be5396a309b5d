# ruff: noqa: RUF001 - other scripts are the point here
"""Dates and times of day as programs write them out for people, in the languages of `date_words.json`.

That table is CLDR's, made by `tools/make_date_words.py`; words are compared as `plain` gives them. One word
may be two months (listopad is October in Croatian, November in Polish): the language that all dates of a file
have in common decides, else the date is not understood. A time of day that is there and is not understood is
never taken for midnight.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import final

import msgspec

from confidante.formats.timestamps import (
    ZONES,
    DateOrder,
    ambiguous,
    evidence,
    numeric_day,
    parse_time,
    seconds_of,
)

_LONGEST = 100  # characters of a date
_NOON = 12
_WORDS_TOGETHER = 4  # at most, as in "p. m." or "de la tarde"
_IN_WORDS = re.compile("[.'\u2019\u02bc\u00b7\u200c\u200d\u0640-]")
_MARKS = re.compile("[\u200e\u200f\u061c\u200b]")
_SPACES = re.compile(r"\s+")
_DAY, _TIME = "\ue000", "\ue001"  # stand where a day and a time of day were; no script has these letters
_TOKENS = re.compile(rf"\d+|{_DAY}|{_TIME}|[^\s\d{_DAY}{_TIME},;:/()\[\]،؛]+")
_BY_SIGNS = re.compile(r"(\d{1,4})\s?[年년]\s?(\d{1,2})\s?[月월]\s?(\d{1,2})\s?[日일号號]?")
_COUNTED = (  # Vietnamese and Mongolian, whose months are numbers
    re.compile(
        r"(?P<day>\d{1,2})\s(?:thg|tháng)\s(?P<month>\d{1,2}),?(?:\snăm)?\s(?P<year>\d{4})", re.IGNORECASE
    ),
    re.compile(r"(?P<year>\d{4})\sоны\s(?P<month>\d{1,2})-р\sсарын\s(?P<day>\d{1,2})", re.IGNORECASE),
)
_YEAR_FIRST = re.compile(r"(?<!\d)(\d{2})\. (\d{1,2})\. (\d{1,2})\.(?! ?\d{4})")
_NUMBERS = re.compile(r"(?<![\d:])(\d{1,4})\s?([./-])\s?(\d{1,2})\s?\2\s?(\d{1,4})(?![\d:])\.?")
_CLOCKS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?<!\d)(\d{1,2}):(\d{2})(?::(\d{2}))?(?:[.,]\d+)?(?!\d)",
        r"(?<![\d.])(\d{1,2})\.(\d{2})\.(\d{2})(?![\d.])",
        r"(?<!\d)(\d{1,2})\s?[h時时點点시](?:\s?(\d{1,2})(?:\s?(?:min|m|分|분)?(?:\s?(\d{1,2})\s?[s秒초])?)?)?",
        r"(?<![\d.])(\d{1,2})\.(\d{2})(?![\d.])",
    )
)
_OFFSET = re.compile(r"[^\W\d_]*\s?([+\u2212-])(\d{1,2})(?::?(\d{2}))?(?!\d)")
_LIKE_A_ZONE = re.compile(r"[A-Z]{2,5}")
_BUDDHIST = (range(2450, 2700), 543)  # years of Thailand, and what they are ahead of ours
_PERSIAN = range(1348, 1480)

_ELSEWHERE: Mapping[str, Mapping[str, float]] = {
    # names of more than one time zone: hours ahead of UTC by language, first those of all other languages
    "ist": {"": 5.5, "he": 2, "ga": 1},
    "cst": {"": -6, "zh": 8, "yue": 8},
    "bst": {"": 1, "bn": 6},
    "ast": {"": -4, "ar": 3},
    "pst": {"": -8, "fil": 8},
    "amt": {"": -4, "hy": 4},
}
_SEVERAL_ZONES = re.compile(rf"\b({'|'.join(_ELSEWHERE)})\b", re.IGNORECASE)


@final
class _Language(msgspec.Struct, frozen=True):
    """One language.

    order: of day, month and year in a date of numbers, as "dmy"; empty where its countries differ.
    months: the words of each, January first. periods: parts of the day, from one hour to another. joining:
    words that say nothing, as "klo" and "Uhr".
    """

    order: str
    months: tuple[tuple[str, ...], ...]
    periods: Mapping[str, tuple[int, int]]
    joining: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True)
class Habits:
    """How one file writes its dates, told from all of them together.

    order: of day and month where both are numbers; None: not known. languages: those that every date can be
    of; empty: not known, or several. zones: hours ahead of UTC of names that mean more than one time zone.
    whole_day: its hours go beyond 12, so that none of them needs AM or PM. doubt: a date that can be read in
    two ways where nothing shows which is right; else an empty text.
    """

    order: DateOrder | None = None
    languages: frozenset[str] = frozenset()
    zones: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    whole_day: bool = False
    doubt: str = ""


ANY = Habits()


@final
@dataclass(frozen=True, slots=True)
class _Parts:
    """A text taken apart.

    day: its three numbers and what stands between; or month: a word, with the other numbers. clock: hour,
    minute, second. period: a word for a part of the day. zone: a name. offset: hours ahead of UTC. unknown:
    a word beside the time of day may be anything. languages: those of its words; empty: any.
    """

    day: tuple[str, str, str, str] | None
    month: str
    numbers: tuple[str, ...]
    clock: tuple[int, int, int] | None
    period: str
    zone: str
    offset: float | None
    unknown: bool
    languages: frozenset[str]


def plain(text: str) -> str:
    """Return words as they are compared: in lower case, without full stops and marks of direction.

    >>> plain("Мар."), plain("p.\u202fm."), plain("ก.พ.")
    ('мар', 'p m', 'กพ')
    """
    text = _MARKS.sub("", unicodedata.normalize("NFKC", text)).casefold()
    return _SPACES.sub(" ", _IN_WORDS.sub("", text)).strip()


def parse_words(text: str, habits: Habits = ANY) -> tuple[float, str] | None:
    """Return the seconds of a time written out ("Jan 1, 2023, 1:02:03 PM CET"), and its zone if unknown.

    Also what `parse_time` understands. The zone is empty when it is known or none is named; an unknown one
    is taken as UTC. habits: what the other dates of its file show. None: not understood.
    """
    if len(text) > 2 * _LONGEST:
        return None
    text = _one_script(text)
    numbers = None if _SEVERAL_ZONES.search(text) else parse_time(text, habits.order)
    if numbers is not None:
        return numbers, ""
    parts = _parts(text)
    day = None if parts is None else _day(parts, habits)
    hours = None if parts is None or day is None else _hour(parts, habits)
    if parts is None or day is None or hours is None:
        return None
    ahead, unknown = _zone(parts, habits)
    seconds = seconds_of(day + hours - timedelta(hours=ahead))
    return None if seconds is None else (seconds, unknown)


def habits_of(texts: Iterable[str], said: DateOrder | None = None) -> tuple[Habits, tuple[str, ...]]:
    """Return how a file writes its dates, and what had to be assumed, in sentences.

    said: the order of day and month in the person's word, for where neither dates nor language show it.
    """
    languages: frozenset[str] | None = None
    whole_day, zones, months, numeric = False, set[str](), set[int](), list[str]()
    for text in texts:
        parts = _parts(_one_script(text)) if len(text) <= 2 * _LONGEST else None
        if parts is None:
            continue
        if parts.languages:
            languages = parts.languages if languages is None else languages & parts.languages
        whole_day |= parts.clock is not None and not 0 < parts.clock[0] <= _NOON
        zones.add(plain(parts.zone))
        if parts.day:
            numeric.append("".join((*parts.day[:3], parts.day[1], parts.day[3])))
        elif parts.zone.lower() == "ist" and (day := _day(parts, ANY)):
            months.add(day.month)
    known = languages or frozenset()
    order, needed = evidence(numeric)
    order = order or _order_of(known) or said
    doubt = next(filter(ambiguous, numeric)) if needed and order is None else ""
    notes: tuple[str, ...] = ()
    ahead = {name: _hours_there(name, known) for name in zones & _ELSEWHERE.keys() if known}
    if "ist" in zones:
        ahead["ist"], notes = _ist(known, zones, months)
        if notes:  # each date by its own words, then
            del ahead["ist"]
    return Habits(order, known, MappingProxyType(ahead), whole_day, doubt), notes


def _ist(languages: frozenset[str], zones: set[str], months: set[int]) -> tuple[float, tuple[str, ...]]:
    """Tell Indian from Irish and Israeli time: Ireland names it in summer alone, Israel in winter alone."""
    india, israel, ireland = (_ELSEWHERE["ist"][name] for name in ("", "he", "ga"))
    winter, summer = bool(months & {11, 12, 1, 2}), bool(months & {5, 6, 7, 8, 9})
    hours = _hours_there("ist", languages)
    if hours != india:
        return hours, ()
    if "idt" in zones or "gmt" in zones:
        return israel if "idt" in zones else ireland, ()
    if (winter and summer) or (languages and not languages & {"en", "he", "ga"}):
        return india, ()
    return india, ("the time zone IST is India's, Israel's or Ireland's: taken as India's",)


def _hours_there(name: str, languages: frozenset[str]) -> float:
    meant = _ELSEWHERE[name]
    said = {meant[language] for language in languages if language in meant}
    return said.pop() if len(said) == 1 and "en" not in languages else meant[""]


@cache
def _table() -> Mapping[str, _Language]:
    raw = files("confidante.formats").joinpath("date_words.json").read_bytes()
    return msgspec.json.decode(raw, type=dict[str, _Language])


@cache
def _months() -> Mapping[str, Mapping[str, int]]:
    """Return which month each word is, by language."""
    found: dict[str, dict[str, int]] = {}
    for name, language in _table().items():
        for month, words in enumerate(language.months, 1):
            for word in words:
                found.setdefault(word, {})[name] = month
    return found


@cache
def _periods() -> Mapping[str, Mapping[str, tuple[int, int]]]:
    """Return the hours of each word for a part of the day, by language."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for name, language in _table().items():
        for word, hours in language.periods.items():
            found.setdefault(word, {})[name] = hours
    return found


@cache
def _joining() -> frozenset[str]:
    return frozenset(word for one in _table().values() for word in one.joining)


def _one_script(text: str) -> str:
    """Return the text with single blanks, without marks of direction, and all digits as 0 to 9."""
    if not text.isascii():
        text = _MARKS.sub("", unicodedata.normalize("NFKC", text))
        text = "".join(str(unicodedata.decimal(letter, letter)) for letter in text)
    return _SPACES.sub(" ", text).strip()


def _parts(text: str) -> _Parts | None:
    """Take a text apart; None when there is no date in it."""
    day, languages, span = _numbers_of_day(text)
    if day:
        text = f"{text[: span[0]]} {_DAY} {text[span[1] :]}"
    clock = next((one for pattern in _CLOCKS if (one := pattern.search(text))), None)
    offset = None
    if clock:
        behind = text[clock.end() :]
        if found := _OFFSET.search(behind):
            offset = (int(found[2]) + int(found[3] or 0) / 60) * (1 if found[1] == "+" else -1)
            behind = f"{behind[: found.start()]} {behind[found.end() :]}"
        text = f"{text[: clock.start()]} {_TIME} {behind}"
    written = _TOKENS.findall(text)
    tokens = [plain(token) for token in written]
    month = ""
    if day is None:
        zones = [name.isupper() and name.lower() in ZONES for name in written]  # AWST is no August
        open_to = ["" if is_zone else token for token, is_zone in zip(tokens, zones, strict=True)]
        places = list(_found(open_to, _months()))
        if not places:
            return None
        start, end = places[-1]  # a weekday can look like a month, and stands first
        month = " ".join(tokens[start:end])
        tokens[start:end] = written[start:end] = [_DAY] * (end - start)
        languages = frozenset(_months()[month])
    numbers = tuple(token for token in tokens if token.isdecimal())
    if clock is None:
        hinted = (day is not None and bool(numbers)) or any(_found(tokens, _periods()))
        return _Parts(day, month, numbers, None, "", "", None, hinted, languages)
    at = tokens.index(_TIME)
    first = next((k + 1 for k in range(at - 1, -1, -1) if tokens[k] == _DAY or tokens[k].isdecimal()), 0)
    last = next((k for k in range(at + 1, len(tokens)) if tokens[k] == _DAY or tokens[k].isdecimal()), None)
    beside = [*tokens[first:at], *tokens[at:last]]
    names = [*written[first:at], *written[at:last]]
    period = ""
    for start, end in _found(beside, _periods()):
        period = " ".join(beside[start:end])
        beside[start:end] = names[start:end] = [""] * (end - start)
        of_period = frozenset(_periods()[period])
        languages = (languages & of_period) or languages or of_period
        break
    at = beside.index(_TIME)
    left = [word for word in beside[:at] if word and word not in _joining()]
    right = [names[k] for k, word in enumerate(beside) if k > at and word and word not in _joining()]
    zone = " ".join(right)
    unknown = bool(left) or not (not zone or zone.lower() in ZONES or _LIKE_A_ZONE.fullmatch(zone))
    hms = (int(clock[1]), int(clock[2] or 0), int(clock[3] or 0))
    return _Parts(day, month, numbers, hms, period, zone, offset, unknown, languages)


def _numbers_of_day(text: str) -> tuple[tuple[str, str, str, str] | None, frozenset[str], tuple[int, int]]:
    """Return a day that is written in numbers alone, the languages that write so, and where it stands."""
    if found := _BY_SIGNS.search(text):
        signs = frozenset({"ko"} if "년" in found[0] else {"zh", "yue", "ja"})
        return (found[1], "-", found[2], found[3]), signs, found.span()
    for pattern in _COUNTED:
        if found := pattern.search(text):
            return (found["year"], "-", found["month"], found["day"]), frozenset({"vi", "mn"}), found.span()
    if found := _YEAR_FIRST.search(text):
        return (f"20{found[1]}", "-", found[2], found[3]), frozenset({"ko"}), found.span()
    several = list(_NUMBERS.finditer(text))
    found = next((one for one in several if max(len(one[1]), len(one[4])) == 4), None)
    if found is None and several and not any(_found([plain(t) for t in _TOKENS.findall(text)], _months())):
        found = several[0]  # a year of two digits; beside a month's name it would be the time of day
    if found is None:
        return None, frozenset(), (0, 0)
    return (found[1], found[2], found[3], found[4]), frozenset(), found.span()


def _found(tokens: Sequence[str], table: Mapping[str, object]) -> Iterator[tuple[int, int]]:
    """Yield where words of a table stand among tokens, the longest first at each place."""
    for start in range(len(tokens)):
        for size in range(min(_WORDS_TOGETHER, len(tokens) - start), 0, -1):
            if " ".join(tokens[start : start + size]) in table:
                yield start, start + size
                break


def _order_of(languages: frozenset[str]) -> DateOrder | None:
    orders = {_table()[name].order for name in languages}
    if len(orders) != 1 or "" in orders:
        return None
    return {"mdy": DateOrder.MONTH_FIRST, "ymd": DateOrder.YEAR_FIRST}.get(orders.pop(), DateOrder.DAY_FIRST)


def _day(parts: _Parts, habits: Habits) -> datetime | None:
    languages = (parts.languages & habits.languages) or parts.languages
    if parts.day:
        first, between, second, third = parts.day
        order = habits.order or _order_of(languages)
        if len(first) == 4:
            return _in_our_calendar(int(first), int(second), int(third))
        if len(third) == 4 and between == ".":
            return _in_our_calendar(int(third), int(second), int(first))
        found = numeric_day(first, between, second, third, order)
        return found and _in_our_calendar(found.year, found.month, found.day)
    said = _months()[parts.month]
    months = {said[language] for language in languages}
    years = [int(number) for number in parts.numbers if len(number) == 4]
    days = [int(number) for number in parts.numbers if len(number) <= 2]
    if len(months) != 1 or len(years) != 1 or len(days) != 1:
        return None
    return _in_our_calendar(years[0], months.pop(), days[0])


def _in_our_calendar(year: int, month: int, day: int) -> datetime | None:
    """Return the day of a year that may be Thailand's or Iran's."""
    years, ahead = _BUDDHIST
    try:
        if year in _PERSIAN:
            return _from_persian(year, month, day)
        return datetime(year - ahead if year in years else year, month, day)
    except ValueError:
        return None


def _from_persian(year: int, month: int, day: int) -> datetime | None:
    """Return the day of the calendar of Iran, by its cycle of 33 years, which holds from 1343 to 1502."""
    if not (1 <= month <= 12 and 1 <= day <= (31 if month <= 6 else 30)):
        return None
    past = year - 1343
    leaps = sum(1 for one in range(1343, year) if one % 33 in {1, 5, 9, 13, 17, 22, 26, 30})
    months = (month - 1) * 31 - max(0, month - 7)
    return datetime(1964, 3, 21) + timedelta(days=past * 365 + leaps + months + day - 1)


def _hour(parts: _Parts, habits: Habits) -> timedelta | None:
    """Return the time of day; None: it is there and not understood."""
    if parts.clock is None:
        return None if parts.unknown else timedelta()
    hour, minute, second = parts.clock
    if parts.period and hour <= _NOON:
        said = _periods()[parts.period]
        languages = parts.languages & habits.languages or parts.languages
        spans = {said[language] for language in languages if language in said}
        hours = {h for h in (hour % _NOON, hour % _NOON + _NOON) for span in spans if _within(h, span)}
        if len(hours) != 1:
            return None
        hour = hours.pop()
    elif parts.unknown and 0 < hour <= _NOON and not habits.whole_day:
        return None  # the word that is not known may say morning or evening
    if hour > 23 or minute > 59:
        return None
    return timedelta(hours=hour, minutes=minute, seconds=min(second, 59))


def _within(hour: int, span: tuple[int, int]) -> bool:
    start, end = span
    return start <= hour < end if start < end else hour >= start or hour < end


def _zone(parts: _Parts, habits: Habits) -> tuple[float, str]:
    """Return hours ahead of UTC, and the zone's name when it is unknown."""
    if parts.offset is not None or not parts.zone:
        return parts.offset or 0, ""
    name = parts.zone.lower()
    if name in _ELSEWHERE:
        return habits.zones.get(name, _hours_there(name, parts.languages)), ""
    return (ZONES[name], "") if name in ZONES else (0, parts.zone[:20])
