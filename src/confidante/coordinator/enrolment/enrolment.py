"""Who gets tokens, how many, and which tokens open the door.

A `Verifier` says whom a request comes from; a subject gets so many tokens in an epoch. What it is remembered
by is a keyed hash, whose key and rows are deleted when the epoch is over. The tokens themselves are anonymous
(`wire.tokens`): nothing here links a check-in to the subject that was given its token.

Keys are made by whichever worker comes first and announced in the public log in the same transaction. The
newest one issues; the one before is taken for an epoch longer. Workers share all of it through the database.
"""

import hashlib
import hmac
import math
import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import final

from confidante.coordinator.config.population import EnrolmentTerms
from confidante.coordinator.enrolment.verifiers import Subject, Verifier, kind_of, verifier_of
from confidante.coordinator.store import Store
from confidante.coordinator.store.values import Spending, TokenKeyRow
from confidante.core.durations import spoken
from confidante.core.entropy import SystemEntropy
from confidante.core.errors import StoreError
from confidante.core.event_log import Seldom
from confidante.crypto import voprf
from confidante.wire.rounds import CheckIn, Redemption, Refusal, Refused, decode, encode
from confidante.wire.tokens import (
    LEAST_KEY_SECONDS,
    LOG_KIND,
    TokenKey,
    TokenRequest,
    TokenResponse,
    bound_to,
    fits,
    key_id,
)

_SECRET_BYTES = 32
_LOOK_SECONDS = 30.0  # between two looks at the database for keys that others made
_KEPT_SECONDS = 3600.0  # from a key's end until what was spent of it is forgotten: others may yet take it
_LEAST_SECONDS = 1.0  # also when one is asked for that nobody here knows


def enrolment_of(
    store: Store, population: str, enrolling: EnrolmentTerms, *, now: Callable[[], float] = time.time
) -> "Enrolment | None":
    """Return who is let into a population, None when everybody is; it has its key when this returns.

    Raises DataError when there is no such verifier, and StoreError.
    """
    if enrolling.verifier == "open":
        return None
    verifier = verifier_of(enrolling.verifier, store, population)
    made = Enrolment(store, population, verifier, enrolling, now=now)
    made.keep_up()
    return made


def change_ahead(store: Store, population: str, enrolling: EnrolmentTerms, now: float) -> str:
    """Return in words what of an operator's change the public log does not say yet, empty when it says all.

    Keys of tokens never follow each other within an hour, so nor does what they say. Changes nothing. Raises
    DataError when there is no such verifier, and StoreError.
    """
    if enrolling.verifier == "open":
        return ""
    kind, kept = kind_of(enrolling.verifier), store.tokens.keys(population)
    if not kept:
        return ""
    said = _terms(kept[-1])
    wanted = _announcement(population, said.public, enrolling, kind)
    if said == wanted:
        return ""
    left = kept[-1].made + LEAST_KEY_SECONDS - now
    when = f"in {spoken(left)}" if left > 0 else "within a minute of running"
    until = (
        "is no device that goes by the log given tokens" if kind != said.evidence else "devices go by the log"
    )
    return (
        f"{population}: the public log says: {_in_words(said)}; its file says: {_in_words(wanted)}. `run` "
        f"announces that {when}, as keys are an hour apart; until then {until}"
    )


def _announcement(population: str, public: bytes, enrolling: EnrolmentTerms, kind: str) -> TokenKey:
    """Return what the public log is to say of a key."""
    return TokenKey(population, public, enrolling.seconds, kind, enrolling.most)


def _terms(kept: TokenKeyRow) -> TokenKey:
    return decode(kept.said, TokenKey)


def _in_words(said: TokenKey) -> str:
    return f"by {said.evidence}, {said.most} tokens in {spoken(said.seconds)}"


@final
class Enrolment:
    """The tokens of one population. May be used from many threads."""

    def __init__(
        self,
        store: Store,
        population: str,
        verifier: Verifier,
        enrolling: EnrolmentTerms,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        """now: seconds since 1970."""
        self._store, self._population, self._verifier, self._terms = store, population, verifier, enrolling
        self._now, self._entropy = now, SystemEntropy()
        self._lock = threading.Lock()
        self._kept: tuple[TokenKeyRow, ...] = ()
        self._looked = -math.inf
        self._verifier_failed = Seldom("verifier failed")
        self._epoch = -1
        self._secret = lru_cache(4)(self._read_secret)
        self._key = lru_cache(4)(voprf.SecretKey.decode)

    def keep_up(self) -> None:
        """Make a key when one is due, and forget what belongs to epochs that are over. Raises StoreError.

        To be called often: it looks at the database once in a while only.
        """
        now = self._now()
        with self._lock:
            if not self._looked <= now < self._looked + _LOOK_SECONDS:
                self._keep_up(now)

    def issue(self, asked: TokenRequest, address: str) -> TokenResponse | Refusal:
        """Give tokens for a request that came from a network address, or say why not.

        Raises WireError for elements that are none, and StoreError.
        """
        now = self._now()
        newest = self._keys(now, asked.key_id)[-1]
        if asked.key_id != newest.id:
            return Refusal(Refused.OLD_KEY, "tokens are made with the newest key of the public log only")
        if asked.kind != self._verifier.kind:
            return Refusal(Refused.NO_EVIDENCE, self._asks_for(newest, now))
        found = self._ask_verifier(asked.evidence, address)
        if isinstance(found, Refusal):
            return found
        for element in asked.blinded:  # before they count
            voprf.check_element(element)
        epoch, count = self._epoch_of(now), len(asked.blinded)
        request = hashlib.sha256(asked.key_id + b"".join(asked.blinded)).digest()
        subject = self._hidden(found, epoch)
        if not self._store.tokens.give(self._population, epoch, subject, request, count, self._terms.most):
            left = (epoch + 1) * self._terms.seconds - now
            return Refusal(
                Refused.TOO_MANY,
                f"one subject gets {self._terms.most} tokens in {spoken(self._terms.seconds)}: "
                f"ask again in {spoken(left)}",
            )
        scalar = voprf.scalar_of(self._entropy.draw(voprf.RANDOM_BYTES))
        return TokenResponse(*voprf.blind_evaluate(self._key(newest.secret), asked.blinded, scalar))

    def _asks_for(self, newest: TokenKeyRow, now: float) -> str:
        """Return what evidence is asked for, also while the log says what was asked for before."""
        kind = self._verifier.kind
        if _terms(newest).evidence == kind:
            return f"what is asked for here is: {kind}"
        left = newest.made + LEAST_KEY_SECONDS + _LOOK_SECONDS - now
        return (
            f"what is asked for here was changed to: {kind}, which the public log will say in "
            f"{spoken(left)}: ask again then"
        )

    def _ask_verifier(self, evidence: bytes, address: str) -> Subject | Refusal:
        """Return whom the verifier says a request is of; of one that fails, nothing but how is told."""
        try:
            found: object = self._verifier.check(evidence, address)
        except StoreError:  # of a verifier that looks into the store, as ours do
            raise
        # The operator's own code runs here and may raise anything, with the evidence in its text.
        except Exception as error:  # noqa: BLE001
            failed = type(error).__name__
        else:
            if isinstance(found, Subject | Refusal):
                return found
            failed = f"returned {type(found).__name__}"
        self._verifier_failed(population=self._population, verifier=self._terms.verifier, problem=failed)
        return Refusal(Refused.VERIFIER_FAILED, "the evidence could not be checked just now: ask again later")

    def redeem(self, made: CheckIn) -> Spending | Refusal:
        """Check the token of a check-in, or say what is wrong with it; nothing is spent yet.

        Raises StoreError.
        """
        return self.redeem_for(made.token, made.identity, made.seat)

    def redeem_for(self, token: Redemption | None, identity: bytes, seat: bytes) -> Spending | Refusal:
        """Check a token that is bound to these two names, as `redeem` does that of a check-in."""
        if token is None:
            return Refusal(Refused.NO_TOKEN, "this population asks for an anonymous token")
        now = self._now()
        taken = self._taken(self._keys(now, token.key_id), now)
        key = next((one for one in taken if one.id == token.key_id), None)
        if key is None:
            return Refusal(Refused.OLD_KEY, "the key of this token is not in use any more: ask for new ones")
        if not fits(self._key(key.secret), token, self._population, identity, seat):
            return Refusal(Refused.BAD_TOKEN, "the token does not belong to what it came with")
        return Spending(token.key_id, token.nonce, bound_to(identity, seat))

    # --- keys

    def _epoch_of(self, now: float) -> int:
        return int(now // self._terms.seconds)

    def _keys(self, now: float, wanted: bytes) -> tuple[TokenKeyRow, ...]:
        """Return the keys that are kept, the newest last, looked up anew when it is time to."""
        with self._lock:
            known = any(key.id == wanted for key in self._kept)
            # One that is not known may have been made by another worker just now.
            if now >= self._looked + (_LOOK_SECONDS if known else _LEAST_SECONDS) or now < self._looked:
                self._keep_up(now)
            return self._kept

    def _taken(self, kept: Sequence[TokenKeyRow], now: float) -> Sequence[TokenKeyRow]:
        """Return the keys whose tokens are taken: the newest, and for an epoch more the one before."""
        both = self._epoch_of(now) <= self._epoch_of(kept[-1].made) + 1
        return kept[-2:] if both else kept[-1:]

    def _keep_up(self, now: float) -> None:
        tokens, epoch = self._store.tokens, self._epoch_of(now)
        kept = tokens.keys(self._population)
        if self._due(kept, now):
            made = self._make(now)
            tokens.add_key(self._population, made, LOG_KIND, kept[-1].id if kept else None)
            kept = tokens.keys(self._population)
        taken = {key.id for key in self._taken(kept, now)}
        old = self._old(kept, now)
        if old or epoch != self._epoch:
            tokens.forget(self._population, epoch, old)
        self._kept = tuple(key for key in kept if key.id in taken)
        self._looked, self._epoch = now, epoch

    def _old(self, kept: Sequence[TokenKeyRow], now: float) -> list[bytes]:
        """Return the keys that no worker takes any more, however long ago it looked at the database."""
        known = [key for key in kept if key.made <= now - _KEPT_SECONDS]
        if not known:
            return []
        late = self._taken(known, now - _KEPT_SECONDS)
        return [key.id for key in known if key not in late]

    def _due(self, kept: Sequence[TokenKeyRow], now: float) -> bool:
        """Whether a new key is to be made: the newest is old, or says what is not true any more."""
        if not kept:
            return True
        newest = kept[-1]
        says = self._said(_terms(newest).public) == newest.said
        due = not says or self._epoch_of(newest.made) + self._terms.rotate <= self._epoch_of(now)
        return due and now >= newest.made + LEAST_KEY_SECONDS

    def _make(self, now: float) -> TokenKeyRow:
        made = voprf.SecretKey.derive(self._entropy.draw(_SECRET_BYTES), self._population.encode())
        return TokenKeyRow(key_id(made.public), made.encode(), self._said(made.public), now)

    def _said(self, public: bytes) -> bytes:
        return encode(_announcement(self._population, public, self._terms, self._verifier.kind))

    # --- subjects

    def _hidden(self, subject: Subject, epoch: int) -> bytes:
        """Return what a subject is remembered by in an epoch."""
        named = f"{len(self._verifier.kind)} {self._verifier.kind} {subject.name}".encode()
        return hmac.digest(self._secret(epoch), named, "sha256")

    def _read_secret(self, epoch: int) -> bytes:
        return self._store.tokens.secret(self._population, epoch, self._entropy.draw(_SECRET_BYTES))
