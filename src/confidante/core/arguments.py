"""The boundary of the public API: every argument is converted once, by its annotation, or refused.

What is accepted is what the annotation says, and NumPy's numbers and texts. A text is no collection of
texts, "5" is no number, and what SQLite cannot hold, NUL and halves of characters, is no text.
"""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from enum import Enum
from functools import wraps
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec
import numpy as np

from confidante.core.errors import DataError
from confidante.core.text import is_storable, shown

C = TypeVar("C", bound=type)

Convert = Callable[[Any, str], Any]
"""A value, and the name of its argument -> what the function gets. Raises DataError naming the argument."""

_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "True or False", bytes: "bytes"}


def checked_arguments(cls: C) -> C:
    """Have the arguments of a class's public methods and property setters converted or refused."""
    for name, member in list(vars(cls).items()):
        if name.startswith("_") and name != "__init__":
            continue
        if isinstance(member, property) and member.fset is not None:
            setattr(cls, name, member.setter(_checked(member.fset, name)))
        elif inspect.isfunction(member):
            setattr(cls, name, _checked(member))
    return cls


def text(value: object, what: str) -> str:
    """Return a text that can be kept, or raise DataError. what: names the argument, or the field."""
    if not isinstance(value, str):
        raise _refused(value, what, "a text")
    if not is_storable(value):
        raise DataError(f"{what} contains NUL or half of a surrogate pair: remove it")
    return str(value)


def texts(value: object, what: str) -> tuple[str, ...]:
    """Return several texts as a tuple, or raise DataError. A single text is none."""
    return tuple(_members(value, what, text, "texts"))


def number(value: object, what: str) -> float:
    """Return a number, or raise DataError."""
    return float(_converted(value, what, float))


def pairs(value: object, what: str) -> dict[str, str]:
    """Return a mapping of texts to texts, or raise DataError."""
    if not isinstance(value, Mapping):
        raise _refused(value, what, "a mapping of texts to texts")
    return {text(name, f"a name in {what}"): text(said, f"a text in {what}") for name, said in value.items()}


def _checked(function: Callable[..., Any], called: str = "") -> Callable[..., Any]:
    """called: what a property's value is called in errors."""
    signature = inspect.signature(function)
    converters = {
        name: convert
        for name, parameter in signature.parameters.items()
        if (convert := _converter(parameter.annotation)) is not None
    }
    if not converters:
        return function

    @wraps(function)
    def converting(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs)
        for name, value in given.arguments.items():
            if name in converters and value is not signature.parameters[name].default:
                given.arguments[name] = converters[name](value, called or name)
        return function(*given.args, **given.kwargs)

    return converting


def _converter(wanted: Any) -> Convert | None:
    """Return what converts to an annotation; None for one that nothing is known of, as for a protocol."""
    origin, parts = get_origin(wanted), get_args(wanted)
    if origin in {Union, UnionType}:
        return _of_union(parts)
    if origin in {Collection, Sequence, Iterable, tuple}:
        return _of_many(parts[0], lazily=origin is Iterable)
    if origin is Mapping:
        return pairs if parts == (str, str) else None
    if origin is Callable:
        return _function
    if wanted is str:
        return text
    if wanted is Path:
        return _path
    if isinstance(wanted, type) and (wanted in _WORDS or issubclass(wanted, Enum)):
        return lambda value, what: _converted(value, what, wanted)
    if isinstance(wanted, type) and is_dataclass(wanted):
        return lambda value, what: _instance(value, what, wanted)
    return None


def _of_union(parts: tuple[Any, ...]) -> Convert | None:
    rest = tuple(part for part in parts if part is not type(None))
    convert = _path if set(rest) == {Path, str} else _converter(rest[0]) if len(rest) == 1 else None
    if convert is None or len(rest) == len(parts):
        return convert
    return lambda value, what: None if value is None else convert(value, what)


def _of_many(wanted: Any, *, lazily: bool) -> Convert | None:
    convert = _converter(wanted)
    if convert is None:
        return None
    words = {str: "texts", int: "whole numbers"}.get(wanted, f"{getattr(wanted, '__name__', wanted)}s")

    def several(value: object, what: str) -> Iterable[Any]:
        members = _members(value, what, convert, words)
        return members if lazily else tuple(members)

    return several


def _members(value: object, what: str, convert: Convert, words: str) -> Iterable[Any]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise _refused(value, what, f"a list of {words}")
    return (convert(one, f"an entry of {what}") for one in value)


def _converted(value: object, what: str, wanted: Any) -> Any:
    if isinstance(value, np.generic) and not isinstance(value, str):
        value = value.item()
    try:
        return msgspec.convert(value, wanted)
    except (msgspec.ValidationError, OverflowError):
        words = _WORDS.get(wanted) or "one of " + ", ".join(str(one.value) for one in wanted)
        raise _refused(value, what, words) from None


def _instance(value: object, what: str, wanted: type) -> object:
    if not isinstance(value, wanted):
        article = "an" if wanted.__name__[0] in "AEIOU" else "a"
        raise _refused(value, what, f"{article} {wanted.__name__}")
    return value


def _function(value: object, what: str) -> object:
    if not callable(value):
        raise _refused(value, what, "a function")
    return value


def _path(value: object, what: str) -> Path:
    return Path(value if isinstance(value, Path) else text(value, what)).expanduser()


def _refused(value: object, what: str, words: str) -> DataError:
    said = shown(value) if isinstance(value, str) else f"{shown(repr(value))[1:-1]}"
    return DataError(f"{what} is {said}, of the type {type(value).__name__}: give {words}")
