"""Pictures of items, from the person's own disk: nothing is fetched, and only a picture is ever shown."""

from http import HTTPStatus
from pathlib import Path

from starlette.responses import Response

_MOST_BYTES = 8 << 20
_BEGINNINGS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}


def picture_of(path: str) -> Response:
    """Return the picture in a file, whatever the file is called; 404 when it is none, or too large."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError):
        data = b""
    kind = next((kind for begin, kind in _BEGINNINGS.items() if data.startswith(begin)), None)
    if kind is None or len(data) > _MOST_BYTES or (kind == "image/webp" and data[8:12] != b"WEBP"):
        return Response(status_code=HTTPStatus.NOT_FOUND)
    return Response(data, media_type=kind, headers={"Cache-Control": "no-store"})
