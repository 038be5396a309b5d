"""Who can open a vault: who knows a passphrase, who is logged in to a key ring, or anybody at all."""

import base64
import os
import unicodedata
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, final, runtime_checkable

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from confidante.core.errors import VaultError
from confidante.device.storage.keyfile import (
    KEY_BYTES,
    ByKeyring,
    ByPassphrase,
    ByPossession,
    Guard,
    Keys,
    check_guard,
)

if TYPE_CHECKING:
    from types import ModuleType

_LONGEST_PASSPHRASE = 1024
_SALT_BYTES = 24  # whole base64 groups: no spare bits that could be flipped unnoticed


class KeySource(Protocol):
    """Gives the key that wraps the database key. `str` and `repr` of one show nothing.

    Stability: provisional
    """

    def guard(self, vault: str, /) -> tuple[Guard, bytes]:
        """Make a wrapping key.

        Args:
            vault: Id of the vault.

        Returns:
            What a key file says of its protection, and the wrapping key.

        Raises:
            VaultError: None can be made or kept.
        """

    def unlock(self, vault: str, guard: Guard, /) -> bytes:
        """Return the wrapping key of a vault.

        Args:
            vault: Id of the vault.
            guard: What its key file says of its protection.

        Returns:
            The wrapping key; whether it is the right one shows when it is used.

        Raises:
            VaultError: This cannot open a vault of such a guard.
        """

    def destroy(self, vault: str, guard: Guard, /) -> None:
        """Destroy what is kept of the wrapping key outside the key file.

        Args:
            vault: Id of the vault.
            guard: What its key file says of its protection.

        Raises:
            VaultError: It cannot be destroyed.
        """


@runtime_checkable
class AnchorStore(Protocol):
    """A key source that also keeps, outside the folder, how far a vault is: its anchor.

    Stability: provisional
    """

    def anchor(self, vault: str, guard: Guard, /) -> str | None:
        """Return the anchor of a vault, or None. Raises VaultError when it cannot be read."""

    def set_anchor(self, vault: str, guard: Guard, text: str, /) -> None:
        """Replace the anchor of a vault by at most 1,000 ASCII characters (VaultError)."""


def new_keys(source: KeySource) -> Keys:
    """Return the keys of the first generation of a new vault."""
    vault = uuid.uuid4().hex
    guard, wrapping = source.guard(vault)
    return Keys(vault, 1, guard, wrapping, os.urandom(KEY_BYTES))


@final
class Passphrase:
    """A passphrase, hardened by Argon2id with 19 MiB, 2 passes, 1 lane (an OWASP choice; 40 ms here).

    Stability: provisional
    """

    def __init__(self, text: str, *, memory_kib: int = 19 * 1024, iterations: int = 2) -> None:
        """Use a passphrase. The costs are for new vaults; an existing one remembers its own.

        Args:
            text: 1 to 1,024 characters; they are composed by Unicode NFC.
            memory_kib: Memory that a try takes, 8 to 262,144 KiB.
            iterations: Passes over it, 1 to 16.

        Raises:
            VaultError: The passphrase cannot be used.
            DataError: A cost is outside its bounds, as a key file with such a cost is refused.
        """
        if not 1 <= len(text) <= _LONGEST_PASSPHRASE:
            raise VaultError(f"a passphrase has 1 to {_LONGEST_PASSPHRASE} characters: choose another one")
        try:
            self._secret = unicodedata.normalize("NFC", text).encode()
        except UnicodeEncodeError:
            raise VaultError(
                "the passphrase contains half of a surrogate pair, which cannot be stored: choose another"
            ) from None
        check_guard(ByPassphrase(bytes(_SALT_BYTES), memory_kib, iterations))
        self._costs = memory_kib, iterations

    def guard(self, _vault: str) -> tuple[Guard, bytes]:
        """Return a guard with a fresh salt, and its wrapping key."""
        guard = ByPassphrase(os.urandom(_SALT_BYTES), *self._costs)
        return guard, self._derive(guard)

    def unlock(self, _vault: str, guard: Guard) -> bytes:
        """Return the wrapping key; whether it is the right one shows when it is used."""
        if not isinstance(guard, ByPassphrase):
            raise _other_guard(guard)
        return self._derive(guard)

    def destroy(self, _vault: str, _guard: Guard) -> None:
        """Do nothing: a passphrase is kept nowhere."""

    def _derive(self, guard: ByPassphrase) -> bytes:
        return Argon2id(
            salt=guard.salt,
            length=KEY_BYTES,
            iterations=guard.iterations,
            lanes=1,
            memory_cost=guard.memory_kib,
        ).derive(self._secret)


@final
class Keyring:
    """The system's key ring: it keeps a random wrapping key under the vault's id. Needs `keyring`.

    Stability: provisional
    """

    def __init__(self, service: str = "confidante") -> None:
        """Keep new keys under a name; an existing vault remembers its own.

        Args:
            service: The name, 1 to 256 characters.

        Raises:
            DataError: It is longer, empty, or not text.
        """
        check_guard(ByKeyring(service))
        self._service = service

    def guard(self, vault: str) -> tuple[Guard, bytes]:
        """Put a fresh wrapping key into the key ring, or return the one it has for this vault's backups."""
        guard, secret = ByKeyring(self._service), os.urandom(KEY_BYTES)
        keyring = _keyring()
        try:
            if keyring.get_password(self._service, vault) is not None:
                return guard, self.unlock(vault, guard)
            keyring.set_password(self._service, vault, base64.b64encode(secret).decode())
            kept = keyring.get_password(self._service, vault)
        except keyring.errors.KeyringError as error:
            raise _no_keyring(error) from None
        if kept != base64.b64encode(secret).decode():
            raise VaultError("the system's key ring did not store the key: use a passphrase instead")
        return guard, secret

    def unlock(self, vault: str, guard: Guard) -> bytes:
        """Fetch the wrapping key from the key ring."""
        if not isinstance(guard, ByKeyring):
            raise _other_guard(guard)
        keyring = _keyring()
        try:
            kept = keyring.get_password(guard.service, vault)
        except keyring.errors.KeyringError as error:
            raise _no_keyring(error) from None
        if kept is None:
            raise VaultError(
                "the system's key ring has no key for this vault: log in as the user who made it"
            )
        try:
            secret = base64.b64decode(kept, validate=True)
        except ValueError:
            secret = b""
        if len(secret) != KEY_BYTES:
            raise VaultError("the entry of the system's key ring for this vault is not a key: restore it")
        return secret

    def destroy(self, vault: str, guard: Guard) -> None:
        """Delete the wrapping key from the key ring, and the anchor. None there is as good."""
        if not isinstance(guard, ByKeyring):
            raise _other_guard(guard)
        keyring = _keyring()
        try:
            for entry in (vault, _anchor_of(vault)):
                with suppress(keyring.errors.PasswordDeleteError):
                    keyring.delete_password(guard.service, entry)
        except keyring.errors.KeyringError as error:
            raise _no_keyring(error) from None

    def anchor(self, vault: str, guard: Guard) -> str | None:
        """Return the vault's anchor, or None when none was kept yet."""
        if not isinstance(guard, ByKeyring):
            raise _other_guard(guard)
        keyring = _keyring()
        try:
            kept: str | None = keyring.get_password(guard.service, _anchor_of(vault))
        except keyring.errors.KeyringError as error:
            raise _no_keyring(error) from None
        return kept

    def set_anchor(self, vault: str, guard: Guard, text: str) -> None:
        """Keep the vault's anchor."""
        if not isinstance(guard, ByKeyring):
            raise _other_guard(guard)
        keyring = _keyring()
        try:
            keyring.set_password(guard.service, _anchor_of(vault), text)
        except keyring.errors.KeyringError as error:
            raise _no_keyring(error) from None


@final
class InsecurePlaintextKey:
    """No protection: the wrapping key lies in the key file. For demonstrations and for what is no secret.

    Stability: provisional
    """

    def guard(self, _vault: str) -> tuple[Guard, bytes]:
        """Return a fresh wrapping key, inside its guard."""
        secret = os.urandom(KEY_BYTES)
        return ByPossession(secret), secret

    def unlock(self, _vault: str, guard: Guard) -> bytes:
        """Return the wrapping key that the file holds."""
        if not isinstance(guard, ByPossession):
            raise _other_guard(guard)
        return guard.secret

    def destroy(self, _vault: str, _guard: Guard) -> None:
        """Do nothing: the key goes with its file."""


def _keyring() -> "ModuleType":
    """Return the module `keyring`; it is an extra."""
    try:
        import keyring
        import keyring.errors
    except ModuleNotFoundError as error:
        raise VaultError(
            f"the system's key ring needs a package that is not installed ({error.name}): run "
            "pip install 'confidante[device]', or give a passphrase"
        ) from None
    return keyring


def _anchor_of(vault: str) -> str:
    return f"{vault} anchor"


def _no_keyring(error: Exception) -> VaultError:
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return VaultError(f"the system's key ring cannot be used ({first}): unlock it, or use a passphrase")


def _other_guard(guard: Guard) -> VaultError:
    needed = {
        ByPassphrase: "a passphrase: give it",
        ByKeyring: "the system's key ring: open it without a passphrase",
        ByPossession: "nothing, its key lies beside it: open it with InsecurePlaintextKey()",
    }[type(guard)]
    return VaultError(f"this vault is protected by {needed}")
