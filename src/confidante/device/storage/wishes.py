"""What the person said of items and tastes: less of this, never this, saved; a taste raised or removed."""

from confidante.core.errors import DataError
from confidante.core.text import check_text
from confidante.device.storage.vault import Vault

KINDS = ("less", "never", "saved", "taste")
REMOVED = -9
"""The level of a taste that was removed."""

HIDDEN = "forgotten wishes "
"""How the settings begin that keep wishes until their forgetting can no longer be undone."""

_LONGEST = 512


def put(vault: Vault, kind: str, subject: str, level: int) -> None:
    """Remember a wish, in place of an earlier one of the same kind and subject.

    kind: one of `KINDS`. subject: id of an item; the label, for a taste. level: -2 to 2 or `REMOVED` for a
    taste, 1 for others. Raises DataError.
    """
    if kind not in KINDS:
        raise DataError(f"there is no kind of wish {kind!r}: give one of {', '.join(KINDS)}")
    if level not in ((-2, -1, 0, 1, 2, REMOVED) if kind == "taste" else (1,)):
        raise DataError(f"a wish of the kind {kind!r} cannot have level {level}")
    check_text(subject, "the subject of a wish", 1, _LONGEST, controls=False)
    with vault.write() as sql:
        sql(
            "INSERT OR REPLACE INTO wish (kind, subject, level, at) VALUES (?, ?, ?, ?)",
            (kind, subject, level, vault.now()),
        )


def unset(vault: Vault, kind: str, subject: str) -> None:
    """Take a wish back. One that was never said does no harm."""
    with vault.write() as sql:
        sql("DELETE FROM wish WHERE kind = ? AND subject = ?", (kind, subject))


def subjects(vault: Vault, kind: str) -> tuple[str, ...]:
    """Return the subjects of all wishes of a kind, newest first."""
    rows = vault.rows("SELECT subject FROM wish WHERE kind = ? ORDER BY at DESC, subject", (kind,))
    return tuple(subject for (subject,) in rows)


def levels(vault: Vault) -> tuple[tuple[str, int], ...]:
    """Return (label, level) of all tastes that were edited."""
    rows = vault.rows("SELECT subject, level FROM wish WHERE kind = 'taste' ORDER BY subject")
    return tuple((label, level) for label, level in rows)
