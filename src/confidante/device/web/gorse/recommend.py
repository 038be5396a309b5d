"""Lists as Gorse has them: for the person, for a session, of alike, popular and latest items."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query

from confidante.core.values import Item
from confidante.device.web.gorse.config import GorseConfig
from confidante.device.web.gorse.feedback import FeedbackStore
from confidante.device.web.gorse.shapes import (
    PROBLEMS,
    Batch,
    Category,
    Feedback,
    ItemNote,
    Many,
    NotSeenBy,
    Score,
    Version,
    find_entry,
    known_entry,
    scores_of,
)
from confidante.device.web.gorse.times import moment_of, read_time, second_of, seconds_of, write_time
from confidante.device.web.shapes import KEYED, MAX_N, Name, Offset
from confidante.packs.signals import Signal

if TYPE_CHECKING:
    from confidante.device.device import Device
    from confidante.device.values import Suggestion

_ALL = 1 << 62

WriteBack = Annotated[
    str, Query(alias="write-back-type", max_length=64, description="keep it as feedback so named")
]
Delay = Annotated[
    str,
    Query(alias="write-back-delay", max_length=40, description="dated so much ahead: 1h30m0s"),
]


def recommend_routes(
    device: "Device", config: GorseConfig, store: FeedbackStore, person: Callable[[str], None]
) -> APIRouter:
    """Return the endpoints of lists. person: raises 404 for a name that is not the person's."""
    router = APIRouter(prefix="/api", tags=["recommend, as in Gorse"], responses=PROBLEMS, dependencies=KEYED)

    def best(n: int | None, offset: int, categories: list[str]) -> "Sequence[Suggestion]":
        wanted = min(offset + (n or config.default_n), MAX_N)
        return device.recommend(wanted, filter=_carries(categories)).suggestions[offset:]

    @router.get("/recommend/{user_id}/", include_in_schema=False)
    @router.get("/recommend/{user_id}")
    def recommend(
        user_id: Name,
        category: Category = [],  # noqa: B006  # FastAPI copies it
        n: Many = None,
        offset: Offset = 0,
        write_back_type: WriteBack = "",
        write_back_delay: Delay = "",
        version: Version = "",
    ) -> list[str] | list[Score]:
        """Return the ids of the best items for the person, best first; their scores as well in version 2.

        With `write-back-type=read` they are not recommended again once `write-back-delay` has passed, which
        is at once when it is left out. Nothing is learnt from it.
        """
        person(user_id)
        later = seconds_of(write_back_delay)
        found = best(n, offset, category)
        if write_back_type:
            at = write_time(moment_of(device.now() + later))
            back = [
                Feedback(feedback_type=write_back_type, item_id=one.item.id, timestamp=at) for one in found
            ]
            store.insert(back, overwrite=False)
        return scores_of(found) if version == "2" else [one.item.id for one in found]

    @router.get("/recommend/{user_id}/{category}")
    def recommend_category(
        user_id: Name,
        category: Name,
        n: Many = None,
        offset: Offset = 0,
        write_back_type: WriteBack = "",
        write_back_delay: Delay = "",
        version: Version = "",
    ) -> list[str] | list[Score]:
        """Return the ids of the best items with one label; their scores as well in version 2."""
        return recommend(user_id, [category], n, offset, write_back_type, write_back_delay, version)

    @router.get("/collaborative-filtering/{user_id}")
    def collaborative_filtering(
        user_id: Name,
        category: Category = [],  # noqa: B006
        n: Many = None,
        offset: Offset = 0,
    ) -> list[Score]:
        """Return the best items for the person with their scores. There is one way of recommending here."""
        person(user_id)
        return scores_of(best(n, offset, category))

    @router.post("/session/recommend/", include_in_schema=False)
    @router.post("/session/recommend")
    def session(
        feedback: Batch,
        category: Category = [],  # noqa: B006
        n: Many = None,
        offset: Offset = 0,
    ) -> list[Score]:
        """Return what suits this feedback, where it speaks for its items.

        Nothing is kept, and the person's history is not read. None of its items is in the answer.
        """
        now = device.now()
        done = sorted(
            feedback, key=lambda one: read_time(one.timestamp).timestamp() if one.timestamp else now
        )
        liked = [one.item_id for one in done if _is_for(one, config, device)]
        known = [item_id for item_id in liked if find_entry(device, item_id) is not None]
        if not known:
            return []
        told, keep = {one.item_id for one in feedback}, _carries(category)
        answer = device.recommender.session(
            known,
            min(offset + (n or config.default_n), MAX_N),
            filter=lambda item: item.id not in told and (keep is None or keep(item)),
        )
        return scores_of(answer.suggestions[offset:])

    @router.post("/session/recommend/{category}")
    def session_category(feedback: Batch, category: Name, n: Many = None, offset: Offset = 0) -> list[Score]:
        """Return what suits this feedback of the items with one label."""
        return session(feedback, [category], n, offset)

    def unseen(user_id: str, ids: Iterable[str]) -> Callable[[str], bool]:
        if not user_id:
            return lambda _item_id: True
        person(user_id)
        had = store.had(ids)
        return lambda item_id: item_id not in had

    def neighbours(
        item_id: str, n: int | None, offset: int, categories: list[str], user_id: str
    ) -> list[Score]:
        known_entry(device, item_id)
        found = device.recommender.similar_items(item_id, MAX_N)
        keep, fresh = _carries(categories), unseen(user_id, [item.id for item, _score in found])
        alike = [
            Score(id=item.id, score=score)
            for item, score in found
            if fresh(item.id) and (keep is None or keep(item))
        ]
        return alike[offset : offset + (n or config.default_n)]

    @router.get("/item-to-item/{name}/{item_id}")
    def item_to_item(
        name: Name,  # noqa: ARG001  # Gorse can have several
        item_id: Name,
        n: Many = None,
        offset: Offset = 0,
        category: Category = [],  # noqa: B006
        user_id: NotSeenBy = "",
    ) -> list[Score]:
        """Return the items most like one. There is one way of comparing here, whatever the name."""
        return neighbours(item_id, n, offset, category, user_id)

    @router.get("/item/{item_id}/neighbors/", include_in_schema=False)
    @router.get("/item/{item_id}/neighbors")
    def item_neighbors(
        item_id: Name,
        n: Many = None,
        offset: Offset = 0,
        category: Category = [],  # noqa: B006
        user_id: NotSeenBy = "",
    ) -> list[Score]:
        """Return the items most like one."""
        return neighbours(item_id, n, offset, category, user_id)

    @router.get("/item/{item_id}/neighbors/{category}")
    def item_neighbors_category(
        item_id: Name, category: Name, n: Many = None, offset: Offset = 0, user_id: NotSeenBy = ""
    ) -> list[Score]:
        """Return the items most like one, of those with one label."""
        return neighbours(item_id, n, offset, [category], user_id)

    @router.get("/popular/", include_in_schema=False)
    @router.get("/popular")
    def popular(
        category: Category = [],  # noqa: B006
        n: Many = None,
        offset: Offset = 0,
        user_id: NotSeenBy = "",
    ) -> list[Score]:
        """Return what everyone gets, by the model's popularity; Gorse 0.4 has this."""
        keep = _carries(category)
        fresh = unseen(user_id, [one.item.id for one in device.items.entries(_ALL)] if user_id else ())
        answer = device.recommender.session(
            (),
            min(offset + (n or config.default_n), MAX_N),
            filter=lambda item: fresh(item.id) and (keep is None or keep(item)),
        )
        return scores_of(answer.suggestions[offset:])

    @router.get("/popular/{category}")
    def popular_category(
        category: Name, n: Many = None, offset: Offset = 0, user_id: NotSeenBy = ""
    ) -> list[Score]:
        """Return what everyone gets of the items with one label; Gorse 0.4 has this."""
        return popular([category], n, offset, user_id)

    @router.get("/non-personalized/{name}")
    def non_personalized(
        name: Name,  # noqa: ARG001
        category: Category = [],  # noqa: B006
        n: Many = None,
        offset: Offset = 0,
        user_id: NotSeenBy = "",
    ) -> list[Score]:
        """Return what everyone gets. There is one such list here, whatever the name."""
        return popular(category, n, offset, user_id)

    @router.get("/latest/", include_in_schema=False)
    @router.get("/latest")
    def latest(
        category: Category = [],  # noqa: B006
        n: Many = None,
        offset: Offset = 0,
        user_id: NotSeenBy = "",
    ) -> list[Score]:
        """Return the newest items by their timestamps; the score is the time in seconds since 1970."""
        keep = _carries(category)
        live = [
            one for one in device.items.entries(_ALL) if not one.hidden and (keep is None or keep(one.item))
        ]
        fresh = unseen(user_id, [one.item.id for one in live])
        dated = [
            Score(id=one.item.id, score=second_of(read_time(ItemNote.of(one).timestamp)))
            for one in live
            if fresh(one.item.id)
        ]
        newest = sorted(enumerate(dated), key=lambda row: (row[1].score, row[0]), reverse=True)
        return [one for _place, one in newest[offset : offset + (n or config.default_n)]]

    @router.get("/latest/{category}")
    def latest_category(
        category: Name, n: Many = None, offset: Offset = 0, user_id: NotSeenBy = ""
    ) -> list[Score]:
        """Return the newest items with one label."""
        return latest([category], n, offset, user_id)

    return router


def _carries(labels: Sequence[str]) -> Callable[[Item], bool] | None:
    """Return a test for items with all of these labels; None when there are none."""
    wanted = set(labels)
    return None if not wanted else lambda item: wanted <= set(item.labels)


def _is_for(one: Feedback, config: GorseConfig, device: "Device") -> bool:
    return config.signal(one.feedback_type, one.value or 0.0, device.pack) is Signal.FOR
