"""The key file: a database key, wrapped by ChaCha20-Poly1305, and what is needed to unwrap it.

All other fields are authenticated with the key. The checksum is no secret: it tells a damaged file, which a
backup can mend, from a wrong passphrase. A file that is not byte for byte what we would write is damaged.
"""

import hashlib
import os
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, TypeAlias, final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from msgspec import Meta

from confidante.core.errors import DataError, VaultError

KEY_BYTES = 32
_NONCE_BYTES, _TAG_BYTES = 12, 16
_VERSION = 1
_FORMAT: Literal["confidante-vault"] = "confidante-vault"


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing but its fields, of their exact types."""


@final
class ByPassphrase(_Strict, tag="passphrase", frozen=True, forbid_unknown_fields=True):
    """Argon2id, one lane. Bounded, so that a hostile file cannot take all memory or time."""

    salt: Annotated[bytes, Meta(min_length=16, max_length=64)]
    memory_kib: Annotated[int, Meta(ge=8, le=256 * 1024)]
    iterations: Annotated[int, Meta(ge=1, le=16)]


@final
class ByKeyring(_Strict, tag="keyring", frozen=True, forbid_unknown_fields=True):
    """A key ring keeps the wrapping key, under this service and the vault's id."""

    service: Annotated[str, Meta(min_length=1, max_length=256)]


@final
class ByPossession(_Strict, tag="beside", frozen=True, forbid_unknown_fields=True):
    """The wrapping key itself: whoever has the file can open the vault."""

    secret: Annotated[bytes, Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)]

    def __repr__(self) -> str:
        """Show nothing."""
        return "ByPossession(...)"


Guard: TypeAlias = ByPassphrase | ByKeyring | ByPossession


@final
class KeyFile(_Strict, frozen=True, forbid_unknown_fields=True):
    """What is in the file, the key still wrapped."""

    format: Literal["confidante-vault"]
    version: int
    vault: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    generation: Annotated[int, Meta(ge=1, le=10**15)]
    guard: Guard
    nonce: Annotated[bytes, Meta(min_length=_NONCE_BYTES, max_length=_NONCE_BYTES)]
    wrapped: Annotated[bytes, Meta(max_length=KEY_BYTES + _TAG_BYTES)]
    checksum: Annotated[bytes, Meta(max_length=32)]


@final
class _Head(msgspec.Struct):
    format: Literal["confidante-vault"]
    version: int


@final
@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one generation of a vault, unwrapped.

    vault: its id, 32 hex digits, the same in all generations and backups. database: the key that its pages
    are encrypted with; wrapping: the key that wraps it.
    """

    vault: str
    generation: int
    guard: Guard
    wrapping: bytes = field(repr=False)
    database: bytes = field(repr=False)

    def following(self) -> "Keys":
        """Return the keys of the next generation: a fresh database key, wrapped by the same."""
        return replace(self, generation=self.generation + 1, database=os.urandom(KEY_BYTES))

    def encode(self) -> bytes:
        """Return the key file."""
        nonce = os.urandom(_NONCE_BYTES)
        bare = KeyFile(_FORMAT, _VERSION, self.vault, self.generation, self.guard, nonce, b"", b"")
        wrapped = ChaCha20Poly1305(self.wrapping).encrypt(nonce, self.database, _associated(bare))
        return msgspec.json.encode(_with_checksum(msgspec.structs.replace(bare, wrapped=wrapped)))


def protection_of(guard: Guard) -> str:
    """Return the word for a guard: "passphrase", "keyring" or "beside"."""
    return str(guard.__struct_config__.tag)


def check_guard(guard: Guard) -> None:
    """Raise DataError unless a key file that says this can be read again."""
    try:
        msgspec.json.decode(msgspec.json.encode(guard), type=type(guard))
    except (msgspec.MsgspecError, UnicodeEncodeError, OverflowError, TypeError) as error:
        raise DataError(
            f"a vault made like this could never be opened again ({error}): choose another key"
        ) from None


def decode(data: bytes) -> KeyFile:
    """Read a key file; the key in it stays wrapped. VaultError when it is damaged or too new."""
    try:
        head = msgspec.json.decode(data, type=_Head)
        if head.version > _VERSION:
            raise VaultError("the vault was written by a newer version of confidante: update confidante")
        read = msgspec.json.decode(data, type=KeyFile)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _damaged() from None
    if msgspec.json.encode(read) != data or _with_checksum(read) != read:
        raise _damaged()
    return read


def unwrap(read: KeyFile, wrapping: bytes) -> Keys:
    """Return the keys of a key file. VaultError when `wrapping` is not the key that wrapped them."""
    try:
        database = ChaCha20Poly1305(wrapping).decrypt(read.nonce, read.wrapped, _associated(read))
    except InvalidTag:
        what = "wrong passphrase" if isinstance(read.guard, ByPassphrase) else "the key is not this vault's"
        raise VaultError(f"{what}: try again with the one it was made with") from None
    if len(database) != KEY_BYTES:
        raise _damaged()
    return Keys(read.vault, read.generation, read.guard, wrapping, database)


def _associated(read: KeyFile) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(read, wrapped=b"", checksum=b""))


def _with_checksum(read: KeyFile) -> KeyFile:
    text = msgspec.json.encode(msgspec.structs.replace(read, checksum=b""))
    return msgspec.structs.replace(read, checksum=hashlib.sha256(text).digest())


def _damaged() -> VaultError:
    return VaultError("the key file is damaged or was cut short: restore vault.key from a backup")
