"""Which film, show, record, song, book or video a title means: its names, year, makers and medium."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

import msgspec

from confidante.core.spelling import spelled
from confidante.core.values import Item
from confidante.packs.identity import NOTHING, ItemIdentity
from confidante.packs.media.names import last_bracket, names, near_years

Medium = Literal["", "film", "show", "song", "album", "book", "podcast", "video", "game"]


class MediaFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an item of this pack has besides: which medium it is of, where that is known."""

    medium: Medium = ""


_MEDIA: Mapping[str, frozenset[str]] = {
    word: frozenset(media)
    for words, *media in (
        ("film films movie movies feature-film motion-picture short-film tv-movie", "film"),
        ("show shows tv tv-show tv-shows tv-series series television miniseries mini-series", "show"),
        ("limited-series web-series", "show"),
        ("song songs track tracks single", "song"),
        ("album albums lp", "album"),
        ("book books novel novels ebook ebooks audiobook audiobooks manga graphic-novel", "book"),
        ("podcast podcasts", "podcast"),
        ("video videos youtube", "video", "song"),  # half of what YouTube has most views of is music
        ("game games video-game video-games videogame", "game"),
    )
    for word in words.replace("-", "_").split()
}


def medium_words(text: str) -> frozenset[str]:
    """Return the media that a label or a word in brackets names; none for any other."""
    return _MEDIA.get(spelled(text).replace(" ", "_"), NOTHING)


def media(item: Item) -> frozenset[str]:
    """Return the media that an item may be of, as its fields, its labels or its title say; none: unknown."""
    said = item.more.get("medium", "")
    if said:
        return _MEDIA[said]
    found = last_bracket(item.title)
    told = [*item.labels, *([found[1]] if found else [])]
    return NOTHING.union(*(medium_words(text) for text in told))


_PARTED = re.compile(
    r"\s+(?:feat\.?|ft\.?|featuring|with|vs\.?|x|and|und|et|y|&|\+)\s+|\s*[,;/&]\s*|\s*\((?=feat|ft|with)",
    re.IGNORECASE,
)
_CHANNEL = re.compile(r"\s+-\s+Topic$|\s*VEVO$|(?:\s+-)?\s+Official(?:\s+(?:Channel|YouTube Channel))?$")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_GENRE_WORDS = (
    "a action adult adventure age alternative ambient and animated animation anime art arts baroque bass "
    "biography black blues book books business c children children's childrens chill choral christian cinema "
    "classic classical classics comedy comic comics computer computers contemporary cooking country crime "
    "cult dance dark death design disco documentary drama drill drum dub dubstep dystopian early easy "
    "economics education electro electronic electronica english epic erotic essays experimental family "
    "fantasy favorites favourites fi fiction film films folk food foreign french funk game games garage "
    "general german gospel graphic grime grunge guide hard hardcore health heavy hip history holiday hop "
    "horror house humor humour independent indie industrial instrumental international italian j jazz k kids "
    "korean languages latin lgbt lgbtq life limited listening lit literary literature lo lounge magic manga "
    "martial math medical melodrama memoir memoirs metal mini minimal miniseries modern movie movies music "
    "musical musicals mystery n nature new news noir non nonfiction novel novels of old opera original p "
    "parody period philosophy plays podcast poetry political politics pop post progressive psychedelic "
    "psychological psychology punk r rap reality reference reggae religion rnb road rock romance romantic "
    "roots s satire sci science scifi score self series shoegaze short shorts show shows silent singer "
    "sitcom ska soap social soft songwriter soul soundtrack soundtracks space spanish spirituality sport "
    "sports spy stand stories street studies superhero supernatural surf surreal suspense swing synth "
    "synthpop talk tech techno technology teen thriller thrillers times trance trap travel trip true tv up "
    "urban variety video videos vocal war wave western westerns women world ya young "
)
_GENRES = frozenset(_GENRE_WORDS.split())


def makers(item: Item, looked_for: Item) -> tuple[str, ...]:
    """Return the names of who may have made an item: its creator's, else of labels that look like names.

    A label of one word is taken for a musician where a song is looked for; elsewhere it is likelier a genre.
    """
    if item.creator:
        return people(item.creator)
    song = "song" in media(looked_for)
    return tuple(name for label in item.labels if _may_be_a_name(label, song) for name in people(label))


@lru_cache(maxsize=4096)
def people(creator: str) -> tuple[str, ...]:
    """Return every name that a creator may go by: the channel's without what channels add, and each guest's.

    >>> people("AdaNewVEVO"), people("Ada New - Topic"), people("Band A feat. Singer Q")
    (('Ada New',), ('Ada New',), ('Band A feat. Singer Q', 'Band A', 'Singer Q'))
    """
    whole = _CHANNEL.sub("", creator).strip() or creator
    if creator.endswith("VEVO") and " " not in creator:
        whole = _HUMP.sub(" ", whole)
    parts = [part.strip(" ()") for part in _PARTED.split(whole)]
    return tuple(dict.fromkeys(name for name in (whole, *parts) if name))


@lru_cache(maxsize=4096)
def _may_be_a_name(label: str, song: bool) -> bool:  # a key of the cache
    """Whether a label may be a person or a band: capital letters, and not all of it words of genres."""
    words = spelled(label).split()
    if not any(letter.isupper() or (letter.isalpha() and not letter.islower()) for letter in label):
        return False
    if medium_words(label) or all(word in _GENRES or word == "&" for word in words):
        return False
    return len(words) > 1 or song


IDENTITY = ItemIdentity(names=names, near=near_years, makers=makers, media=media)
