"""A device's anonymous tokens: asked for by the batch, kept in the vault, one spent for each round.

The coordinator learns who asks for tokens (a network address, an invitation) and cannot tell which of them is
spent later, nor which are spent by the same device: see `protocol.tokens`. That holds because the key is the
one that the public log shows to all, and every batch comes with a proof that it was used; a batch without
one is thrown away and raises an alarm.
"""

from dataclasses import dataclass, field
from typing import final

import msgspec

from confidante.core.entropy import SystemEntropy
from confidante.core.errors import EgressError, ForkedLogError, ProtocolError
from confidante.crypto import voprf
from confidante.crypto.identity import Identity
from confidante.device.federation.alarms import Caught, sound
from confidante.device.federation.coordinator_client import CoordinatorClient, RefusedError
from confidante.device.federation.verified_log import SKEW, VerifiedLog
from confidante.device.storage.vault import Vault
from confidante.device.values import Purpose
from confidante.wire.rounds import Redemption, Refused, decode, encode, seat_digest
from confidante.wire.tokens import (
    NONCE_BYTES,
    TOKENS_PATH,
    TokenKey,
    TokenRequest,
    TokenResponse,
    announced,
    batch_of,
    bind,
    keys_taken,
)

_FEW = 2  # with fewer, more are asked for after a round, long before they are used


class JustAskedError(Exception):
    """Tokens came just now; used now, they would tell who asked for them."""


@final
@dataclass(frozen=True, slots=True)
class Evidence:
    """What a device shows to be given tokens. kind: "address" shows nothing more than the request does."""

    kind: str = "address"
    data: bytes = field(default=b"", repr=False)


@final
class _Token(msgspec.Struct, array_like=True, frozen=True):
    """One token. seat: digest of the seat it was shown for, empty while it is free."""

    key_id: bytes
    nonce: bytes
    output: bytes
    seat: bytes = b""


@final
class _Asked(msgspec.Struct, array_like=True, frozen=True):
    """A request whose answer is not here yet. Asked again after a restart, it counts once."""

    key: TokenKey
    nonces: tuple[bytes, ...]
    blinds: tuple[bytes, ...]


@final
class _Purse(msgspec.Struct, array_like=True, frozen=True):
    tokens: tuple[_Token, ...] = ()
    asked: _Asked | None = None


@final
class Wallet:
    """The tokens of one device for one population of one coordinator."""

    def __init__(
        self,
        vault: Vault,
        client: CoordinatorClient,
        log: VerifiedLog,
        population: str,
        purpose: Purpose,
        evidence: Evidence | None = None,
        *,
        at_once: bool = True,
    ) -> None:
        """client: to the coordinator whose log this is; purpose: whose switch must be on to ask for tokens.

        at_once: a token may be used right after it was asked for, when the coordinator can guess whose it is.
        """
        self._at_once = at_once
        self._vault, self._client, self._log, self._population = vault, client, log, population
        self._purpose, self._evidence = purpose, evidence or Evidence()
        self._entropy = SystemEntropy()

    def take(self, identity: Identity, seat: bytes) -> Redemption | None:
        """Return the token for a seat (32 secret bytes), bound to it: the same one whenever it is asked for.

        Asks for a batch when there is none left. None when the population asks for no tokens.

        Raises JustAskedError when there was none, unless one may be used at once: the batch is kept.
        EgressError when none can be had now, ForkedLogError when the coordinator cheats, and what
        `VerifiedLog.catch_up` and `CoordinatorClient.ask` raise, except RefusedError.
        """
        digest = seat_digest(seat)
        token = self._keep_one(digest)
        if token is None and self._fetch():
            if not self._at_once:
                raise JustAskedError
            token = self._keep_one(digest)
        if token is None:
            return None
        return bind(
            token.key_id, token.nonce, token.output, self._population, identity.public.encode(), digest
        )

    def restock(self) -> None:
        """Ask for a batch when few are left, as `take` does; nothing where no tokens are asked for."""
        if self._free() < _FEW and announced(self._log.entries("tokens"), self._population):
            self._fetch()

    def spend(self, who: bytes, what: bytes) -> Redemption | None:
        """Return a free token bound to a statement, and forget it; None when there is none left.

        who, what: the statement's two names (`protocol.tokens.bind`). Nothing is sent for it.
        """
        with self._vault.write():
            purse = self._purse()
            free = next((one for one in purse.tokens if not one.seat), None)
            if free is None:
                return None
            self._keep(tuple(one for one in purse.tokens if one is not free), purse.asked)
        return bind(free.key_id, free.nonce, free.output, self._population, who, what)

    def stock(self, count: int) -> bool:
        """Ask for `count` more when fewer than half of that are free; False where no tokens are asked for.

        It is always the same number, so what is asked for does not say how many were spent. Those that are
        taken no more, by the log as it was read before, are forgotten first, and by nothing else: if a word
        of the coordinator did it, asking anew would say who had heard it. Fewer are kept when the coordinator
        gives no more now. Raises as `take` when there is none at all.
        """
        with self._vault.write():
            purse, entries = self._purse(), self._log.entries("tokens")
            keys = {key.id for key in keys_taken(entries, self._population, self._vault.now())}
            self._keep(tuple(one for one in purse.tokens if one.seat or one.key_id in keys), purse.asked)
        had = free = self._free()
        while 2 * had < count > free - had:
            try:
                if not self._fetch():
                    return False
            except EgressError:
                if free:
                    return True
                raise
            free = self._free()
        return True

    @staticmethod
    def left(vault: Vault, destination: str, population: str) -> int:
        """Return how many tokens are free. destination: as `CoordinatorClient.destination`."""
        return sum(not one.seat for one in _purse(vault, _name(destination, population)).tokens)

    def used(self, seat: bytes) -> None:
        """Forget the token of a seat that was seated in a round."""
        digest = seat_digest(seat)
        with self._vault.write():
            purse = self._purse()
            self._keep(tuple(one for one in purse.tokens if one.seat != digest), purse.asked)

    def refused(self, seat: bytes, reason: str) -> bool:
        """Forget what the coordinator takes no more, and return whether to take another token and try again.

        reason: of a check-in that was refused. After one that was spent a new seat is needed as well.
        """
        if reason not in (Refused.NO_TOKEN, Refused.BAD_TOKEN, Refused.SPENT_TOKEN, Refused.OLD_KEY):
            return False
        digest = seat_digest(seat)
        with self._vault.write():
            purse = self._purse()
            shown = [one for one in purse.tokens if one.seat == digest]
            old = {one.key_id for one in shown} if reason == Refused.OLD_KEY else set()
            left = (one for one in purse.tokens if one not in shown and one.key_id not in old)
            self._keep(tuple(left), purse.asked)
        return True

    # --- within

    @property
    def _name(self) -> str:
        return _name(self._client.destination, self._population)

    def _free(self) -> int:
        return self.left(self._vault, self._client.destination, self._population)

    def _purse(self) -> _Purse:
        return _purse(self._vault, self._name)

    def _keep(self, tokens: tuple[_Token, ...], asked: _Asked | None) -> None:
        purse = _Purse(tokens, asked)
        self._vault.set_setting(self._name, None if purse == _Purse() else msgspec.msgpack.encode(purse))

    def _keep_one(self, digest: bytes) -> _Token | None:
        """Return the token of a seat, or give it a free one; None when there is none."""
        with self._vault.write():
            purse = self._purse()
            for one in purse.tokens:
                if one.seat == digest:
                    return one
            free = next((one for one in purse.tokens if not one.seat), None)
            if free is None:
                return None
            taken = msgspec.structs.replace(free, seat=digest)
            # A token of another seat, which was given up, opens the door for that seat only: it goes.
            left = (one for one in purse.tokens if not one.seat and one is not free)
            self._keep((taken, *left), purse.asked)
        return taken

    def _fetch(self) -> bool:
        """Ask for a batch; False when the population asks for no tokens."""
        for again in (False, True):
            self._log.catch_up(self._client, self._purpose)
            latest = self._vault.now() + SKEW
            keys = announced(self._log.entries("tokens"), self._population, latest)
            if not keys:
                return False
            if keys[-1].evidence != self._evidence.kind:
                raise EgressError(
                    f"{self._population}: by its public log the coordinator gives tokens for "
                    f"{keys[-1].evidence} only, and there is {self._evidence.kind} to show: give what it "
                    "asks for; where that was changed just now, try again in an hour, when its log says so"
                )
            asked = self._asked(keys[-1])
            try:
                given = self._ask(asked)
            except RefusedError as error:
                if error.reason == Refused.OLD_KEY and not again:
                    continue  # it was changed just now: the log says so
                if error.reason == Refused.NO_SUCH_THING:
                    return False  # it asked for tokens before, as its log says, and does so no more
                raise EgressError(
                    f"{self._population}: no tokens are given to this device: {error}"
                ) from None
            self._receive(asked, given, keys)
            return True
        raise AssertionError  # the second refusal raises

    def _asked(self, key: TokenKey) -> _Asked:
        """Return what to ask for, kept before it is sent: what was not answered before, or a new batch."""
        with self._vault.write():
            purse = self._purse()
            if purse.asked is not None and purse.asked.key == key:
                return purse.asked
            count = batch_of(key.most)
            asked = _Asked(
                key,
                tuple(self._entropy.draw(NONCE_BYTES) for _ in range(count)),
                tuple(voprf.scalar_of(self._entropy.draw(voprf.RANDOM_BYTES)) for _ in range(count)),
            )
            self._keep(purse.tokens, asked)
        return asked

    def _ask(self, asked: _Asked) -> TokenResponse:
        wanted = TokenRequest(
            self._population, asked.key.id, _blinded(asked), asked.key.evidence, self._evidence.data
        )
        answer = self._client.ask(
            "POST",
            TOKENS_PATH,
            encode(wanted),
            purpose=self._purpose,
            content={
                "message": "asks for anonymous tokens",
                "population": self._population,
                "tokens": len(asked.nonces),
                "shows": asked.key.evidence,
            },
            visible="That a device asks for tokens, and what it shows for them. Which of them it uses later, "
            "and when, cannot be told from this.",
        )
        return decode(answer.body, TokenResponse)

    def _receive(self, asked: _Asked, given: TokenResponse, keys: tuple[TokenKey, ...]) -> None:
        """Check and keep a batch; throw away tokens of keys that are not taken any more."""
        taken = {key.id for key in keys[-2:]}
        try:
            outputs = voprf.finalize(
                asked.nonces, asked.blinds, _blinded(asked), given.evaluated, given.proof, asked.key.public
            )
        except ProtocolError:
            raise self._caught(asked.key) from None
        with self._vault.write():
            kept = [one for one in self._purse().tokens if one.key_id in taken]
            fresh = (
                _Token(asked.key.id, nonce, output)
                for nonce, output in zip(asked.nonces, outputs, strict=True)
            )
            self._keep((*kept, *fresh), None)

    def _caught(self, key: TokenKey) -> ForkedLogError:
        self._keep(self._purse().tokens, None)
        return sound(
            self._vault,
            self._client.destination,
            Caught.TOKENS,
            "Tokens were given that were not made with the key that the public log shows to all: with a key "
            "of its own for each device, the coordinator could tell devices apart.",
            {"population": self._population, "key": key.id.hex()},
        )


def _name(destination: str, population: str) -> str:
    """Return where the vault keeps tokens."""
    return f"tokens {destination} {population}"


def _purse(vault: Vault, name: str) -> _Purse:
    stored = vault.setting(name)
    return _Purse() if stored is None else msgspec.msgpack.decode(stored, type=_Purse)


def _blinded(asked: _Asked) -> tuple[bytes, ...]:
    return tuple(voprf.blind(nonce, scalar) for nonce, scalar in zip(asked.nonces, asked.blinds, strict=True))
