"""Films, series, music, books and videos. The pack of populations and profiles that name none."""

from typing import TYPE_CHECKING

from confidante.core.values import Item
from confidante.packs.base import Pack
from confidante.packs.media.identity import IDENTITY, MediaFields
from confidante.packs.media.titles import series, split_year, years
from confidante.packs.signals import EventKind, Signal, ValueOf, kinds

if TYPE_CHECKING:
    from confidante.formats.records import Format, NotRead


def _importers() -> "tuple[Format | NotRead, ...]":
    """Load the formats when they are first asked for, so that a start is quick; the generic ones last."""
    from confidante.packs.media.articles import ARTICLES
    from confidante.packs.media.browsing import CHROME, EDGE
    from confidante.packs.media.letterboxd import LETTERBOXD
    from confidante.packs.media.listenbrainz import LISTENBRAINZ
    from confidante.packs.media.movielens import MOVIELENS
    from confidante.packs.media.music_services import APPLE_MUSIC, STREAMED
    from confidante.packs.media.not_read import NOT_READ
    from confidante.packs.media.podcasts import OPML
    from confidante.packs.media.reading import BOOKS
    from confidante.packs.media.scrobbles import LASTFM, OWN_SERVERS, PANO, PLAYER_LOG
    from confidante.packs.media.spotify import SPOTIFY, SPOTIFY_RECENT
    from confidante.packs.media.trackers import TRACKERS
    from confidante.packs.media.watching import NETFLIX, NETFLIX_REPORT
    from confidante.packs.media.youtube import YOUTUBE

    return (
        MOVIELENS, NETFLIX, NETFLIX_REPORT, SPOTIFY, SPOTIFY_RECENT, YOUTUBE, *BOOKS, *TRACKERS, LETTERBOXD,
        *ARTICLES, LISTENBRAINZ, APPLE_MUSIC, STREAMED, OPML, CHROME, EDGE, PLAYER_LOG, PANO, OWN_SERVERS,
        LASTFM, *NOT_READ,
    )  # fmt: skip


MEDIA = Pack(
    name="media",
    fields=MediaFields,
    events={
        **kinds(
            EventKind(unit="minutes"), "play, played, listen, listened, scrobble, scrobbled, watch, watched"
        ),
        **kinds(
            EventKind(value=ValueOf.RATING, unit="stars"),
            "rating, rate, rated, review, reviewed, read, reread",
        ),
        **kinds(EventKind(Signal.AGAINST), "stopped-reading, stopped-watching, skipped-by-user"),
        **kinds(
            EventKind(Signal.WISH), "to-read, to-watch, to-listen, want-to-read, want-to-watch, watchlist"
        ),
        **kinds(
            EventKind(Signal.WISH), "plan-to-read, plan-to-watch, plan-to-listen, reading-list, readlist, tbr"
        ),
        **kinds(EventKind(Signal.WISH), "watch-later, read-later, listen-later"),
        **kinds(
            EventKind(Signal.NEUTRAL), "watching, reading, listening, currently-reading, currently-watching"
        ),
    },
    features=years,
    split_title=split_year,
    identity=IDENTITY,
    groups=series,
    importers=_importers,
    wording={
        "deeds": "open, rate or save",
        "done": "open or rate",
        "histories": "Netflix, Spotify, Goodreads, YouTube and others",
        "part of": "show of the episode",
    },
    measures=("ndcg", "hit_rate"),
    demo=(
        Item("f1", "Night Train (1994)", ("Thriller",), creator="A. Berg"),
        Item("f2", "Night Train 2 (1997)", ("Thriller", "Crime"), creator="A. Berg"),
        Item("f3", "Orchard, The (2003)", ("Drama",), url="https://example.org/orchard"),
        Item("m1", "Slow Tide", ("Ambient",), creator="Low Water"),
        Item("b1", "Letters Home (1952)", ("Memoir",), "A soldier writes home.", creator="E. Hale"),
    ),
)
