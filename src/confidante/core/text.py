"""Which texts are kept, and how they are compared."""

import re
import unicodedata

from confidante.core.errors import DataError

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # SQLite ends a text at NUL; a lone surrogate is no character
_ACCENT = re.compile("[\u0300-\u036f]+")
_SHOWN = 60


def check_text(text: str, what: str, least: int, most: int, *, controls: bool) -> None:
    """Raise DataError unless `text` has `least` to `most` characters, all storable.

    controls: whether line breaks, tabs and other control characters may be among them. what: names the text
    in the error.
    """
    if not least <= len(text) <= most:
        raise DataError(f"{what} has {len(text):,} characters: give {least} to {most:,}")
    if (_UNSTORABLE if controls else _CONTROL).search(text):
        raise DataError(f"{what} contains a control character or half of a surrogate pair: remove it")


def is_storable(text: str) -> bool:
    """Return whether a text can be kept: it has no NUL and no half of a surrogate pair."""
    return _UNSTORABLE.search(text) is None


def shown(text: str) -> str:
    """Return a text for an error: quoted, escaped, and short."""
    return ascii(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def searched(text: str) -> str:
    """Return what is searched for as titles are compared, without what no title can hold."""
    return folded(text.replace("\x00", "").encode(errors="replace").decode())


def folded(text: str) -> str:
    """Return a text without case and accents, for searching."""
    if text.isascii():
        return text.lower()
    return _ACCENT.sub("", unicodedata.normalize("NFKD", text)).casefold()
