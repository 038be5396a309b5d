"""Request bodies with a limit in bytes and one in time, and the refusals that answer a bad request."""

import asyncio
from typing import final

from starlette.requests import ClientDisconnect, Request

from confidante.wire.rounds import Refused


@final
class RequestRefusedError(Exception):
    """A request that is answered with a reason and changes nothing."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        self.status = status
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


async def read_body(request: Request, content_type: str, most: int, seconds: float) -> bytes:
    """Return the body.

    Raises RequestRefusedError when it is of another type, above `most` bytes, or not here in time.
    """
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said != content_type:
        raise RequestRefusedError(415, Refused.CONTENT_TYPE, f"send {content_type}")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > most:
        raise _oversized(most)
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise _oversized(most)
                parts.append(part)
    except TimeoutError:
        raise RequestRefusedError(
            408, Refused.SLOW, f"the body did not arrive within {seconds:g} seconds"
        ) from None
    except ClientDisconnect:
        raise RequestRefusedError(
            400, Refused.MALFORMED, "the connection ended before the body did"
        ) from None
    return b"".join(parts)


def _oversized(most: int) -> RequestRefusedError:
    return RequestRefusedError(413, Refused.OVERSIZED, f"the body may have at most {most} bytes")
