"""What Gorse's own configuration file says of feedback, and what a type of feedback then means here."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt
from pathlib import Path
from typing import Any, Self, final

from confidante.core.errors import DataError
from confidante.core.text import shown
from confidante.packs.base import Pack
from confidante.packs.signals import Signal

_EXPRESSION = re.compile(r"([a-zA-Z][a-zA-Z0-9_]*)(?:(<=|>=|<|>)([0-9]+\.?[0-9]*|\.[0-9]+))?", re.ASCII)
_COMPARE = {"<": lt, "<=": le, ">": gt, ">=": ge}


@final
@dataclass(frozen=True, slots=True)
class FeedbackType:
    """A type of feedback, perhaps with a bound of its value, as "star" or "read>=3"."""

    name: str
    comparison: str = ""
    bound: float = 0.0

    @classmethod
    def read(cls, text: str) -> Self:
        """Return what Gorse's expression says. Raises DataError for any other text."""
        found = _EXPRESSION.fullmatch(text)
        if found is None:
            raise DataError(
                f"{shown(text)} is not a type of feedback: write it as star, or with a bound as read>=3"
            )
        return cls(found[1], found[2] or "", float(found[3] or 0))

    def fits(self, kind: str, value: float) -> bool:
        """Whether feedback of this type and value is meant."""
        compare = _COMPARE.get(self.comparison)
        return self.name == kind and (compare is None or compare(value, self.bound))


@final
@dataclass(frozen=True, slots=True)
class GorseConfig:
    """The part of Gorse's configuration that a device heeds.

    positive, negative, read: as `positive_feedback_types`, `negative_feedback_types` and
    `read_feedback_types` in `[recommend.data_source]`. positive: None where nothing is configured, and the
    profile's pack says which kinds speak for an item. default_n: how many are returned where the request says
    nothing. auto_insert_item: whether feedback makes items that are unknown.

    Stability: provisional
    """

    positive: tuple[FeedbackType, ...] | None = None
    negative: tuple[FeedbackType, ...] = ()
    read: tuple[FeedbackType, ...] = (FeedbackType("read"),)
    default_n: int = 10
    auto_insert_item: bool = True

    @classmethod
    def read_file(cls, path: Path) -> Self:
        """Return what a configuration file of Gorse says; other keys of it are passed over.

        Raises DataError naming the key that cannot be read.
        """
        try:
            given = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise DataError(f"Gorse's configuration cannot be read: {error.strerror}", path=path) from None
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise DataError(f"Gorse's configuration is not TOML: {error}", path=path) from None
        source = _table(_table(given, "recommend"), "data_source")
        server = _table(given, "server")
        default_n, auto = server.get("default_n", 10), server.get("auto_insert_item", True)
        if type(default_n) is not int or not 1 <= default_n <= 1000:
            raise DataError(f"default_n is {shown(str(default_n))}: give 1 to 1000", path=path)
        if type(auto) is not bool:
            raise DataError(f"auto_insert_item is {shown(str(auto))}: give true or false", path=path)
        return cls(
            _types(source, "positive_feedback_types", ()),
            _types(source, "negative_feedback_types", ()),
            _types(source, "read_feedback_types", ("read",)),
            default_n,
            auto,
        )

    def signal(self, kind: str, value: float, pack: Pack) -> Signal:
        """Return what feedback of a type and value means.

        A negative value always speaks against the item, and a negative type comes before all others, as in
        Gorse. What is neither positive nor negative was only seen: that excludes the item, and says no more.
        """
        if value < 0 or _any(self.negative, kind, value):
            return Signal.AGAINST
        if _any(self.positive or (), kind, value):
            return Signal.FOR
        says = None if self.positive is not None or _any(self.read, kind, value) else pack.declared(kind)
        if says is None or says.signal is Signal.NEUTRAL:
            return Signal.SEEN
        return says.signal


def _table(given: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = given.get(key, {})
    if not isinstance(found, Mapping):
        raise DataError(f"{key} in Gorse's configuration is not a table: write it as [{key}]")
    return found


def _types(source: Mapping[str, Any], key: str, default: tuple[str, ...]) -> tuple[FeedbackType, ...]:
    given = source.get(key, default)
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise DataError(f'{key} in Gorse\'s configuration is not a list: write it as ["star", "read>=3"]')
    return tuple(FeedbackType.read(str(one)) for one in given)


def _any(types: Iterable[FeedbackType], kind: str, value: float) -> bool:
    return any(one.fits(kind, value) for one in types)
