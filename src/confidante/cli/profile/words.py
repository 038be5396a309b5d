"""How a person's device speaks on a terminal: lists and their reasons, as lines and as JSON values."""

from collections.abc import Mapping
from typing import Any

from confidante.cli.terminal import say
from confidante.core.values import Item
from confidante.device.values import Answer, Reason, ReasonKind, Suggestion


def item_fields(item: Item) -> dict[str, Any]:
    """Return an item as JSON values."""
    return {"id": item.id, "title": item.title, "labels": list(item.labels)}


def suggestion_fields(suggestion: Suggestion) -> dict[str, Any]:
    """Return a suggestion with its reasons as JSON values."""
    return {
        **item_fields(suggestion.item),
        "score": suggestion.score,
        "reasons": suggestion.reasons,
    }


def answer_fields(answer: Answer) -> dict[str, Any]:
    """Return a list as JSON values."""
    return {
        "suggestions": [suggestion_fields(suggestion) for suggestion in answer.suggestions],
        "personal": answer.personal,
        "note": answer.note,
    }


def because(suggestion: Suggestion) -> str:
    """Return the heaviest reasons as one line, and with them whatever a server made of it."""
    whole = sum(abs(reason.points) for reason in suggestion.reasons) or 1.0
    said = {
        ReasonKind.EVENT: "you had {}",
        ReasonKind.EVENTS: "{} of yours",
        ReasonKind.REQUEST: "you asked for less like {}",
        ReasonKind.TASTE: "your taste edit of {}",
        ReasonKind.POPULARITY: "popular with everyone",
        ReasonKind.REFINEMENT: "{}",
        ReasonKind.RULE: "{}",
    }
    servers = (ReasonKind.REFINEMENT, ReasonKind.RULE)
    shown = [one for place, one in enumerate(suggestion.reasons) if place < 3 or one.kind in servers]
    return "; ".join(f"{_said(said, reason)} {reason.points / whole:+.0%}" for reason in shown)


def _said(words: Mapping[ReasonKind, str], reason: Reason) -> str:
    """Return a reason in words; popularity in a group names the group."""
    if reason.kind is ReasonKind.POPULARITY and reason.subject:
        return f"popular with {reason.subject}"
    return words[reason.kind].format(reason.subject)


def say_list(answer: Answer) -> None:
    """Print a list, each item with its heaviest reasons."""
    for place, suggestion in enumerate(answer.suggestions, start=1):
        say(f"{place:3}. {suggestion.item.title}  [{suggestion.item.id}]")
        say(f"     {because(suggestion)}")
    if answer.note:
        say(answer.note)


def say_refined(refined: Answer) -> None:
    """Print a list that was to be refined, or why it was not."""
    reason = None if refined.refinement is None else refined.refinement.reason
    if refined.refinement is not None and reason is not None:
        say(f"Not refined ({reason.value}): {refined.refinement.said}")
        return
    say("Refined by what the server knows:")
    say_list(refined)


def refined_fields(local: Answer, refined: Answer) -> dict[str, Any]:
    """Return what became of a list that was to be refined."""
    handle = refined.refinement
    reason = None if handle is None else handle.reason
    return {
        "refined": reason is None,
        "reason": None if reason is None else reason.value,
        "said": "" if handle is None else handle.said,
        "local": answer_fields(local),
    }
