"""Oblivious HTTP (RFC 9458): the relay sees who asks, the gateway what is asked, and neither both.

One suite: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, through pyhpke (the extra `he`). Every
request is sealed to a fresh ephemeral key, so two requests cannot be linked by their bytes. `pyhpke` draws
that key from the operating system.
"""

import os
import struct
from typing import Any, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from confidante.core.errors import WireError

REQUEST_TYPE = "message/ohttp-req"
RESPONSE_TYPE = "message/ohttp-res"
_KEM, _KDF, _AEAD = 0x0020, 0x0001, 0x0001
_HEADER = struct.Struct(">BHHH")  # key id, KEM, KDF, AEAD
_KEY, _NONCE, _PUBLIC, _TAG = 16, 12, 32, 16
_LONGEST = max(_KEY, _NONCE)


@final
class GatewayKey:
    """The key of a gateway. Its repr shows no secret."""

    def __init__(self, secret: bytes, key_id: int) -> None:
        """secret: 32 bytes of an X25519 key; key_id: 0 to 255."""
        self._secret = X25519PrivateKey.from_private_bytes(secret)
        self._id = key_id

    def __repr__(self) -> str:
        """Show the id."""
        return f"<GatewayKey {self._id}>"

    @property
    def config(self) -> bytes:
        """What devices are told of the key (RFC 9458, section 3.1)."""
        public = self._secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return struct.pack(">BH", self._id, _KEM) + public + struct.pack(">HHH", 4, _KDF, _AEAD)

    def open(self, sealed: bytes) -> tuple[bytes, "Reply"]:
        """Return a request and the way to seal its response; WireError for what is not sealed to this key."""
        from pyhpke import KEMKey, PyHPKEError

        if len(sealed) < _HEADER.size + _PUBLIC + _TAG:
            raise WireError("a sealed request is cut off")
        if sealed[: _HEADER.size] != _HEADER.pack(self._id, _KEM, _KDF, _AEAD):
            raise WireError("a request is sealed to another key or suite: fetch the key again")
        public = sealed[_HEADER.size : _HEADER.size + _PUBLIC]
        key = KEMKey.from_pyca_cryptography_key(self._secret)
        try:
            context = _suite().create_recipient_context(public, key, info=_info(sealed[: _HEADER.size]))
            request = context.open(sealed[_HEADER.size + _PUBLIC :])
        except (PyHPKEError, InvalidTag, ValueError) as error:
            raise WireError("a request is not sealed to this key, or was changed on its way") from error
        return request, Reply(public, context)


@final
class Reply:
    """The way back of one request, at the gateway."""

    def __init__(self, public: bytes, context: Any) -> None:
        """public: the request's ephemeral key; context: of HPKE."""
        self._public, self._context = public, context

    def seal(self, response: bytes) -> bytes:
        """Return a sealed response. Called once."""
        return self.seal_with(response, os.urandom(_LONGEST))

    def seal_with(self, response: bytes, nonce: bytes) -> bytes:
        """Seal with a nonce that is given: 16 fresh random bytes; for test vectors."""
        key, iv = _response_keys(self._context, self._public, nonce)
        return nonce + AESGCM(key).encrypt(iv, response, None)


@final
class Sealed:
    """A sealed request, and what opens its response. Its repr shows nothing."""

    def __init__(self, request: bytes, config: bytes, ephemeral: Any = None) -> None:
        """Seal `request` to the gateway of `config`. ephemeral: a key pair of pyhpke, for test vectors only.

        WireError for a configuration of another suite.
        """
        from pyhpke import KEMKey, PyHPKEError

        key_id, public = read_config(config)
        header = _HEADER.pack(key_id, _KEM, _KDF, _AEAD)
        key = KEMKey.from_pyca_cryptography_key(X25519PublicKey.from_public_bytes(public))
        try:
            self._public, self._context = _suite().create_sender_context(
                key, info=_info(header), eks=ephemeral
            )
        except (PyHPKEError, ValueError) as error:
            raise WireError("a gateway's key cannot be sealed to") from error
        self.data = header + self._public + self._context.seal(request)

    def open(self, sealed: bytes) -> bytes:
        """Return the response; WireError for anything that the gateway did not seal for this request."""
        if len(sealed) < _LONGEST + _TAG:
            raise WireError("a sealed response is cut off")
        key, iv = _response_keys(self._context, self._public, sealed[:_LONGEST])
        try:
            return AESGCM(key).decrypt(iv, sealed[_LONGEST:], None)
        except InvalidTag as error:
            raise WireError("a response was not sealed for this request, or changed on its way") from error


def read_config(config: bytes) -> tuple[int, bytes]:
    """Return id and public key of a configuration; WireError unless it offers the one suite."""
    fixed = 3 + _PUBLIC + 2
    if len(config) < fixed + 4:
        raise WireError("a gateway's key configuration is cut off")
    key_id, kem = struct.unpack_from(">BH", config)
    (size,) = struct.unpack_from(">H", config, 3 + _PUBLIC)
    suites = config[fixed:]
    offered = {suites[at : at + 4] for at in range(0, len(suites), 4)}
    if kem != _KEM or size != len(suites) or size % 4 or struct.pack(">HH", _KDF, _AEAD) not in offered:
        raise WireError("a gateway's key is not of X25519, HKDF-SHA256 and AES-128-GCM")
    return key_id, config[3 : 3 + _PUBLIC]


def _suite() -> Any:
    from pyhpke import AEADId, CipherSuite, KDFId, KEMId

    return CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES128_GCM)


def _info(header: bytes) -> bytes:
    return b"message/bhttp request\0" + header


def _response_keys(context: Any, public: bytes, nonce: bytes) -> tuple[bytes, bytes]:
    """Return key and nonce of a response (RFC 9458, section 4.4)."""
    secret = context.export(b"message/bhttp response", _LONGEST)
    extract = HMAC(public + nonce, SHA256())
    extract.update(secret)
    mixed = extract.finalize()
    key = HKDFExpand(SHA256(), _KEY, b"key").derive(mixed)
    return key, HKDFExpand(SHA256(), _NONCE, b"nonce").derive(mixed)
