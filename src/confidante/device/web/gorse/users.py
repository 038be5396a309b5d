"""Users as Gorse has them, of whom a device has one."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter
from pydantic import Field

from confidante.device.web.gorse.shapes import (
    PROBLEMS,
    Cursor,
    Many,
    Score,
    Success,
    User,
    UserPage,
    UserPatch,
)
from confidante.device.web.shapes import KEYED, MAX_BATCH, Name, Offset

if TYPE_CHECKING:
    from confidante.device.device import Device


def user_routes(device: "Device", user: str, person: Callable[[str], None]) -> APIRouter:
    """Return the endpoints of users. person: raises 404 for a name that is not the person's."""
    router = APIRouter(prefix="/api", tags=["users, as in Gorse"], responses=PROBLEMS, dependencies=KEYED)

    @router.post("/user")
    def post_user(new: User) -> Success:
        """Take note of the person. Nothing is kept: the device knows whose it is."""
        return post_users([new])

    @router.post("/users")
    def post_users(new: Annotated[list[User], Field(max_length=MAX_BATCH)]) -> Success:
        """Take note of the person. Nothing is kept, and anybody else is refused."""
        for one in new:
            person(one.user_id)
        return Success(row_affected=len(new))

    @router.get("/users")
    def list_users(cursor: Cursor, n: Many = None) -> UserPage:  # noqa: ARG001  # there is one
        """Return the one person."""
        return UserPage(cursor="", users=[User(user_id=user)])

    @router.get("/user/{user_id}")
    def get_user(user_id: Name) -> User:
        """Return the person."""
        person(user_id)
        return User(user_id=user)

    @router.patch("/user/{user_id}")
    def patch_user(user_id: Name, patch: UserPatch) -> Success:  # noqa: ARG001
        """Take note of what an app says of the person. Nothing is kept."""
        person(user_id)
        return Success(row_affected=1)

    @router.delete("/user/{user_id}")
    def delete_user(user_id: Name) -> Success:
        """Forget everything that the person did. It is erased at once."""
        person(user_id)
        device.forget(everything=True)
        return Success(row_affected=1)

    @router.get("/user/{user_id}/neighbors/", include_in_schema=False)
    @router.get("/user/{user_id}/neighbors")
    def user_neighbors(user_id: Name, n: Many = None, offset: Offset = 0) -> list[Score]:  # noqa: ARG001
        """Return people like this one: none, since nobody else is on the device."""
        person(user_id)
        return []

    @router.get("/user-to-user/{name}/{user_id}")
    def user_to_user(name: Name, user_id: Name, n: Many = None, offset: Offset = 0) -> list[Score]:  # noqa: ARG001
        """Return people like this one: none, since nobody else is on the device."""
        return user_neighbors(user_id, n, offset)

    return router
