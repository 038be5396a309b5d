"""Encrypted SQLite: how a database is opened, brought up to date and copied, and what its errors mean.

Two packages install a module named `apsw`: `apsw-sqlite3mc`, which encrypts, and `apsw`, which takes every
key without a word and writes plain text. Nothing is opened, made or copied unless the cipher has answered.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import apsw

from confidante.core.errors import VaultError
from confidante.core.text import folded
from confidante.device.storage import files

_FLAGS = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_EXRESCODE
_CIPHER = "aegis"
_PLAIN_TEXT = b"SQLite format 3\x00"

# Texts of SQLite may name the key (in the address of a copy), so none of them is ever shown.
_MEANINGS: tuple[tuple[tuple[type[apsw.Error], ...], str], ...] = (
    (
        (apsw.FullError,),
        "no room is left on the disk: free some and try again; what was stored before is safe",
    ),
    ((apsw.BusyError, apsw.LockedError), "is open in another process: close it there first"),
    ((apsw.ReadOnlyError, apsw.PermissionsError), "cannot be written: check the permissions of the folder"),
    ((apsw.CantOpenError,), "cannot be opened: check the folder and its permissions"),
    ((apsw.CorruptError, apsw.NotADBError, apsw.FormatError), "is damaged: restore a backup"),
    (
        (apsw.IOError,),
        "cannot be read or written: check the disk, its room, and restore a backup if it is damaged",
    ),
    ((apsw.TooBigError,), "cannot hold anything that big: make it smaller"),
    ((apsw.NoMemError,), "there is not enough memory: close other programs"),
)


@contextmanager
def refused(path: Path) -> Iterator[None]:
    """Turn what SQLite refuses into a VaultError. Wrong SQL is a bug and stays what it is."""
    try:
        yield
    except apsw.Error as error:
        for kinds, meaning in _MEANINGS:
            if isinstance(error, kinds):
                raise VaultError(f"{path}: {meaning}") from None
        raise


def check_encrypts() -> None:
    """Raise VaultError unless the installed SQLite encrypts. Call it before anything is written."""
    with closing(apsw.Connection(":memory:")) as connection:
        _expect(connection, "cipher", _CIPHER, answer=_CIPHER)


def _expect(connection: apsw.Connection, pragma: str, value: str, *, answer: str) -> None:
    """Set a pragma of the encrypting build. SQLite is silent about a pragma that it does not know."""
    if hasattr(apsw, "mc_version") and connection.execute(f"PRAGMA {pragma} = {value}").get == answer:
        return
    raise VaultError(
        "the installed SQLite cannot encrypt: the package 'apsw' has replaced 'apsw-sqlite3mc' (both install "
        "a module named apsw). Nothing was written or changed. Run: pip uninstall --yes apsw; then: "
        "pip install --force-reinstall apsw-sqlite3mc; and start again"
    )


def connect(path: Path, key: bytes, *, new: bool = False) -> apsw.Connection:
    """Open a database, or with `new` an empty file, and lock it. key: 32 bytes. Raises VaultError."""
    check_encrypts()
    _check_not_plain(path)
    with refused(path):
        connection = apsw.Connection(str(path), _FLAGS)
        try:
            _expect(connection, "cipher", _CIPHER, answer=_CIPHER)
            _expect(connection, "hexkey", f"'{_hexkey(key)}'", answer="ok")
            for setting in (
                "locking_mode = EXCLUSIVE",
                "temp_store = MEMORY",
                "secure_delete = ON",
                "synchronous = FULL",
                "foreign_keys = ON",
                "trusted_schema = OFF",
                "cell_size_check = ON",
                "journal_size_limit = 1048576",
            ):
                connection.execute(f"PRAGMA {setting}").fetchall()
            connection.create_scalar_function("folded", _folded, 1, deterministic=True)
            if not new:
                _check_present(connection, path)
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except BaseException:
            connection.close()
            raise
    return connection


def _check_not_plain(path: Path) -> None:
    with files.refused(path.parent):
        try:
            with path.open("rb") as file:
                begin = file.read(len(_PLAIN_TEXT))
        except FileNotFoundError:
            return  # SQLite says so
    if begin == _PLAIN_TEXT:
        raise VaultError(
            f"{path}: is not encrypted: it was written while the package 'apsw' had replaced "
            "'apsw-sqlite3mc'. Any SQLite tool can read it: save what you need, delete it, make a new vault"
        )


def _check_present(connection: apsw.Connection, path: Path) -> None:
    """Prove the key. SQLite takes a file of nothing, or of zeros, for an empty database: we do not."""
    ((version,),) = connection.execute("PRAGMA user_version")
    if version == 0:
        raise VaultError(f"{path}: is damaged or was cut short: restore a backup")


def migrate(connection: apsw.Connection, path: Path, migrations: Sequence[str]) -> None:
    """Run the migrations that the database has not seen, each in one transaction."""
    with refused(path):
        ((version,),) = connection.execute("PRAGMA user_version")
        if version > len(migrations):
            raise VaultError(f"{path}: was written by a newer version of confidante: update confidante")
        for number, migration in enumerate(migrations[version:], version + 1):
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.execute(migration).fetchall()
                connection.execute(f"PRAGMA user_version = {number}")
                connection.execute("COMMIT")
            except BaseException:
                roll_back(connection)
                raise


def roll_back(connection: apsw.Connection) -> None:
    """Undo the open transaction. After some failures SQLite has done so itself."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def copy(connection: apsw.Connection, path: Path, key: bytes) -> None:
    """Write what the database holds now, without what it held before, to the new file `path` under `key`.

    When it returns the copy is on disk; when it raises VaultError nothing of it is left.
    """
    check_encrypts()
    files.make_private(path)
    try:
        with refused(path):
            address = f"{path.as_uri()}?cipher={_CIPHER}&hexkey={_hexkey(key)}"
            connection.execute("VACUUM INTO ?", (address,)).fetchall()
        _check_not_plain(path)
        with files.refused(path.parent):
            files.sync(path)
            files.sync(path.parent)
    except BaseException:
        path.with_name(path.name + "-journal").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise


def _folded(*texts: object) -> str:
    return folded(str(texts[0]))


def _hexkey(key: bytes) -> str:
    """Return the key as it is: 'raw:' makes the cipher take it without deriving another from it."""
    return f"raw:{key.hex()}".encode().hex()
