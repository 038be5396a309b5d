"""What a browser posts, read without trusting it and without leaving it on a disk."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, final
from urllib.parse import urlsplit

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from confidante.core.errors import DataError
from confidante.device.web.security import IMPORT_LIMIT

if TYPE_CHECKING:
    from starlette.requests import Request


_LONGEST = 500


@final
class _InMemory(MultiPartParser):
    """Keeps an uploaded file in memory: the default writes what is larger than 1 MB to a shared folder."""

    spool_max_size = 2 * IMPORT_LIMIT


@final
class Fields:
    """The fields of one form. Missing ones read as empty."""

    def __init__(self, form: FormData) -> None:
        self._form = form

    def text(self, name: str, limit: int = _LONGEST) -> str:
        """Return a field without the space around it; DataError when it is longer than `limit`."""
        return self.secret(name, limit).strip()

    def secret(self, name: str, limit: int) -> str:
        """Return a field as it was typed, space included; DataError when it is longer than `limit`."""
        value = self._form.get(name, "")
        if not isinstance(value, str) or len(value) > limit:
            raise DataError(f"the field {name!r} holds more than {limit} characters")
        return value

    def texts(self, name: str, most: int) -> list[str]:
        """Return every value of a field that may come many times; DataError for more than `most`."""
        values = [value for value in self._form.getlist(name) if isinstance(value, str)]
        if len(values) > most or any(len(value) > _LONGEST for value in values):
            raise DataError(f"the field {name!r} is there more than {most} times, or is too long")
        return values

    def whole(self, name: str) -> int | None:
        """Return a whole number, None for an empty field; DataError for anything else."""
        text = self.text(name, 20)
        try:
            return int(text) if text else None
        except ValueError as error:
            raise DataError(f"{text!r} is not a whole number") from error

    def number(self, name: str) -> float | None:
        """Return a number, None for an empty field; DataError for anything else."""
        text = self.text(name, 40)
        try:
            return float(text) if text else None
        except ValueError as error:
            raise DataError(f"{text!r} is not a number") from error

    def back(self, default: str) -> str:
        """Return the place on this server that the form was on; never one on another."""
        place = self.text("back", 2000)
        parts = urlsplit(place)
        here = not parts.scheme and not parts.netloc and place.startswith("/") and "\\" not in place
        return place if here and not place.startswith("//") and place.isprintable() else default

    def file(self, name: str) -> tuple[str, bytes]:
        """Return the name and the bytes of an uploaded file; DataError when there is none."""
        upload = self._form.get(name)
        if not isinstance(upload, UploadFile) or not upload.filename:
            raise DataError("no file was chosen")
        return upload.filename, upload.file.read()


@asynccontextmanager
async def read_form(request: "Request") -> AsyncIterator[Fields]:
    """Lend a posted form, and drop it afterwards. Raises DataError when it is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        parser = _InMemory(request.headers, request.stream(), max_files=1, max_fields=20)
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise DataError(f"the form cannot be read: {error.message}") from error
    elif kind == "application/x-www-form-urlencoded":
        form = await FormParser(request.headers, request.stream()).parse()
    else:
        raise DataError("a form was expected")
    try:
        yield Fields(form)
    finally:
        await form.close()
