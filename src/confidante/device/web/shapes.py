"""What both halves of the local API share: bounds of what comes in, the shape of an error, times as text."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, HTTPException, Query
from fastapi.security import APIKeyHeader, HTTPBearer
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from confidante.core.errors import DataError

if TYPE_CHECKING:
    from confidante.core.values import Item
    from confidante.device.device import Device

MAX_N = 1000
MAX_OFFSET = 100_000
MAX_BATCH = 10_000


def _storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("must be text without zero bytes and lone surrogates")
    return text


Text = Annotated[str, Field(max_length=100_000), AfterValidator(_storable)]
Name = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_storable)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Time = Annotated[float, Field(allow_inf_nan=False, ge=0, le=1e11, description="seconds since 1970, UTC")]
Count = Annotated[int, Query(ge=1, le=MAX_N, description="how many, at most")]
Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET, description="how many to skip")]
Number = Annotated[int, Field(ge=0, lt=1 << 62)]


class Shape(BaseModel):
    """A JSON object of ours: no fields but those named."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)


class What(Shape):
    """What was wrong, in one sentence."""

    what: str


class Problem(Shape):
    """Every error of the API."""

    error: What


ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "The request cannot be answered; the sentence says why."},
    "5XX": {"model": Problem, "description": "The profile cannot be read or written now."},
}

# The guard checks the key before anything gets here; these say so in the OpenAPI document.
KEYED = [
    Depends(APIKeyHeader(name="X-API-Key", auto_error=False)),
    Depends(HTTPBearer(auto_error=False)),
]


def known(device: "Device", item_id: str) -> "Item":
    """Return an item; 404 when there is none."""
    try:
        return device.items.get(item_id)
    except DataError as error:
        raise HTTPException(404, error.problem) from error
