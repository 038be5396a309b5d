"""The page of the API, made from the OpenAPI document: usual viewers load scripts from elsewhere."""

import json
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse
from starlette.routing import Route

from confidante.device.web.page import environment

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request


def docs_route(app: "FastAPI") -> Route:
    """Return `/api/docs`. It knows nothing of the person and needs no key."""

    def show(_: "Request") -> HTMLResponse:
        spec = app.openapi()
        text = environment().get_template("api_docs.html").render(spec=spec, groups=_groups(spec))
        return HTMLResponse(text)

    return Route("/api/docs", show, methods=["GET"])


def _groups(spec: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return every call by its tag, as the template shows it."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in spec["paths"].items():
        for method, call in methods.items():
            body = call.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            answer = (
                call["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema")
            )
            groups.setdefault(call.get("tags", ["others"])[0], []).append(
                {
                    "method": method.upper(),
                    "path": path,
                    "text": call.get("description", ""),
                    "parameters": [
                        {
                            "name": one["name"],
                            "where": one["in"],
                            "required": one.get("required", False),
                            "type": one.get("description") or _outline(spec, one["schema"]),
                        }
                        for one in call.get("parameters", ())
                    ],
                    "body": body and json.dumps(_outline(spec, body), indent=2, ensure_ascii=False),
                    "answer": answer and json.dumps(_outline(spec, answer), indent=2, ensure_ascii=False),
                }
            )
    return groups


def _outline(spec: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Return an example-like outline of a schema: names of types where values would be."""
    if "$ref" in schema:
        return _outline(spec, spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return " or ".join(str(_outline(spec, one)) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return [_outline(spec, schema["items"])]
    if "properties" in schema:
        return {name: _outline(spec, one) for name, one in schema["properties"].items()}
    return schema.get("type", "anything")
