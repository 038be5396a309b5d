"""A pack: everything that the core has to know of a domain, as data and a few pure functions.

The core works for items with labels. What it should read off titles, which words events have, which files
people bring, how the page speaks: that is a pack's. Its functions must be deterministic and use their
arguments alone, since both ends of a round, a device and a coordinator, call them on the same items and must
get the same. What a pack gives may change only together with its `name`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, final

import msgspec

from confidante.core.errors import DataError
from confidante.core.text import shown
from confidante.core.values import Catalogue, Item
from confidante.packs.identity import ItemIdentity
from confidante.packs.signals import CORE_EVENTS, UNDECLARED, EventKind, plain_kind

if TYPE_CHECKING:  # formats are loaded when they are first used, so that a start is quick
    from confidante.formats.records import Format, NotRead
    from confidante.formats.registry import Formats

CORE_WORDING: Mapping[str, str] = MappingProxyType(
    {
        "deeds": "do",  # "What you do is remembered"
        "done": "do",  # "What you do meanwhile is not remembered"
        "histories": "a CSV file, or an export of another profile",
        "part of": "the whole that it is a part of",
    }
)
"""Every phrase that the page and the command line ask of a pack, in words that suit any domain."""


class NoFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The further fields of items where a pack has none."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A domain. Every part but the name may be left out.

    name: small letters, digits and dashes; populations and profiles name the pack by it.
    fields: a frozen `msgspec.Struct`, the type of `Item.more`: what items of this domain have besides.
    events: kinds of event, besides `CORE_EVENTS`.
    features: what the models may read of an item besides its labels, as further labels; never shown.
    split_title: a title -> (the name proper, what tells editions of that name apart), as ("Alien", "1979").
    identity: how a title of another service's file finds its item.
    groups: titles -> for each the groups that it is in. No two items of a group are offered at once to a
        person who is new.
    importers: gives the formats of the files that people bring, and those that are known but not read yet.
    training: constants of `training.recipe.Settings` that are other than its own.
    wording: phrases in place of those of `CORE_WORDING`.
    measures: how lists of this domain are graded, the first one leading.
    demo: a few items that show what the domain is like.

    Stability: provisional.
    """

    name: str
    fields: type[msgspec.Struct] = NoFields
    events: Mapping[str, EventKind] = field(default_factory=lambda: MappingProxyType({}))
    features: Callable[[Item], tuple[str, ...]] = lambda _item: ()
    split_title: Callable[[str], tuple[str, str]] = lambda title: (title, "")
    identity: ItemIdentity = field(default_factory=ItemIdentity)
    groups: Callable[[Sequence[str]], Sequence[frozenset[str]]] = lambda titles: [frozenset()] * len(titles)
    importers: "Callable[[], tuple[Format | NotRead, ...]]" = lambda: ()
    training: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    wording: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    measures: tuple[str, ...] = ("ndcg",)
    demo: tuple[Item, ...] = ()

    def __post_init__(self) -> None:
        """Keep the kinds of event as they are compared."""
        plain = {plain_kind(kind): says for kind, says in self.events.items()}
        object.__setattr__(self, "events", MappingProxyType(plain))

    def declared(self, kind: str) -> EventKind | None:
        """Return what a kind of event says, however it is spelled, or None if nobody declared it."""
        plain = plain_kind(kind)
        return self.events.get(plain) or CORE_EVENTS.get(plain)

    def event(self, kind: str) -> EventKind:
        """Return what a kind of event says; one that nobody declared, that its item was had."""
        return self.declared(kind) or UNDECLARED

    def with_events(self, events: Mapping[str, EventKind]) -> "Pack":
        """Return the pack with further kinds of event, which go before its own."""
        plain = {plain_kind(kind): says for kind, says in events.items()}
        return replace(self, events={**self.events, **plain}) if plain else self

    def called(self, title: str) -> tuple[tuple[str, ...], str]:
        """Return what a title may be called, the likeliest first, and what tells editions of it apart."""
        if self.identity.names is not None:
            return self.identity.names(title)
        name, edition = self.split_title(title)
        return (name,), edition

    def words(self, phrase: str) -> str:
        """Return a phrase of `CORE_WORDING` as this domain has it."""
        return self.wording.get(phrase, CORE_WORDING[phrase])

    def formats(self) -> "Formats":
        """Return the formats that can be imported: this pack's, our own export, shops' orders, any CSV."""
        from confidante.formats.registry import Formats

        return Formats(self.importers())

    def checked(self, item: Item) -> Item:
        """Return the item with `more` as the pack's schema has it. Raises DataError naming the field."""
        if not item.more and self.fields is NoFields:
            return item
        try:
            known = msgspec.convert(dict(item.more), self.fields)
        except msgspec.ValidationError as error:
            raise DataError(
                f"item {shown(item.id)} does not fit the pack {self.name!r}: {error}. Give `more` the fields "
                f"{', '.join(self.fields.__struct_fields__) or '(none)'}"
            ) from None
        given = {name: value for name, value in msgspec.to_builtins(known).items() if name in item.more}
        return replace(item, more=given)

    def further(self, item: Item) -> msgspec.Struct:
        """Return `Item.more` as a value of `fields`, what is missing as its default."""
        return msgspec.convert(dict(item.more), self.fields)

    def read(self, catalogue: Catalogue) -> Catalogue:
        """Return a catalogue with what this pack reads of its items."""
        rows = zip(catalogue.ids, catalogue.titles, catalogue.labels, strict=True)
        return replace(catalogue, pack=self.name, derived=tuple(self.features(Item(*row)) for row in rows))

    def catalogue(self, items: Iterable[Item]) -> Catalogue:
        """Return items as a catalogue, with what this pack reads of them."""
        given = tuple(items)
        return Catalogue(
            tuple(item.id for item in given),
            tuple(item.title for item in given),
            tuple(item.labels for item in given),
            self.name,
            tuple(self.features(item) for item in given),
        )


NONE = Pack(name="none")
"""The core alone: items with labels, and any CSV."""
