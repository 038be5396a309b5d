"""Entries of JSON and XML files as flat rows, so that a table of columns reads them as it reads CSV."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.parsers import expat

from confidante.core.errors import DataError
from confidante.formats.records import Skipped
from confidante.formats.source import Member
from confidante.formats.tables import json_entries, text_problem

_DEEPEST = 4  # a name like "movie.ids.imdb" has three parts
_MOST_FIELDS = 400  # of one entry
_LONGEST = 2000  # characters of a text that anything is read from

FlatRow = tuple[int, Mapping[str, str]] | Skipped


def json_rows(member: Member, inside: Sequence[str] = ()) -> Iterator[FlatRow]:
    """Yield (number, fields by name in lower case) of each entry; what is nested is called "movie.title".

    inside: names of the lists that hold the entries; none: the file is a list, or lines. Raises DataError
    when the file is not JSON, or is nested too deeply.
    """
    for within in inside or ("",):
        for entry in json_entries(member, dict[str, Any], within):
            yield entry if isinstance(entry, Skipped) else _flat(*entry)


def _flat(number: int, entry: Mapping[str, Any]) -> FlatRow:
    fields: dict[str, str] = {}
    waiting: list[tuple[str, Any, int]] = [("", entry, 0)]
    while waiting and len(fields) < _MOST_FIELDS:
        name, value, depth = waiting.pop()
        if isinstance(value, dict) and depth < _DEEPEST:
            waiting += [(f"{name}.{key}" if name else key, part, depth + 1) for key, part in value.items()]
        elif isinstance(value, list):
            fields[name.lower()] = "|".join(part for part in value if isinstance(part, str))[:_LONGEST]
        elif isinstance(value, bool):
            fields[name.lower()] = "true" if value else "false"
        elif isinstance(value, str | int | float):
            fields[name.lower()] = str(value)[:_LONGEST]
    problem = text_problem(*fields.values())
    return Skipped(problem, number) if problem else (number, fields)


def xml_rows(member: Member, inside: Sequence[str]) -> Iterator[FlatRow]:
    """Yield (number, fields by name in lower case) of each element that is called one of `inside`.

    Raises DataError when the file is no XML, or declares entities of its own.
    """
    found: list[dict[str, str]] = []
    path: list[str] = []
    entry: dict[str, str] = {}

    def begin(name: str, _: Mapping[str, str]) -> None:
        path.append(name.lower())
        if path[-1] in inside:
            entry.clear()

    def text(said: str) -> None:
        if path and len(entry) < _MOST_FIELDS:
            entry[path[-1]] = (entry.get(path[-1], "") + said)[:_LONGEST]

    def end(_: str) -> None:
        if path.pop() in inside:
            found.append(dict(entry))

    def refuse(*_: object) -> None:
        raise DataError("declares a document type of its own: an export has none", path=member.path)

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.CharacterDataHandler, parser.EndElementHandler = begin, text, end
    parser.StartDoctypeDeclHandler = refuse
    number = 0
    with member.open() as file:
        while True:
            block = file.read(1 << 16)
            try:
                parser.Parse(block, not block)
            except (expat.ExpatError, ValueError) as error:
                raise DataError(f"is not XML ({error}): download it again", path=member.path) from None
            for fields in found:
                number += 1
                problem = text_problem(*fields.values())
                yield Skipped(problem, number) if problem else (number, fields)
            found.clear()
            if not block:
                return
