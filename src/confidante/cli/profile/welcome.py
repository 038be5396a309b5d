"""`confidante profile welcome` and `profile attributes`: what a new person says of themselves."""

import sys
from typing import Annotated

import typer

from confidante.cli.options import AsJson
from confidante.cli.profile.options import Folder, PassphraseFile, profile
from confidante.cli.profile.words import item_fields
from confidante.cli.terminal import examples, print_json, say
from confidante.core.errors import DataError


@profile.command(
    "welcome",
    epilog=examples(
        "confidante profile welcome",
        "confidante profile welcome -p out/demo/profile --slate 12 --page 2",
        "confidante profile welcome -p out/demo/profile --pick 50 --pick 'Star Wars' --json",
    ),
)
def welcome_command(
    *,
    folder: Folder = None,
    slate: Annotated[int, typer.Option(min=1, max=100, help="How many titles to choose from.")] = 30,
    page: Annotated[int, typer.Option(min=1, help="1: the first titles, 2: others, and so on.")] = 1,
    pick: Annotated[
        list[str] | None,
        typer.Option(help="Id or title of an item that you love; may be repeated. Nothing is asked."),
    ] = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Pick about three titles that you love: your list starts from them.

    The titles are popular ones of all kinds, the same for everybody who has this library. In a terminal you
    are asked; otherwise, and with --json, they are only listed. What you pick stays on this device;
    `confidante profile forget` takes it back.
    """
    from confidante.cli.profile.choosing import Choice, named, typed
    from confidante.cli.profile.naming import item_named
    from confidante.cli.profile.opening import open_profile

    with open_profile(folder, passphrase_file) as device:
        before: list[str] = []
        for _ in range(page - 1):
            before += [item.id for item in device.onboarding.slate(slate, after=before)]
        shown_items = device.onboarding.slate(slate, after=before)
        chosen = tuple(item_named(device, said).id for said in pick or ())
        if not chosen and not as_json and sys.stdin.isatty():
            chosen = Choice(device, shown_items, slate, before).ask(typed)
        elif not chosen and not as_json:
            for item in shown_items:
                say(f"{named(item)}  [{item.id}]")
        events = device.onboarding.pick(chosen)
        titles = [device.items.get(item_id).title for item_id in dict.fromkeys(chosen)]
    if as_json:
        print_json(
            {
                "slate": [item_fields(item) for item in shown_items],
                "picked": list(dict.fromkeys(chosen)) if events else [],
                "events": list(events),
            }
        )
    elif events:
        say(f"noted on this device that you love {', '.join(titles)}")
        say("see what follows from it: confidante profile recommend")
    elif chosen:
        say("learning is off or paused: nothing was noted")
    else:
        say("nothing was picked: confidante profile welcome --pick ID picks without asking")


@profile.command(
    "attributes",
    epilog=examples(
        "confidante profile attributes",
        "confidante profile attributes age=25-34 region=north",
        "confidante profile attributes --remove age",
    ),
)
def attributes_command(
    stated: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="What to state; listed when left out."),
    ] = None,
    *,
    remove: Annotated[list[str] | None, typer.Option(help="Name of what to state no more.")] = None,
    folder: Folder = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """State something coarse about yourself, such as an age group, or see and remove what you stated.

    It stays on this device and chooses here whose popularity your list starts from. It is never sent.
    """
    from confidante.cli.profile.opening import open_profile

    new = dict(_pair(text) for text in stated or ())
    with open_profile(folder, passphrase_file) as device:
        now = dict(device.settings.attributes)
        for name in remove or ():
            if now.pop(name, None) is None:
                raise DataError(f"there is no statement called {name!r} to remove")
        if new or remove:
            device.settings.attributes = now | new
        now = dict(device.settings.attributes)
    if as_json:
        print_json({"attributes": now})
        return
    for name, value in sorted(now.items()):
        say(f"{name} = {value}")
    if not now:
        say("nothing is stated")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise DataError(f"{text[:40]!r} is not a statement: write it as NAME=VALUE, like age=25-34")
    return name.strip(), value.strip()
