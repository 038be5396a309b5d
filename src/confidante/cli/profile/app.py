"""`confidante open` and `confidante profile ...`: one person's device on the command line."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from confidante.cli.options import AsJson, Limit
from confidante.cli.profile.options import Folder, PassphraseFile, Yes, profile
from confidante.cli.profile.words import (
    answer_fields,
    refined_fields,
    say_list,
    say_refined,
    suggestion_fields,
)
from confidante.cli.terminal import examples, iso_time, print_json, read_file, say, time_words
from confidante.core.errors import ConfidanteError, DataError
from confidante.device.values import Purpose
from confidante.packs.signals import EventKind, Signal, ValueOf

OPEN_EXAMPLES = examples(
    "confidante open",
    "confidante open --profile out/demo/profile",
    "confidante open -p out/demo/profile --no-browser --port 8088 --api",
    "confidante open -p out/demo/profile --port 8087 --api --gorse-config config.toml",
)


def open_page_command(
    *,
    folder: Folder = None,
    port: Annotated[int, typer.Option(help="Port on this machine; 0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open it in the browser, too.")] = True,
    api: Annotated[
        bool,
        typer.Option("--api", help="Make and print a key for the local API; an earlier one ends."),
    ] = False,
    user: Annotated[str, typer.Option(help="Name by which apps may ask for you, beside `me`.")] = "me",
    gorse: Annotated[
        bool,
        typer.Option("--gorse", help="Answer clients of Gorse, too. Needs the extra `confidante\\[gorse]`."),
    ] = False,
    gorse_config: Annotated[
        Path | None,
        typer.Option(help="Gorse's config.toml, which says what types of feedback mean; implies --gorse."),
    ] = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Open the person's page: what is suggested and why, what is known, what left, every switch.

    It runs on this machine only, until Ctrl-C. Nothing on it asks any other machine for anything.
    """
    from confidante.cli.profile.opening import open_profile
    from confidante.device.web.server import open_page

    config = None
    if gorse or gorse_config is not None:
        from confidante.device.web.gorse import GorseConfig

        config = GorseConfig() if gorse_config is None else GorseConfig.read_file(gorse_config)
    with open_profile(folder, passphrase_file) as device:
        open_page(device, port=port, browser=browser, new_key=api, user=user, gorse=config)


@profile.command(
    "new",
    epilog=examples(
        "confidante profile new",
        "CONFIDANTE_PASSPHRASE='correct horse' confidante profile new -p ~/my-profile --items items.csv",
    ),
)
def new(
    *,
    folder: Folder = None,
    items: Annotated[
        Path | None, typer.Option(help="CSV `item,title,labels`, labels separated by `|`.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="A published model to install.")] = None,
    unprotected: Annotated[
        bool,
        typer.Option("--unprotected", help="Leave the key beside the data: for data that needs no guard."),
    ] = False,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Make an empty profile. Its key goes to the system's key ring, or is sealed by a passphrase you give."""
    from confidante.cli.profile.opening import new_profile
    from confidante.device.importing import read_items

    wanted = None if items is None else read_items(items)
    published = None if model is None else read_file(model)
    with new_profile(folder, passphrase_file, unprotected=unprotected) as device:
        try:
            if published is not None:
                device.federation.install_model(published)
            if wanted is not None:
                device.items.add(wanted)
        except ConfidanteError:
            device.erase()  # nothing is in it, and it would stand in the way of the next try
            raise
        made = {
            "profile": str(device.folder), "items": device.items.count, "protection": device.protection,
        }  # fmt: skip
    if as_json:
        print_json(made)
    else:
        say(f"made a profile with {made['items']:,} items, guarded by: {made['protection']}")


@profile.command(
    "import",
    epilog=examples(
        "confidante import NetflixViewingHistory.csv --dry-run",
        "confidante import my_spotify_data.zip --add-missing",
        "confidante import netflix-report.zip --person Mum",
    ),
)
def import_(
    file: Annotated[Path, typer.Argument(help="What another service gave you, or an export of a profile.")],
    *,
    folder: Folder = None,
    format: Annotated[str | None, typer.Option(help="Format of the file; detected when left out.")] = None,  # noqa: A002
    person: Annotated[
        str | None, typer.Option(help="Whose rows to read, in a file of several people or profiles.")
    ] = None,
    date_order: Annotated[
        str | None,
        typer.Option(
            metavar="day/month|month/day|year/month",
            help="What dates like 3/4/21 are, where the file does not show it.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    add_missing: Annotated[
        bool | None,
        typer.Option(
            "--add-missing/--no-add-missing",
            help="Add items for titles that the library lacks. Default when the library is empty.",
        ),
    ] = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Import a history from another service, and report what matched, what did not and why."""
    from confidante.cli.profile.opening import open_profile
    from confidante.cli.progress import Bars

    with open_profile(folder, passphrase_file) as device, Bars() as bars:
        report = device.import_history(
            file,
            format,
            person=person,
            date_order=date_order,
            dry_run=dry_run,
            add_missing=add_missing,
            progress=bars,
        )
    if as_json:
        print_json(report)
    else:
        for line in report.lines():
            say(line)


@profile.command(
    epilog=examples(
        "confidante recommend -n 5 --profile out/demo/profile",
        "confidante recommend --label Comedy --diversity 0.3 --json",
        "confidante recommend --refine",
    )
)
def recommend(
    *,
    folder: Folder = None,
    n: Annotated[int, typer.Option("-n", help="How many.")] = 10,
    label: Annotated[
        list[str] | None, typer.Option(help="Only items with this label; may be repeated.")
    ] = None,
    diversity: Annotated[
        float, typer.Option(help="0: best scores; 1: as unlike each other as possible.")
    ] = 0.0,
    repeats: Annotated[bool, typer.Option("--repeats", help="What you had may come again.")] = False,
    refine: Annotated[
        bool,
        typer.Option("--refine", help="Then have the list refined, too: see `confidante profile refine`."),
    ] = False,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Recommend items, with reasons."""
    from confidante.cli.profile.opening import open_profile

    with open_profile(folder, passphrase_file) as device:
        answer = device.recommend(n, labels=label or (), diversity=diversity, repeats=repeats, refine=refine)
        if not as_json:
            say_list(answer)
        if refine:
            refined = answer.refined()
            if as_json:
                print_json({**answer_fields(refined), **refined_fields(answer, refined)})
            else:
                say_refined(refined)
        elif as_json:
            print_json(answer_fields(answer))


@profile.command(epilog=examples("confidante why 50 --profile out/demo/profile"))
def why(
    item: Annotated[str, typer.Argument(help="Id of an item, or its title.")],
    *,
    folder: Folder = None,
    n: Annotated[int, typer.Option("-n", help="Length of the list that the counterfactual is about.")] = 5,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Explain the score of an item: every part of it, and which events its place depends on."""
    from confidante.cli.profile.naming import item_named
    from confidante.cli.profile.opening import open_profile

    with open_profile(folder, passphrase_file) as device:
        found = device.explain(item_named(device, item).id, n=n)
    if as_json:
        print_json(
            {
                **suggestion_fields(found.suggestion),
                "rank": found.rank,
                "note": found.note,
                "without": list(found.counterfactual.events),
                "smallest": found.counterfactual.smallest,
                "sentence": found.counterfactual.sentence,
            }
        )
        return
    place = f"number {found.rank} for you" if found.rank else found.note
    say(f"{found.suggestion.item.title}: {place}")
    for reason in found.suggestion.reasons:
        said = f" ({reason.said})" if reason.said else ""
        say(f"  {reason.points:+9.4f}  {reason.kind.value}  {reason.subject}{said}".rstrip())
    say(f"  {found.suggestion.score:+9.4f}  score")
    say(found.counterfactual.sentence)


@profile.command(
    epilog=examples(
        "confidante record 50 --kind like",
        "confidante record 50 --kind seen --profile out/demo/profile",
        "confidante record 50 --kind rating --value 4.5",
    )
)
def record(
    item: Annotated[str, typer.Argument(help="Id of an item, or its title.")],
    *,
    folder: Folder = None,
    kind: Annotated[
        str,
        typer.Option(
            help="What it says: like, dislike, skip, seen (had, not liked), rating, view and others."
        ),
    ] = "view",
    value: Annotated[float | None, typer.Option(help="A rating, minutes, a price.")] = None,
    at: Annotated[datetime | None, typer.Option(help="When (UTC); now when left out.")] = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Remember something that you did. `confidante forget --event` takes it back."""
    from confidante.cli.profile.naming import item_named
    from confidante.cli.profile.opening import open_profile

    with open_profile(folder, passphrase_file) as device:
        event = device.record(item_named(device, item).id, kind, at=_seconds(at), value=value)
    number = None if event is None else event.number
    if as_json:
        print_json({"event": number})
    elif number is None:
        say("nothing was kept: learning is paused or switched off, or the kind means private")
    else:
        say(f"remembered as event {number}")


@profile.command(
    epilog=examples(
        "confidante profile declare binge --says for",
        "confidante profile declare rage-quit --says against --strength 2",
        "confidante profile declare score --says for --rating",
    )
)
def declare(
    kind: Annotated[str, typer.Argument(help="A kind of event, as your app or file spells it.")],
    *,
    says: Annotated[
        Signal, typer.Option(help="What such an event says of its item; seen: it was had, no more.")
    ],
    folder: Folder = None,
    strength: Annotated[float, typer.Option(help="How much one says, beside 1 of a view.")] = 1.0,
    rating: Annotated[
        bool, typer.Option("--rating", help="Its value is a rating; otherwise it is an amount.")
    ] = False,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Say once what a kind of event means that is not known. Events that are there count by it, too."""
    from confidante.cli.profile.opening import open_profile

    meant = EventKind(says, strength, value=ValueOf.RATING if rating else ValueOf.AMOUNT)
    with open_profile(folder, passphrase_file) as device:
        device.history.declare(kind, meant)
    if as_json:
        print_json({"kind": kind, "says": says.value, "strength": strength, "rating": rating})
    else:
        say(f"{kind}: {says.value}")


@profile.command(
    epilog=examples(
        "confidante forget --item 50",
        "confidante forget --since 2026-01-01 --until 2026-02-01",
        "confidante forget --everything --yes",
    )
)
def forget(
    *,
    folder: Folder = None,
    event: Annotated[int | None, typer.Option(help="Number of an event.")] = None,
    item: Annotated[str | None, typer.Option(help="All events of an item, by its id or title.")] = None,
    since: Annotated[datetime | None, typer.Option(help="From this day on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(help="Up to this day (UTC).")] = None,
    everything: Annotated[bool, typer.Option("--everything", help="The whole history.")] = False,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Forget events, at once and for good: their keys are destroyed first, then the data."""
    from confidante.cli.profile.naming import item_named
    from confidante.cli.profile.opening import open_profile

    named = (event is not None, item is not None, since is not None or until is not None, everything)
    if sum(named) != 1:
        raise DataError("say what to forget: one of --event, --item, --since with --until, or --everything")
    with open_profile(folder, passphrase_file) as device:
        if everything and not yes:
            typer.confirm(f"Forget all {device.history.count} events?", abort=True, err=True)
        forgotten = device.forget(
            event=event,
            item=None if item is None else item_named(device, item).id,
            since=_seconds(since),
            until=_seconds(until),
            everything=everything,
        )
    if as_json:
        print_json({"forgotten": forgotten.events, "seen": forgotten.seen})
    else:
        again = f"; {forgotten.seen:,} items may be suggested again" if forgotten.seen else ""
        say(f"forgot {forgotten.events} events{again}")


@profile.command(epilog=examples("confidante history --search alien --json"))
def history(
    *,
    folder: Folder = None,
    search: Annotated[str, typer.Option(help="Part of a title.")] = "",
    limit: Limit = 50,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """List what is remembered."""
    from confidante.cli.profile.opening import open_profile

    with open_profile(folder, passphrase_file) as device:
        events = [
            (event, device.items.get(event.item))
            for event in device.history.events(search=search, limit=limit)
        ]
    if as_json:
        print_json(
            {
                "events": [
                    {
                        "event": event.number,
                        "item": event.item,
                        "title": item.title,
                        "kind": event.kind,
                        "at": iso_time(event.at),
                        "value": event.value,
                        "context": dict(event.context),
                    }
                    for event, item in events
                ]
            }
        )
        return
    for event, item in events:
        say(f"{event.number:6}  {time_words(event.at)}  {event.kind:10}  {item.title}  [{event.item}]")


@profile.command(epilog=examples("confidante left --json"))
def left(
    *,
    folder: Folder = None,
    limit: Limit = 50,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """List what left this device: when, to whom, how many bytes, and what it cost of the privacy budget."""
    from confidante.cli.profile.opening import open_profile

    with open_profile(folder, passphrase_file) as device:
        gone, budget = device.ledger.departures(limit=limit), device.ledger.budget()
        alarms = device.federation.alarms()
    if as_json:
        print_json(
            {
                "alarms": [
                    {
                        "number": alarm.number,
                        "at": iso_time(alarm.at),
                        "coordinator": alarm.coordinator,
                        "kind": alarm.kind.value,
                        "what": alarm.what,
                        "evidence": dict(alarm.evidence),
                    }
                    for alarm in alarms
                ],
                "departures": [
                    {
                        "number": departure.number,
                        "at": iso_time(departure.at),
                        "purpose": departure.purpose.value,
                        "task": departure.task,
                        "destination": departure.destination,
                        "bytes": departure.size,
                        "sha256": departure.digest.hex(),
                        "content": departure.content,
                        "visible": departure.visible,
                        "epsilon": departure.epsilon,
                        "state": departure.state.value,
                        "receipt": dict(departure.receipt),
                    }
                    for departure in gone
                ],
                "epsilon_spent": budget.epsilon_spent,
                "epsilon_limit": budget.epsilon_limit,
                "delta": budget.delta,
            }
        )
        return
    for alarm in alarms:
        say(f"ALARM {alarm.number}  {time_words(alarm.at)}  {alarm.coordinator}: {alarm.what}")
        say(f"      Nothing is sent there any more, until `confidante profile dismiss {alarm.number}`.")
    if not gone:
        say("Nothing has ever left this device.")
    for departure in gone:
        say(
            f"{departure.number:5}  {time_words(departure.at)}  {departure.task}  {departure.size:,} bytes "
            f"to {departure.destination} ({departure.state.value})"
        )
    say(f"privacy budget: epsilon {budget.epsilon_spent:g} of {budget.epsilon_limit:g} spent")


@profile.command(epilog=examples("confidante profile dismiss 1"))
def dismiss(
    alarm: Annotated[int, typer.Argument(help="Number of the alarm, as `left` lists it.")],
    *,
    folder: Folder = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Use a coordinator again, although it raised an alarm."""
    from confidante.cli.profile.opening import open_profile

    with open_profile(folder, passphrase_file) as device:
        device.federation.dismiss_alarm(alarm)
    if as_json:
        print_json({"dismissed": alarm})
    else:
        say(f"Alarm {alarm} is dismissed. That coordinator is dealt with again.")


@profile.command(epilog=examples("confidante profile restored", "confidante profile restored --json"))
def restored(
    *,
    folder: Folder = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Say that you know that an older copy of the profile was put back, such as a backup of yours."""
    from confidante.cli.profile.opening import open_profile

    with open_profile(folder, passphrase_file) as device:
        found = device.rollback
        device.accept_rollback()
    if as_json:
        told = None if found is None else {**asdict(found), "at": iso_time(found.at), "says": found.sentence}
        print_json({"found": told})
    elif found is None:
        say("No older copy was found in the profile's place.")
    else:
        say("Noted. What had been given away stays charged to the privacy budget.")


@profile.command(epilog=examples("confidante switch", "confidante switch train on"))
def switch(
    purpose: Annotated[Purpose | None, typer.Argument(help="Which; all are shown when left out.")] = None,
    to: Annotated[str | None, typer.Argument(metavar="[on|off]")] = None,
    *,
    folder: Folder = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the switches, or turn one. Whatever sends is off until you switch it on."""
    from confidante.cli.profile.opening import open_profile

    if to not in (None, "on", "off") or (purpose is None) != (to is None):
        raise DataError("to turn a switch, name it and then on or off, like: switch train on")
    with open_profile(folder, passphrase_file) as device:
        if purpose is not None:
            device.consents.switch(purpose, to == "on", how="person")
        state = device.consents.state()
    if as_json:
        print_json({one.value: on for one, on in state.items()})
        return
    for one, on in state.items():
        say(f"{one.value:8} {'on' if on else 'off':4} {'sends something' if one.sends else 'sends nothing'}")


@profile.command(epilog=examples("confidante export me.jsonl"))
def export(
    out: Annotated[Path, typer.Argument(help="File to write, JSON lines; replaced when it exists.")],
    *,
    folder: Folder = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Write everything known about you to one readable file, not encrypted."""
    from confidante.cli.profile.opening import open_profile

    with open_profile(folder, passphrase_file) as device:
        lines = device.export(out)
    if as_json:
        print_json({"lines": lines, "file": str(out)})
    else:
        say(f"wrote {lines:,} lines to {out}; the file is not encrypted")


@profile.command(epilog=examples("confidante profile erase --profile old-profile --yes"))
def erase(
    *,
    folder: Folder = None,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Destroy the profile: its keys first, then its data. Nothing can be taken back."""
    from confidante.cli.profile.opening import open_profile

    with open_profile(folder, passphrase_file) as device:
        if not yes:
            typer.confirm("Erase the whole profile? Nothing can be taken back.", abort=True, err=True)
        device.erase()
    if as_json:
        print_json({"erased": str(device.folder)})
    else:
        say("erased")


def _seconds(day: datetime | None) -> float | None:
    return None if day is None else day.replace(tzinfo=UTC).timestamp()
