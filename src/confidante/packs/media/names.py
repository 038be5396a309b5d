"""What a title of the media calls its work: its names and its year, without what tells no works apart."""

import re

from confidante.core.spelling import spelled

_YEAR = re.compile(
    r"(\d{4})(?:/[ivx]+|\s*[-\u2013]\s*(?:\d{4})?)?"
)  # IMDb numbers namesakes of a year: 1998/II
_DASH = re.compile(r"(.+)\s[-\u2013\u2014]\s+(.+)")
_NOVEL = re.compile(r"\s*:\s*an? novel$")
_SERIES = re.compile(
    r"(.*\w.*?)[,\s]\s*(?:#|book\s|vol\.?\s|volume\s|no\.?\s|nr\.?\s|band\s|tome\s)\s*(\d{1,4}(?:\.\d)?)"
)
_ALSO = re.compile(r"(?:a\.?\s?k\.?\s?a\.?|also known as)[:\s]\s*")
_GUESTS = re.compile(r"\s+(?:(?:feat\.?|featuring)\s|(?<!\d\s)ft\.\s).+$")
_SAME_WORK = re.compile(
    r"(?:feat\.?|ft\.?|featuring|prod\.?|produced by)\s.+"
    r"|with\s(?!(?:me|you|us|him|her|them|it|the|a|an|my|your|love|or|no)\b).+"
    r"|from\s+[\"'\u201c\u201e\u00ab].+"
    r"|(?:\d{4}\s+)?(?:digital(?:ly)?\s+)?re-?master(?:ed)?(?:\s+(?:version|edition|in))?(?:\s+\d{4})?"
    r"|(?:mono|stereo)(?:\s+(?:version|mix))?"
    r"|(?:single|album|lp|original|radio|clean|explicit|standard|studio)\s+(?:version|edit|recording)"
    r"|original(?:\s+mix)?|explicit|clean|bonus\s+track(?:\s+version)?"
    r"|(?:(?:super|special|limited|collector['\u2019]?s|(?:\d+(?:st|nd|rd|th)\s+)?anniversary|expanded|deluxe"
    r"|extended|bonus|international|tour|kindle|illustrated|revised|first|second|third|\d+(?:st|nd|rd|th))\s+)*"
    r"(?:deluxe|edition|ed\.)|annotated"
    r"|(?:the\s+)?(?:director['\u2019]?s|final|extended|theatrical|uncut|unrated)\s+cut"
    r"|uncut|unrated|theatrical|unabridged|abridged|paperback|hardcover|(?:movie|tv)\s+tie-?in(?:\s+edition)?"
    r"|(?:official\s+)?(?:music\s+|lyrics?\s+)?(?:video|audio|visuali[sz]er|lyrics?)(?:\s+(?:hd|hq|4k))?"
    r"|hd|hq|4k|film|movie|album|(?:tv|web|mini|limited)[\s-]?series|tv\s+show|tv\s+movie|audiobook|ebook|podcast"
)
"""What stands behind a title, in brackets or after a dash, and makes no other work or recording of it."""
_OTHER_WORK = re.compile(
    r"\W*\d+\W*$|(?:.*\W)?(?:live|acoustic|unplugged|remix|mix|rework|edit|version|karaoke|instrumental|demo"
    r"|cover|tribute|sped|slowed|nightcore|reprise|interlude|session|medley|part|pt|vol|volume|chapter|book"
    r"|episode|season|extended|trailer|teaser|review|making|us|uk|tv|v|i|ii|iii|iv)(?:\W|$)"
)
"""What in brackets is no other title of the work."""
_SHORT = {"pt": "part", "vol": "volume"}
_NUMBERED = ("part", "pt", "chapter", "vol", "book", "episode", "season", "teil", "band", "tome")
_PART = re.compile(
    r"\b(part|pt|chapter|volume|vol|book|episode|season|teil|partie|parte|band|tome)\b\.?\s*"
    r"(one|two|three|four|five|six|seven|eight|nine|ten|[ivx]+|\d{1,3})\b"
)
_ROMAN = (" i", " v", " x")
_LAST_ROMAN = re.compile(r"(?<=\s)([ivx]{2,5}|[vx])(?=\s*(?:$|[:,(\u2013\u2014]|-\s))")
_COUNTED = "zero one two three four five six seven eight nine ten"
_TENS, _ONES = ["", "x", "xx"], ["", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix"]
_NUMERALS = {
    **{word: str(number) for number, word in enumerate(_COUNTED.split())},
    **{_TENS[n // 10] + _ONES[n % 10]: str(n) for n in range(1, 30)},
}


def names(title: str) -> tuple[tuple[str, ...], str]:
    """Return what a work may be called, the likeliest name first, and its year, or an empty text.

    Names are in small letters. What tells neither works nor recordings apart is left out: guests, remasters,
    editions, the series that a book is of. Numbers of parts are figures. Names in brackets beside a year are
    other titles of the work.

    >>> names("Seven (a.k.a. Se7en) (1995)"), names("Glow - Remastered 2011"), names("Glow (Live)")
    ((('seven', 'se7en', 'seven (a.k.a. se7en)'), '1995'), (('glow',), ''), (('glow (live)',), ''))
    >>> names("Night Guard (Night Guard, #1)"), names("Red Vow: Vol. Two")
    ((('night guard',), ''), (('red vow: volume 2',), ''))
    """
    rest, year = _core(title.strip().lower().replace("(tm)", ""))
    others: list[str] = []
    shorter, also_known = rest, False
    while (found := last_bracket(shorter)) is not None:
        also = _ALSO.match(found[1])
        if not also and (not year or _OTHER_WORK.match(found[1])):
            break
        also_known |= also is not None
        others.insert(0, found[1][also.end() if also else 0 :].strip())
        shorter = found[0]
    if not others:
        return (_figures(rest),), year
    told = (shorter, *others, rest) if also_known else (rest, shorter, *others)
    return tuple(_figures(name) for name in told if name), year


def near_years(one: str, other: str) -> bool:
    """Whether two years may be one film's: festivals and cinemas, or two countries, are a year apart."""
    return one.isdigit() and other.isdigit() and abs(int(one) - int(other)) == 1


def last_bracket(text: str) -> tuple[str, str] | None:
    """Return what stands before the brackets at the end of a text, and in them; None where there are none."""
    if text[-1:] not in {")", "]"}:
        return None
    start = max(text.rfind("("), text.rfind("["))
    before, inner = text[: max(start, 0)].rstrip(), text[start + 1 : -1].strip()
    return (before, inner) if before and inner and not {")", "]"} & {*inner} else None


def _core(title: str) -> tuple[str, str]:
    """Return a title without what does not tell works apart, and its year."""
    rest, year = title, ""
    while True:
        if (found := last_bracket(rest)) is not None:
            shorter, inner = found
            if dated := _YEAR.fullmatch(inner):
                year = year or dated[1]
            elif volume := _volume(shorter, inner):
                return f"{shorter} {volume}", year
            elif not _SAME_WORK.fullmatch(inner) and not _is_series(inner):
                break
            rest = shorter
        elif " - " in rest and (dashed := _DASH.fullmatch(rest)) and _SAME_WORK.fullmatch(dashed[2]):
            rest = dashed[1].rstrip()
        elif rest.endswith(" novel") and (shorter := _NOVEL.sub("", rest)) not in {"", rest}:
            rest = shorter
        else:
            break
    if "feat" in rest or "ft. " in rest:
        rest = _GUESTS.sub("", rest) or rest
    return rest, year


def _is_series(inner: str) -> bool:
    return all(_SERIES.fullmatch(one.strip()) for one in inner.split(";"))


def _volume(title: str, inner: str) -> str:
    """Return the number of a part that has no title of its own, as in "Saga (Saga, #3)", if it is not 1."""
    found = _SERIES.fullmatch(inner)
    return found[2] if found and found[2] != "1" and spelled(found[1]) == spelled(title) else ""


def _figures(name: str) -> str:
    """Return a name with figures for the number of a part: "part two", "pt. ii" and "part 2" are one."""
    if any(word in name for word in _NUMBERED):
        name = _PART.sub(_part, name)
    if any(begin in name for begin in _ROMAN):
        name = _LAST_ROMAN.sub(lambda found: _NUMERALS.get(found[1], found[1]), name)
    return name


def _part(found: re.Match[str]) -> str:
    word, number = found[1], found[2]
    number = str(int(number)) if number.isdigit() else _NUMERALS.get(number, number)
    return f"{_SHORT.get(word, word)} {number}"
