"""What every pack must keep, as a check for tests: it raises AssertionError and says what is wrong."""

from confidante.core.errors import DataError
from confidante.core.values import Item
from confidante.packs.base import CORE_WORDING, Pack
from confidante.packs.signals import CORE_EVENTS
from confidante.training.recipe import TrainingSettings

_STRANGE = ("", " ", "(", "1999", "(1999)", "A (19999)", "ü" * 400, "Part II", ": ", "\u202eevil", "Ночь 2")


def check_pack(pack: Pack) -> None:
    """Check a pack: its fields, events, features, titles, groups, wording, importers and demo.

    Args:
        pack: The pack.

    Raises:
        AssertionError: It breaks what the core relies on.
    """
    _require(pack.name == pack.name.lower(), "the name of a pack has small letters only")
    _require(1 <= len(pack.name) <= 64, "the name of a pack has 1 to 64 letters")
    _check_items(pack)
    for kind in {*CORE_EVENTS, *pack.events, "never heard of"}:
        _require(0 < pack.event(kind).strength <= 10, f"an event of kind {kind!r} weighs too much")
    unheard = pack.event("never heard of")
    _require(unheard.weight == 0 and unheard.had, "a kind that nobody declared says that an item was had")
    _require(not pack.wording.keys() - CORE_WORDING.keys(), "a phrase that nobody asks for")
    _require(all(pack.words(phrase) for phrase in CORE_WORDING), "a phrase without words")
    _require(
        not pack.training.keys() - set(TrainingSettings.__dataclass_fields__),
        "a constant that no training has",
    )
    names = [one.name for one in pack.formats()]
    _require(len(names) == len(set(names)), "two formats of one name")
    _require(names[-1] == "csv", "the format of any CSV is tried last")


def _require(sound: bool, problem: str) -> None:
    if not sound:
        raise AssertionError(problem)


def _check_items(pack: Pack) -> None:
    _require(bool(pack.demo), "a pack shows what its domain is like by some demo items")
    items = [*pack.demo, *(Item(f"x{k}", title) for k, title in enumerate(_STRANGE))]
    for item in items:
        _require(pack.features(item) == pack.features(item), "features are not the same twice")
        _require(len(pack.features(item)) <= 64, "an item has too many features")
        name, edition = pack.split_title(item.title)
        _require(pack.split_title(name)[0] == name or not edition, "a name is split again")
        called, _ = pack.called(item.title)
        _require(pack.called(item.title)[0] == called, "what a title is called is not the same twice")
        _require(any(map(str.strip, called)) or not item.title.strip(), "a title has no name")
        makers, media = pack.identity.makers(item, item), pack.identity.media(item)
        _require(not item.creator or bool(makers), "an item with a creator has no maker")
        _require(isinstance(media, frozenset), "media are a frozenset")
    titles = [item.title for item in items]
    _require(len(pack.groups(titles)) == len(titles), "each title has its groups, perhaps none")
    for item in pack.demo:
        kept = pack.checked(item)
        _require(pack.checked(kept) == kept, "an item that was checked is refused or changed")
        pack.further(kept)
    try:
        pack.checked(Item("x", "x", more={"no such field": 1}))
    except DataError:
        pass
    else:
        raise AssertionError("the schema of a pack forbids unknown fields (forbid_unknown_fields=True)")
