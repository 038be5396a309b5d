"""`confidante profile seen | retention`: what a person had, and how long what they did is kept."""

from dataclasses import replace
from typing import Annotated

import typer

from confidante.cli.options import AsJson, Limit
from confidante.cli.profile.options import Folder, PassphraseFile, Yes, profile
from confidante.cli.terminal import examples, iso_time, print_json, say, time_words


@profile.command(
    "seen",
    epilog=examples(
        "confidante profile seen --search alien",
        "confidante profile seen --mark 'Alien (1979)' --mark 50",
        "confidante profile seen --unmark 50",
    ),
)
def seen_command(
    *,
    folder: Folder = None,
    search: Annotated[str, typer.Option(help="Part of a title.")] = "",
    limit: Limit = 50,
    mark: Annotated[
        list[str] | None, typer.Option(help="Id or title of an item that you had; may be repeated.")
    ] = None,
    unmark: Annotated[
        list[str] | None,
        typer.Option(help="Id or title of an item that may be suggested again; may be repeated."),
    ] = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """List what you had, newest first. It is not suggested, however long ago it was.

    That you had something stays known when it is too old to be remembered (`confidante profile retention`),
    until you forget it. `--unmark` leaves what is remembered of an item, and only has it suggested again.
    """
    from confidante.cli.profile.naming import item_named
    from confidante.cli.profile.opening import open_profile

    with open_profile(folder, passphrase_file) as device:
        marked = device.history.seen.mark([item_named(device, one).id for one in mark or ()])
        unmarked = device.history.seen.unmark([item_named(device, one).id for one in unmark or ()]).seen
        count = device.history.seen.count
        listed = () if mark or unmark else device.history.seen.list(limit, search=search)
    if as_json:
        rows = [{"item": one.item.id, "title": one.item.title, "at": iso_time(one.at)} for one in listed]
        print_json({"count": count, "marked": marked, "unmarked": unmarked, "seen": rows})
        return
    if mark or unmark:
        say(f"{marked:,} marked, {unmarked:,} unmarked")
    say(f"{count:,} items you have had")
    for one in listed:
        say(f"{time_words(one.at)}  {one.item.title}  [{one.item.id}]")


@profile.command(
    "retention",
    epilog=examples(
        "confidante profile retention",
        "confidante profile retention --events 2000 --days 365",
        "confidante profile retention --no-keep-seen --yes",
    ),
)
def retention_command(
    *,
    folder: Folder = None,
    events: Annotated[int | None, typer.Option(help="Keep so many of the newest events.")] = None,
    days: Annotated[float | None, typer.Option(help="Keep none older than so many days; 0: any age.")] = None,
    keep_seen: Annotated[
        bool | None,
        typer.Option(
            "--keep-seen/--no-keep-seen",
            help="Whether that you had something stays known when its events are too old.",
        ),
    ] = None,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Show or set how long what you did is kept. What falls out is erased at once."""
    from confidante.cli.profile.opening import open_profile

    with open_profile(folder, passphrase_file) as device:
        before = kept = device.settings.retention
        if events is not None:
            kept = replace(kept, events=events)
        if days is not None:
            kept = replace(kept, days=days or None)
        if keep_seen is not None:
            kept = replace(kept, keep_seen=keep_seen)
        if kept != before:
            gone = device.settings.beyond(kept)
            if (gone.events or gone.seen) and not yes:
                had = f"{gone.seen:,} item{'' if gone.seen == 1 else 's'}"
                again = f", and have {had} suggested again" if gone.seen else ""
                lost = f"{gone.events:,} event{'' if gone.events == 1 else 's'}"
                typer.confirm(f"Erase {lost} at once{again}?", abort=True, err=True)
            device.settings.retention = kept
    if as_json:
        print_json(kept)
        return
    age = "of any age" if kept.days is None else f"none older than {kept.days:g} days"
    say(f"the newest {kept.events:,} events are kept, {age}")
    say(f"that you had something {'stays known' if kept.keep_seen else 'is forgotten with its last event'}")
