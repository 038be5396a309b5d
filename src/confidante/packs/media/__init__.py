"""Films, series, music, books and videos. The pack of populations and profiles that name none."""

from typing import TYPE_CHECKING

from confidante.core.values import Item
from confidante.packs.base import Pack
from confidante.packs.media.identity import IDENTITY, MediaFields
from confidante.packs.media.status_words import STATUS_WORDS
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


_PLAYED = """
    play, played, playback, listen, listened, scrobble, scrobbled, watch, watched, rewatch, rewatched,
    rewatching, relisten, rereading, replay, replayed, track-done, trackdone, end-play, play-end, media-play,
    media.play, media.scrobble, media-complete, checkin, check-in, streamed, stream
"""
_RATED = """
    rating, rate, rated, review, reviewed, score, scored, media.rate, read, reread, archive, archived, done,
    complete, completed, finish, finished
"""
_GIVEN_UP = """
    stopped-reading, stopped-watching, stopped-listening, skipped-by-user, fwd-btn, fwdbtn, skip-next,
    next-button, gave-up-on
"""
_WANTED = """
    to-read, to-watch, to-listen, to-play, want-to-read, want-to-watch, want-to-listen, want-to-play,
    plan-to-read, plan-to-watch, plan-to-listen, plan-to-play, watchlist, watch-list, readlist, reading-list,
    listening-list, tbr, watch-later, read-later, listen-later,
    to-be-read, to-be-watched, to-be-played, unwatched, unplayed, unlistened, not-read, not-watched,
    not-played
"""
_NOT_DONE = """
    watching, reading, listening, playing, currently-reading, currently-watching, currently-listening,
    currently-playing, media.pause, media.stop, media.resume, playback-start, playback-stop, now-playing
"""

MEDIA = Pack(
    name="media",
    fields=MediaFields,
    events={
        **STATUS_WORDS,
        **kinds(EventKind(unit="minutes"), _PLAYED),
        **kinds(EventKind(value=ValueOf.RATING, unit="stars", top=5.0), _RATED),
        **kinds(EventKind(Signal.AGAINST), _GIVEN_UP),
        **kinds(EventKind(Signal.WISH), _WANTED),
        **kinds(EventKind(Signal.NEUTRAL), _NOT_DONE),
        **kinds(EventKind(Signal.SEEN), "collected, collection, in-collection, in-library, mark-played"),
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
