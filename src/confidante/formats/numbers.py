"""Numbers, ratings and prices as people and programs write them, by one strict grammar.

A comma or a dot before three last digits can be read in two ways; the other rows of the column decide
(`decimal_mark`). What nothing decides is no number: a wrong value is worse than none.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import final

from confidante.core.values import Price

_LONGEST = 40  # characters of a number that are looked at
_NUMBER = re.compile(r"[+-]?(?:\d[\d.,' ]*\d|\d|[.,]\d+)")
_PLAIN = re.compile(r"[+-]?(?:\d+|\d*\.\d+)(?:[eE][+-]?\d{1,3})?")
_GROUPED = {  # by decimal mark: digits in groups of one kind, the last of three
    ".": re.compile(r"([1-9]\d{0,2}(?:,\d{2,3})*,\d{3}|[1-9]\d{0,2}(?:[' ]\d{3})+|\d+|)(?:\.(\d+))?"),
    ",": re.compile(r"([1-9]\d{0,2}(?:\.\d{3})+|[1-9]\d{0,2}(?:[' ]\d{3})+|\d+|)(?:,(\d+))?"),
}
_SPACES = re.compile(r"[\s\u00a0\u202f\u2009]+")
_NO_VALUE = frozenset(
    {
        "",
        "-",
        "--",
        "\u2013",
        "\u2014",
        "?",
        "n/a",
        "na",
        "nan",
        "none",
        "null",
        "nil",
        "unrated",
        "not rated",
        "no rating",
    }
)
_STARS = re.compile(r"([\u2605\u2b50\U0001f31f*]{1,10})(\u00bd|1/2)?([\u2606\u2729]{0,9})")
_OUT_OF = re.compile(
    r"(.+?)(?: ?/ ?| (?:out )?of | von | sur | de )(\d{1,4})(?: ?[a-z]{1,12})?", re.IGNORECASE
)
_PERCENT = re.compile(r"(.+?) ?%")
_HALF = re.compile(r"(\d{0,3}) ?\u00bd")
_UNITS = re.compile(r" ?(?:stars?|points?|pts?\.?|sterne?|[\u2605\u2b50])$", re.IGNORECASE)
_TIMES = re.compile(r"(\d{1,4}) ?(?:[x\u00d7*@]|pcs?\.? ?[@x]?) ?(.+)", re.IGNORECASE)
_CURRENCIES = {
    "\u20ac": "EUR", "\u00a3": "GBP", "us$": "USD", "c$": "CAD", "ca$": "CAD", "a$": "AUD", "au$": "AUD",
    "nz$": "NZD", "r$": "BRL", "\u20b9": "INR", "\u20a9": "KRW", "\u20bd": "RUB", "\u20ba": "TRY",
    "\u20aa": "ILS", "\u0e3f": "THB", "\u20ab": "VND", "\u20b4": "UAH", "\u20b1": "PHP", "\u20a6": "NGN",
    "z\u0142": "PLN", "k\u010d": "CZK", "ft": "HUF",
}  # fmt: skip
_SYMBOL = re.compile(r"[A-Za-z\u0142\u010d]{0,3}[^\w\s.,'+-]?|[^\W\d]{1,3}\.?")


@final
@dataclass(frozen=True, slots=True)
class Rating:
    """A value, and the best one possible where the text itself says it ("4/5", "80%")."""

    value: float
    scale: float | None = None


@final
@dataclass(frozen=True, slots=True)
class Paid:
    """What was paid for one piece. price: exact; None where no certain currency stands beside the amount."""

    amount: Decimal
    price: Price | None = None
    pieces: int = 1


def decimal_mark(texts: Iterable[str]) -> str | None:
    """Return the decimal mark that a column proves, "." or ","; None when nothing does, or both are."""
    proved: set[str] = set()
    for text in texts:
        if "," not in text and "." not in text:
            continue
        for part in _NUMBER.findall(_SPACES.sub(" ", text[:_LONGEST])):
            readings = {mark: _read(part, mark) for mark in _GROUPED}
            found = [mark for mark, value in readings.items() if value is not None]
            if len(found) == 1:
                proved.add(found[0])
    return proved.pop() if len(proved) == 1 else None


def no_value(text: str) -> bool:
    """Whether a text says that there is no value."""
    return text.strip().lower() in _NO_VALUE


def read_number(text: str, mark: str | None = None) -> Decimal | None:
    """Return the number that a text is, None when it is none, or can be read in two ways.

    mark: the decimal mark of the column, see `decimal_mark`.
    """
    text = _SPACES.sub(" ", text).strip().replace("\u2212", "-")
    if len(text) > _LONGEST or not text.isascii():
        return None
    if "," not in text and mark is None and _PLAIN.fullmatch(text):
        return Decimal(text)  # as programs write them
    if not _NUMBER.fullmatch(text):
        return None
    if mark is not None and (value := _read(text, mark)) is not None:
        return value
    found = {value for other in _GROUPED if (value := _read(text, other)) is not None}
    return found.pop() if len(found) == 1 else None


def read_rating(text: str, mark: str | None = None) -> Rating | None:
    """Return the rating that a text says: a number, stars, "4/5", "8 out of 10", "80%"; else None."""
    text = _SPACES.sub(" ", text).strip()
    if len(text) > _LONGEST:
        return None
    stars = _STARS.fullmatch(text)
    if stars:
        full = len(stars[1])
        whole = full + len(stars[3]) + (1 if stars[2] and stars[3] else 0)
        return Rating(full + (0.5 if stars[2] else 0.0), float(max(5, whole)) if whole <= 5 else 10.0)
    scale: float | None = None
    if percent := _PERCENT.fullmatch(text):
        text, scale = percent[1], 100.0
    elif parts := _OUT_OF.fullmatch(text):
        text, scale = parts[1], float(parts[2])
    text = _UNITS.sub("", text)
    half = _HALF.fullmatch(text)
    number = Decimal(int(half[1] or 0)) + Decimal("0.5") if half else read_number(text, mark)
    if number is None or abs(number) > 1e9 or (scale is not None and (scale == 0 or abs(number) > scale)):
        return None
    return Rating(float(number), scale)


def read_price(text: str, mark: str | None = None, currency: str = "") -> Paid | None:
    """Return what a text like "\u00a320", "1.234,50 EUR" or "3 x 1.50" says was paid a piece, or None.

    currency: of the row's own column, when it has one: ISO 4217 or a symbol.
    """
    text = _SPACES.sub(" ", text).strip().replace("\u2212", "-")
    if not text or len(text) > _LONGEST:
        return None
    pieces = 1
    if times := _TIMES.fullmatch(text):
        pieces, text = int(times[1]), times[2]
    found = re.search(_NUMBER, text)
    if found is None:
        return None
    before, after = text[: found.start()].strip(), text[found.end() :].strip()
    if before in {"-", "+"} or before[:1] == "-":  # -$5
        before, sign = before[1:].strip(), -1 if before[0] == "-" else 1
    else:
        sign = 1
    said = before or after
    if (before and after) or (said and _SYMBOL.fullmatch(said) is None):
        return None
    mark = mark or decimal_mark([found[0]]) or ("," if re.search(r"[.,]", found[0]) is None else None)
    amount = None if mark is None else read_number(found[0], mark)
    if amount is None or pieces == 0:
        return None
    amount = sign * amount
    known = _currency(said) or _currency(currency)
    good = known and amount >= 0 and -6 <= int(amount.as_tuple().exponent) <= 0 and amount < 10**12
    return Paid(amount, Price(amount, known) if known and good else None, pieces)


def _currency(text: str) -> str:
    """Return the code of a currency; empty for none, and for signs that several currencies share."""
    text = text.strip()
    return text.upper() if re.fullmatch(r"[A-Za-z]{3}", text) else _CURRENCIES.get(text.lower(), "")


def _read(text: str, mark: str) -> Decimal | None:
    sign, digits = ("-", text[1:]) if text[:1] == "-" else ("", text.removeprefix("+"))
    found = _GROUPED[mark].fullmatch(digits)
    if found is None or not (found[1] or found[2]):
        return None
    whole = re.sub(r"\D", "", found[1])
    return Decimal(f"{sign}{whole or '0'}" + (f".{found[2]}" if found[2] else ""))
