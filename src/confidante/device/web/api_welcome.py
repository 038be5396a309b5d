"""Endpoints for a new person: what to choose from, what was picked and stated, whose popularity is used."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from confidante.core.values import Item
from confidante.device.recommend.onboarding import MOST, MOST_PICKS, SLATE
from confidante.device.values import OwnCohort
from confidante.device.web.shapes import ERRORS, KEYED, Name, Shape, known

if TYPE_CHECKING:
    from confidante.device.device import Device

_AttributeName = Annotated[Name, Field(max_length=64)]
_AttributeValue = Annotated[Name, Field(max_length=100)]


class Picks(Shape):
    """What the person loves, by the ids of items."""

    items: Annotated[list[Name], Field(max_length=MOST_PICKS)]


class Picked(Shape):
    """The events that picks became, by number; none while learning is paused or off."""

    events: list[int]


class PickShape(Shape):
    """One pick. at: seconds since 1970."""

    event: int
    item: str
    at: float


class StatedAttributes(Shape):
    """What the person states, by name."""

    attributes: Annotated[dict[_AttributeName, _AttributeValue], Field(max_length=16)]


class About(Shape):
    """What is stated, what groups ask for with the values they know, and the group that is used, if any."""

    attributes: dict[str, str]
    asked: dict[str, list[str]]
    cohort: OwnCohort | None


def welcome_routes(device: "Device") -> APIRouter:
    """Return the endpoints for this device."""
    router = APIRouter(prefix="/api/v1", tags=["a new person"], responses=ERRORS, dependencies=KEYED)

    def about() -> About:
        return About(
            attributes=dict(device.settings.attributes),
            asked={name: list(values) for name, values in device.cohorts.attributes.items()},
            cohort=device.cohorts.current,
        )

    @router.get("/welcome")
    def welcome(
        n: Annotated[int, Query(ge=1, le=MOST, description="how many, at most")] = SLATE,
        after: Annotated[list[Name], Query(max_length=1000, description="ids that were shown before")] = [],  # noqa: B006
    ) -> tuple[Item, ...]:
        """Return popular items of all tastes to choose from: the same for everybody with this library."""
        return device.onboarding.slate(n, after=after)

    @router.get("/picks")
    def picks() -> list[PickShape]:
        """Return what was picked, newest first. POST /api/v1/forget takes one back, by its event."""
        return [PickShape(event=one.number, item=one.item, at=one.at) for one in device.onboarding.picks]

    @router.post("/picks")
    def pick(chosen: Picks) -> Picked:
        """Remember that the person loves these, all at one time."""
        for item in chosen.items:
            known(device, item)
        return Picked(events=list(device.onboarding.pick(chosen.items)))

    @router.get("/about")
    def get_about() -> About:
        """Return what is stated, and whose popularity is used because of it. Neither is ever sent."""
        return about()

    @router.put("/about")
    def put_about(stated: StatedAttributes) -> About:
        """State these in place of all that was stated before."""
        device.settings.attributes = stated.attributes
        return about()

    return router
