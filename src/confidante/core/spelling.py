"""How titles and names are compared: without case, punctuation and the accents of Latin and Greek letters.

Other scripts keep their marks, which are letters there: й is not и, バ is not ハ, and a vowel sign of
Devanagari or a tone of Thai makes another word. So do signs that make another name: C# and C++ are not C.
"""

import re
import unicodedata
from functools import lru_cache

_APOSTROPHES = re.compile("['`\u00b4\u2018\u2019\u02b9-\u02bf\u2032]")
_ASCII = {code: " " for code in range(128) if not chr(code).isalnum() and chr(code) not in "+#$%"}
_OTHER = re.compile(r"[\W_]")
_SIGNS = frozenset(
    "+#$%\u00d7\u00f7\u00b1\u2260\u2248\u221e\u221a\u2211\u2202\u2206"
)  # currencies are kept as well
_NUMBER_SIGN = re.compile(r"(?<!\w)#")  # "#1" is a number, "C#" a name
_INITIALS = re.compile(r"(?<!\w)[^\W\d_](?:[.*][^\W\d_])+(?!\w)")  # M*A*S*H, E.T.
_BEGINS_WITH_SIGN = re.compile(r"\.(?=[^\W\d_])|-(?=\d)")  # .hack, -1
_AND = (" and ", " und ", " et ", " och ", " og ", " y ", " n ")
_DROPPED = re.compile(
    "[\u2122\u2120\u00ae\u00a9\u00ad\u0640\u200b-\u200f\u202a-\u202e\u2060\ufe00-\ufe0f\u20e3\ufeff]"
)
_RAISED = re.compile("[\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u2079\u2150-\u215f\u2189\u2460-\u249b]")
_LATIN_OR_GREEK = "a-z\u00c0-\u024f\u0250-\u02af\u0370-\u03ff\u1e00-\u1fff\u2c60-\u2c7f\ua720-\ua7ff"
_MARKS = re.compile(f"(?<=[{_LATIN_OR_GREEK}])[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff]+")
_YO = re.compile("(?<=\u0435)\u0308")  # ё is printed as е in most Russian texts
_LETTERS = str.maketrans(
    {"ø": "o", "đ": "d", "ł": "l", "ħ": "h", "æ": "ae", "œ": "oe", "\u0131": "i", "ð": "d"}
)
_ALIKE = str.maketrans({"\u266f": "#", "\u2212": "-", "\u2019": "'"})
_TONES = re.compile(
    "[\u0309\u031b\u0323]|[\u0300-\u036f]{2}"
)  # Vietnamese, Yoruba: another tone, another word


def spelled(text: str, *, marks: bool = False) -> str:
    """Return a text as it is compared: words of small letters and figures, parted by one blank.

    A text of signs alone, such as "???", stays as it is. marks: keep accents.

    >>> spelled("M*A*S*H"), spelled("Alien³ & Co."), spelled("C#"), spelled("C++"), spelled("Amélie!")
    ('mash', 'alien 3 & co', 'c#', 'c++', 'amelie')
    """
    text = text.strip()
    plain = text = text.lower() if text.isascii() else _letters(text, marks=marks)
    begin = _BEGINS_WITH_SIGN.match(text) if text[:1] in {".", "-"} else None
    if "." in plain or "*" in plain:
        plain = _INITIALS.sub(_joined, plain)
    if "#" in plain:
        plain = _NUMBER_SIGN.sub(" ", plain)
    if plain.isascii():
        plain = plain.replace("'", "").replace("`", "").replace("&", " and ").translate(_ASCII)
    else:
        plain = _OTHER.sub(_kept, _APOSTROPHES.sub("", plain).replace("&", " and "))
    plain = " ".join(plain.split())
    for word in _AND:
        plain = plain.replace(word, " & ")
    if not plain:
        return " ".join(text.split())
    return begin[0] + plain if begin else plain


def marks_agree(one: str, other: str) -> bool:
    """Whether two texts that are `spelled` alike differ in no accent, or one of them was written without any.

    "Amelie" may be "Amélie"; "bá" is not "bà". Where an accent is a tone, nothing is guessed.
    """
    if one == other or (one.isascii() and other.isascii()):
        return True
    marked = [spelled(text, marks=True) for text in (one, other)]
    if marked[0] == marked[1]:
        return True
    if any(_TONES.search(unicodedata.normalize("NFD", text)) for text in marked):
        return False
    return spelled(one) in marked


def _letters(text: str, *, marks: bool) -> str:
    """Return a text that is not ASCII in small letters, each in its usual form."""
    text = _RAISED.sub(r" \g<0>", _DROPPED.sub("", text).translate(_ALIKE))
    text = unicodedata.normalize("NFKC", text).casefold()
    if not marks:
        text = unicodedata.normalize("NFD", text)
        text = _YO.sub("", _MARKS.sub("", text)).translate(_LETTERS)
    return unicodedata.normalize("NFC", text)


def _joined(found: re.Match[str]) -> str:
    return found[0].replace(".", "").replace("*", "")


def _kept(found: re.Match[str]) -> str:
    return _or_blank(found[0])


@lru_cache(maxsize=4096)
def _or_blank(sign: str) -> str:
    """Return a character that is no letter if it makes another word, else a blank."""
    category = unicodedata.category(sign)
    return sign if sign in _SIGNS or category.startswith("M") or category == "Sc" else " "
