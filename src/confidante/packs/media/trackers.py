"""What people keep track of by hand: films, shows and anime on Trakt, Simkl, IMDb, TV Time, MyAnimeList."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from confidante.formats.columns import Fields, Table, table_format

_EPISODE_KEYS = ("watch-episode-", "rewatch-episode-")


def _trakt(fields: dict[str, str]) -> Iterator[dict[str, str]]:
    """Name what a Trakt entry is of: a film with its year; a show; a season or an episode of a show."""
    show = fields.get("show.title", "")
    season = fields.get("season.number", fields.get("episode.season", ""))
    part = fields.get("episode.title", "") or f"Episode {fields.get('episode.number', '?')}"
    kind = fields.get("type", "")
    title = {
        "episode": f"{show}: Season {season}: {part}",
        "season": f"{show}: Season {season}",
        "show": show,
    }.get(kind, fields.get("movie.title", ""))
    whole = show if kind in {"episode", "season"} else ""
    yield {**fields, "title": title if show or not whole else "", "whole": whole}


def _kind_of_thing(fields: Fields) -> Mapping[str, str]:
    """Return which medium an entry says that it is of; nothing where its words are not known."""
    said = fields.get("type") or fields.get("title type") or fields.get("series_type") or ""
    if "manga_title" in fields:
        return {"medium": "book"}
    medium = _MEDIA.get(said.replace(" ", "").lower())
    return {"medium": medium} if medium else {}


_MEDIA = {
    **dict.fromkeys(("movie", "movies", "tvmovie", "short", "video", "tvspecial"), "film"),
    **dict.fromkeys(("show", "season", "episode", "tv", "tvseries", "tvminiseries", "ona", "ova"), "show"),
}
_TRAKT = Table(
    needs="",
    form="json",
    title="title",
    whole="whole",
    year="movie.year",
    id="movie.ids.imdb",
    refine=_trakt,
    more=_kind_of_thing,
)
TRAKT = table_format(
    "trakt",
    "Trakt export (JSON, or its zip)",
    replace(_TRAKT, needs="watched_at|action|type", time="watched_at"),
    replace(_TRAKT, needs="rated_at|rating|type", time="rated_at", value="rating", scale=10),
    replace(_TRAKT, needs="listed_at|type", member="watchlist", time="listed_at", default="watchlist"),
    replace(_TRAKT, needs="hidden_at|type", member="recommendation", time="hidden_at", default="hidden"),
    one_each=True,
)

_SIMKL_KINDS = {"plantowatch": "plan-to-watch", "hold": "on-hold", "true": "plan-to-watch", "false": ""}
SIMKL = table_format(
    "simkl",
    "Simkl backup (JSON or CSV)",
    Table(
        needs="user_rating|last_watched_at|status",
        form="json",
        inside="movies|shows|anime",
        title="movie.title|show.title|anime.title",
        year="movie.year",
        id="movie.ids.imdb|show.ids.imdb",
        time="last_watched_at",
        late="user_rated_at|added_to_watchlist_at",
        value="user_rating",
        scale=10,
        kind="status",
        kinds=_SIMKL_KINDS,
        undated=True,
        more=lambda fields: {"medium": "film" if "movie.title" in fields else "show"},
    ),
    Table(
        needs="simkl id|title|watchlist|watcheddate",
        title="title",
        year="year",
        id="imdb",
        time="watcheddate",
        value="rating",
        scale=10,
        kind="watchlist",
        kinds=_SIMKL_KINDS,
        undated=True,
        more=_kind_of_thing,
    ),
)


def _rated_only(fields: dict[str, str]) -> Iterator[dict[str, str] | str]:
    yield fields if fields.get("your rating", "").strip() else "on a list, without a rating"


_IMDB = Table(
    needs="",
    title="title",
    id="const",
    year="year",
    labels="genres",
    value="your rating",
    scale=10,
    time="date rated|created",
    more=_kind_of_thing,
)
IMDB = table_format(
    "imdb",
    "IMDb ratings, watchlist or list (CSV)",
    replace(_IMDB, needs="position|const|created|title", member="watchlist", default="watchlist"),
    replace(_IMDB, needs="position|const|created|title", refine=_rated_only),
    replace(_IMDB, needs="const|your rating|date rated|title"),
)


def _tv_time(fields: dict[str, str]) -> Iterator[dict[str, str] | str]:
    if not fields.get("key", "").startswith(_EPISODE_KEYS):
        yield "no episode that was watched"
        return
    season, number = fields.get("season_number", ""), fields.get("episode_number", "")
    yield {**fields, "key": f"{fields['series_name']}: Season {season}: Episode {number}"}


TV_TIME = table_format(
    "tv-time",
    "TV Time data (zip, or tracking-prod-records CSV)",
    Table(
        needs="key|series name|season number|episode number|created at",
        title="key",
        whole="series name",
        time="created at",
        refine=_tv_time,
        more=lambda _: {"medium": "show"},
    ),
    Table(
        needs="type|movie name|created at",
        title="movie name",
        time="created at",
        kind="type",
        kinds={"watch": "view", "rewatch": "view", "towatch": "to-watch", "follow": "to-watch"},
        more=lambda _: {"medium": "film"},
    ),
)

_MAL_KINDS = {
    "completed": "completed",
    "watching": "watching",
    "reading": "reading",
    "on-hold": "on-hold",
    "dropped": "dropped",
    "plan to watch": "plan-to-watch",
    "plan to read": "plan-to-read",
    "1": "watching",
    "2": "completed",
    "3": "on-hold",
    "4": "dropped",
    "6": "plan-to-watch",
}
MY_ANIME_LIST = table_format(
    "myanimelist",
    "MyAnimeList's XML, which AniList, Kitsu and others write too",
    Table(
        needs="my_status|my_score",
        form="xml",
        inside="anime|manga",
        title="series_title|manga_title",
        id="series_animedb_id|manga_mangadb_id",
        time="my_finish_date",
        late="my_start_date",
        value="my_score",
        scale=10,
        kind="my_status",
        kinds=_MAL_KINDS,
        undated=True,
        more=_kind_of_thing,
    ),
)

MOVIELENS_ORG = table_format(
    "movielens.org",
    "one's own ratings or wishlist from movielens.org (CSV)",
    Table(
        needs="movie id|imdb id|tmdb id|rating|average rating|title",
        title="title",
        value="rating",
        scale=5,
        undated=True,
    ),
    Table(
        needs="movie id|imdb id|tmdb id|average rating|title",
        member="wish",
        title="title",
        default="wishlist",
        undated=True,
    ),
    more={"medium": "film"},
)

TRACKERS = (TRAKT, SIMKL, IMDB, TV_TIME, MY_ANIME_LIST, MOVIELENS_ORG)
