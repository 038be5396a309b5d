"""The endpoints that Gorse has, with Gorse's names and shapes, answered from this device.

After the RESTful API of Gorse 0.5.11, with what its clients still ask of 0.4. They are there where they were
asked for, with `confidante[gorse]` installed. What differs, since one device holds one person, stands in
docs/reference/gorse.md.
"""

from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException

from confidante.device.web.gorse.config import FeedbackType, GorseConfig
from confidante.device.web.gorse.feedback import FeedbackStore, feedback_routes
from confidante.device.web.gorse.items import item_routes
from confidante.device.web.gorse.recommend import recommend_routes
from confidante.device.web.gorse.shapes import Health
from confidante.device.web.gorse.users import user_routes
from confidante.device.web.shapes import ERRORS

if TYPE_CHECKING:
    from confidante.device.device import Device

__all__ = ["FeedbackType", "GorseConfig", "gorse_routes"]


def gorse_routes(device: "Device", user: str, config: GorseConfig) -> list[APIRouter]:
    """Return Gorse's endpoints for this device. user: a second name of the person, beside "me"."""
    people = {"me", user}

    def person(name: str) -> None:
        if name not in people:
            names = " or ".join(repr(one) for one in sorted(people))
            raise HTTPException(
                HTTPStatus.NOT_FOUND, f"this device belongs to one person, who is called {names} here"
            )

    store = FeedbackStore(device, config, user)
    return [
        _health_routes(),
        recommend_routes(device, config, store, person),
        feedback_routes(config, store, person),
        item_routes(device, config),
        user_routes(device, user, person),
    ]


def _health_routes() -> APIRouter:
    router = APIRouter(prefix="/api/health", tags=["health, as in Gorse"], responses=ERRORS)
    healthy = Health(
        ready=True,
        data_store_error=None,
        cache_store_error=None,
        data_store_connected=True,
        cache_store_connected=True,
    )

    @router.get("/live")
    def live() -> Health:
        """Say that the server runs. Needs no key."""
        return healthy

    @router.get("/ready")
    def ready() -> Health:
        """Say that requests can be answered. Needs no key."""
        return healthy

    return router
