"""Where a profile is, and how its key is given on a command line."""

import os
import sys
from pathlib import Path

from platformdirs import user_data_path

from confidante.core.errors import DataError, VaultError
from confidante.device.device import Device
from confidante.device.storage import files, keyfile
from confidante.device.storage.keys import InsecurePlaintextKey, Keyring, KeySource, Passphrase

PASSPHRASE = "CONFIDANTE_PASSPHRASE"  # noqa: S105  # the name of a variable, not a secret


def default_profile() -> Path:
    """Return the folder of the profile that is meant when none is named."""
    return user_data_path("confidante", appauthor=False)


def open_profile(folder: Path | None, passphrase_file: Path | None) -> Device:
    """Open a profile. Its passphrase comes from a file, CONFIDANTE_PASSPHRASE or a prompt."""
    where = default_profile() if folder is None else folder
    protection = _protection(where)
    if protection is None:
        raise VaultError(f"{where}: there is no profile here: make one with `confidante profile new`")
    source: KeySource
    match protection:
        case "passphrase":
            source = Passphrase(_passphrase(passphrase_file, new=False))
        case "keyring":
            source = Keyring()
        case _:
            source = InsecurePlaintextKey()
    device = Device(where, source, create=False)
    if device.rollback is not None:
        sys.stderr.write(f"{device.rollback.sentence} If you know: `confidante profile restored`.\n")
    return device


def new_profile(folder: Path | None, passphrase_file: Path | None, *, unprotected: bool) -> Device:
    """Make a profile, guarded by a passphrase that was given, else by the system's key ring."""
    where = default_profile() if folder is None else folder
    if _protection(where) is not None:
        raise VaultError(f"{where}: there is a profile here already: open it, or name another folder")
    if unprotected:
        return Device(where, InsecurePlaintextKey())
    if passphrase_file is not None or os.environ.get(PASSPHRASE):
        return Device(where, Passphrase(_passphrase(passphrase_file, new=True)))
    try:
        return Device(where, Keyring())
    except VaultError:
        if not sys.stdin.isatty():
            raise VaultError(
                f"the system's key ring cannot be used: set {PASSPHRASE}, give --passphrase-file, or take "
                "--unprotected for data that needs no protection"
            ) from None
    return Device(where, Passphrase(_passphrase(None, new=True)))


def new_passphrase(file: Path | None) -> str:
    """Return a passphrase that is to replace the profile's own: from a file's first line, or typed twice."""
    if file is None and not sys.stdin.isatty():
        raise VaultError("the new passphrase cannot be asked for here: give --new-passphrase-file")
    return _from_file(file) if file is not None else _typed(new=True)


def _protection(folder: Path) -> str | None:
    """Return what guards the profile in `folder`; None when there is none."""
    data = files.read_key_file(folder)
    return None if data is None else keyfile.protection_of(keyfile.decode(data).guard)


def _passphrase(file: Path | None, *, new: bool) -> str:
    """Return the passphrase: from a file's first line, the environment, or typed unseen."""
    if file is not None:
        return _from_file(file)
    if given := os.environ.get(PASSPHRASE):
        return given
    if not sys.stdin.isatty():
        raise VaultError(f"the profile needs its passphrase: set {PASSPHRASE} or give --passphrase-file")
    return _typed(new=new)


def _from_file(file: Path) -> str:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the passphrase cannot be read ({error})", path=file) from None
    if not lines or not lines[0]:
        raise DataError("the first line is the passphrase, and it is empty", path=file)
    return lines[0]


def _typed(*, new: bool) -> str:
    import getpass

    typed = getpass.getpass("New passphrase: " if new else "Passphrase: ")
    if new and typed != getpass.getpass("Once more: "):
        raise DataError("the two passphrases differ: try again")
    return typed
