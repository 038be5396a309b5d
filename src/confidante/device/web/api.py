"""Our own endpoints, for what Gorse has no word for: reasons, forgetting, tastes, switches, the ledger."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from confidante.core.errors import VaultError
from confidante.core.values import Event
from confidante.device.privacy.consent import APP
from confidante.device.values import Answer, Explanation, Forgotten, Retention, SeenItem, Taste
from confidante.device.web.api_refinement import refining_routes
from confidante.device.web.api_shapes import (
    AnswerShape,
    Consent,
    ExplanationShape,
    Forget,
    ItemIds,
    LedgerShape,
    Pause,
    Record,
    Recorded,
    RetentionShape,
    SeenCount,
    State,
    Switch,
    TasteEdit,
    Undo,
    Undone,
    Unmark,
    WhatIf,
)
from confidante.device.web.api_welcome import welcome_routes
from confidante.device.web.private_folders import private_folder
from confidante.device.web.shapes import ERRORS, KEYED, Count, Name, known

if TYPE_CHECKING:
    from confidante.device.device import Device

_CHUNK = 1 << 16


def api_routes(device: "Device") -> list[APIRouter]:
    """Return our endpoints for this device."""
    return [
        _answer_routes(device),
        refining_routes(device),
        welcome_routes(device),
        _history_routes(device),
        _control_routes(device),
    ]


def _answer_routes(device: "Device") -> APIRouter:
    router = _router("answers with reasons")

    @router.get("/recommend", response_model=AnswerShape)
    def recommend(
        n: Count = 10,
        label: Annotated[list[Name], Query(max_length=100, description="only items with one of these")] = [],  # noqa: B006
        diversity: Annotated[float, Query(ge=0, le=1, description="0: best scores, 1: least alike")] = 0.0,
    ) -> Answer:
        """Return the best items for the person, each with its exact reasons."""
        return device.recommend(n, labels=label, diversity=diversity)

    @router.get("/explain/{item_id:path}", response_model=ExplanationShape)
    def explain(item_id: Name, n: Count = 5) -> Explanation:
        """Return why an item scores what it scores, and the fewest events that keep it in the top n."""
        known(device, item_id)
        return device.explain(item_id, n=n)

    @router.post("/what-if", response_model=AnswerShape)
    def what_if(question: WhatIf) -> Answer:
        """Return the list as if these events had never happened. Nothing is changed."""
        return device.recommender.what_if(without=question.without, n=question.n)

    @router.get("/tastes")
    def tastes() -> tuple[Taste, ...]:
        """Return the labels that the recent history is made of, and every one that was set by hand."""
        return device.taste.list()

    @router.put("/tastes")
    def edit_taste(edit: TasteEdit) -> Taste:
        """Raise, lower, remove a taste, or leave it untouched."""
        return device.taste.edit(edit.label, level=edit.level, removed=edit.removed)

    return router


def _history_routes(device: "Device") -> APIRouter:
    router = _router("history")

    @router.post("/record", response_model=Recorded)
    def record(what: Record) -> dict[str, Event | None]:
        """Remember what the person did: kind `like`, `dislike`, `skip`, `seen` (no liking), `rating`..."""
        known(device, what.item)
        event = device.record(what.item, what.kind, at=what.at, value=what.value, context=what.context)
        return {"event": event}

    @router.post("/forget")
    def forget(what: Forget) -> Forgotten:
        """Forget. It counts for nothing from now on, and is erased when the time to undo has passed."""
        if what.item is not None:
            known(device, what.item)
        return device.forget(
            event=what.event,
            item=what.item,
            since=what.since,
            until=what.until,
            everything=what.everything,
            undo_seconds=what.undo_seconds,
        )

    @router.post("/undo")
    def undo(undo: Undo) -> Undone:
        """Take a forgetting back, while there is time."""
        return Undone(events=device.undo(undo.undo))

    @router.get("/seen")
    def seen(
        limit: Count = 50,
        after: Annotated[
            str, Query(max_length=512, description="id of the last one of the page before")
        ] = "",
        search: Annotated[str, Query(max_length=200, description="part of a title")] = "",
    ) -> tuple[SeenItem, ...]:
        """Return what the person had, newest first, whatever is still remembered. It is not suggested."""
        if after:
            known(device, after)
        return device.history.seen.list(limit, search=search, after=after)

    @router.post("/seen")
    def mark(what: ItemIds) -> SeenCount:
        """Keep items out of suggestions because the person had them. No event is made of it."""
        for item in what.items:
            known(device, item)
        device.history.seen.mark(what.items)
        return SeenCount(seen=device.history.seen.count)

    @router.post("/seen/unmark")
    def unmark(what: Unmark) -> Forgotten:
        """Have items be suggested again. What is remembered of them stays."""
        for item in what.items:
            known(device, item)
        return device.history.seen.unmark(what.items, undo_seconds=what.undo_seconds)

    @router.get("/retention", response_model=RetentionShape)
    def get_retention() -> Retention:
        """Return how long events are kept."""
        return device.settings.retention

    @router.put("/retention", response_model=RetentionShape)
    def put_retention(kept: RetentionShape) -> Retention:
        """Keep events so long from now on. What falls out is erased at once."""
        device.settings.retention = Retention(kept.events, kept.days, kept.keep_seen)
        return device.settings.retention

    @router.get(
        "/export",
        response_class=StreamingResponse,
        responses={
            200: {
                "content": {"application/jsonl": {"schema": {"type": "string"}}},
                "description": "JSON lines",
            }
        },
    )
    def export() -> StreamingResponse:
        """Return everything known of the person as JSON lines. What is returned is not encrypted."""
        with private_folder(device.folder) as folder:
            path = folder / "confidante.jsonl"
            device.export(path)
            data = path.read_bytes()

        def chunks() -> Iterator[bytes]:
            for start in range(0, len(data), _CHUNK):
                yield data[start : start + _CHUNK]

        return StreamingResponse(chunks(), media_type="application/jsonl")

    return router


def _control_routes(device: "Device") -> APIRouter:
    router = _router("control")

    def state() -> State:
        until = device.settings.paused_until
        return State(
            items=device.items.count,
            events=device.history.count,
            seen=device.history.seen.count,
            has_model=device.federation.has_model,
            protection=device.protection,
            no_profiling=device.settings.no_profiling,
            paused=until is not None,
            paused_until=None if until is None or math.isinf(until) else until,
        )

    def consent() -> Consent:
        switches = [Switch(purpose=purpose, on=on) for purpose, on in device.consents.state().items()]
        return Consent(switches=switches, gpc=device.consents.gpc)

    @router.get("/health")
    def health() -> State:
        """Return how the device is."""
        return state()

    @router.get("/consent")
    def get_consent() -> Consent:
        """Return every switch."""
        return consent()

    @router.put("/consent")
    def put_consent(switch: Switch) -> Consent:
        """Turn a switch, in the app's name. What sends needs the person once the browser said Sec-GPC."""
        device.consents.switch(switch.purpose, switch.on, how=APP, explicit=False)
        return consent()

    @router.get("/ledger", response_model=LedgerShape)
    def ledger(
        limit: Count = 50,
        before: Annotated[
            int | None, Query(ge=0, lt=1 << 62, description="number of the last one seen")
        ] = None,
    ) -> dict[str, Any]:
        """Return what left this device, and the budget."""
        try:
            device.ledger.verify()
        except VaultError:
            intact = False
        else:
            intact = True
        departures, budget = device.ledger.departures(limit, before), device.ledger.budget()
        return {"departures": departures, "budget": budget, "intact": intact}

    @router.get("/pause")
    def get_pause() -> State:
        """Return whether learning is paused."""
        return state()

    @router.put("/pause")
    def put_pause(pause: Pause) -> State:
        """Pause learning, or go on."""
        if pause.paused:
            device.settings.pause(pause.seconds)
        else:
            device.settings.resume()
        return state()

    return router


def _router(tag: str) -> APIRouter:
    return APIRouter(prefix="/api/v1", tags=[tag], responses=ERRORS, dependencies=KEYED)
