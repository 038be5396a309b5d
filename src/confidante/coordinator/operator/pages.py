"""The pages as answers: templates filled in, and headers that let nothing foreign in."""

import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from confidante.coordinator.operator.view import moment
from confidante.core.durations import spoken

_HERE = Path(__file__).parent
_STATIC = {
    "operator.css": "text/css; charset=utf-8",
    "operator.js": "text/javascript; charset=utf-8",
    "mark.svg": "image/svg+xml",
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


def page(template: str, status: int = 200, **values: Any) -> Response:
    """Return a page."""
    text = _templates().get_template(template).render(**{"again": 0, "told": "", "problem": "", **values})
    return dressed(HTMLResponse(text, status))


def static(name: str) -> Response | None:
    """Return a file that pages load, None when there is none of that name."""
    if name not in _STATIC:
        return None
    return dressed(Response(_read(name), headers={"content-type": _STATIC[name]}))


def dressed(answer: Response) -> Response:
    """Return an answer with the headers that all pages have."""
    answer.headers.update(_HEADERS)
    return answer


@lru_cache(1)
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["moment"] = moment
    made.filters["iso"] = lambda at: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    made.filters["span"] = spoken
    made.filters["clock"] = lambda at: time.strftime("%H:%M:%S", time.gmtime(at))
    made.filters["sentence"] = lambda said: said[:1].upper() + said[1:] + ("" if said.endswith(".") else ".")
    return made


@lru_cache(len(_STATIC))
def _read(name: str) -> bytes:
    return (_HERE / "static" / name).read_bytes()
