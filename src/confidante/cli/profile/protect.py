"""`confidante profile protect`: another passphrase, a first one, the key ring, or none."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from confidante.cli.options import AsJson
from confidante.cli.profile.options import Folder, PassphraseFile, profile
from confidante.cli.terminal import examples, print_json, say
from confidante.core.errors import DataError

LOST = "A passphrase that is lost cannot be restored by anyone, and with it all that is in the profile."


@profile.command(
    "protect",
    epilog=examples(
        "confidante profile protect",
        "confidante profile protect --new-passphrase-file new.txt --yes",
        "confidante profile protect --keyring",
    ),
)
def protect_command(
    *,
    keyring: Annotated[
        bool, typer.Option("--keyring", help="Keep the key in the system's key ring.")
    ] = False,
    unprotected: Annotated[
        bool, typer.Option("--unprotected", help="Leave the key beside the data: whoever has it can read it.")
    ] = False,
    new_passphrase_file: Annotated[
        Path | None, typer.Option(help="File whose first line is the new passphrase; else you are asked.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you mean it.")] = False,
    folder: Folder = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Change what opens the profile: another passphrase, a first one, the key ring, or nothing.

    The earlier key is destroyed: it opens nothing but the backups that were made under it.
    """
    from confidante.cli.profile.opening import new_passphrase, open_profile
    from confidante.device.storage.keys import InsecurePlaintextKey, Keyring, KeySource, Passphrase

    if keyring + unprotected + (new_passphrase_file is not None) > 1:
        raise DataError("choose one of --new-passphrase-file, --keyring and --unprotected")
    with open_profile(folder, passphrase_file) as device:
        key: KeySource
        if keyring:
            key = Keyring()
        elif unprotected:
            _mean_it(
                "Then whoever can read the folder can read everything. Take the protection off?", yes=yes
            )
            key = InsecurePlaintextKey()
        else:
            key = Passphrase(new_passphrase(new_passphrase_file))
            _mean_it(f"{LOST} Change it?", yes=yes)
        device.change_key(key)
        protection = device.protection
    if as_json:
        print_json({"protection": protection})
    else:
        say(f"guarded by: {protection}")


def _mean_it(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise DataError(f"{question} Nobody can be asked here: give --yes if you mean it")
    typer.confirm(question, abort=True, err=True)
