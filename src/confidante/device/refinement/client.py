"""One question, from a rounded query to what a server knows of its items, and what the person may read of it.

The query leaves as ciphertext under a key made for this question, sealed to the server's gateway, through a
relay: the relay sees who asks and cannot open it, the gateway opens it and cannot read the query in it. What
the answer says is decrypted here and goes nowhere.

No list of candidates is ever sent, so none is padded or mixed with decoys: a question is about all of the
server's items, or about one bucket of them, and what is wanted to show an item came with a refresh.
"""

import math
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import msgspec
import numpy as np

from confidante.core.entropy import SystemEntropy
from confidante.core.errors import ConsentError, DataError, WireError
from confidante.crypto.binary_http import BinaryRequest, BinaryResponse
from confidante.crypto.he.scheme import LARGEST, Asking
from confidante.crypto.oblivious_http import REQUEST_TYPE, Sealed
from confidante.device.federation.alarms import require_none
from confidante.device.federation.coordinator_client import CoordinatorClient
from confidante.device.federation.wallet import Wallet
from confidante.device.privacy.http_request import HttpRequest, render
from confidante.device.privacy.ledger import Ledger
from confidante.device.refinement import vault_state
from confidante.device.refinement.download_policy import DAY
from confidante.device.refinement.merging import Heard
from confidante.device.refinement.schemes import SCHEMES, known
from confidante.device.refinement.scoring_tokens import wallet
from confidante.device.refinement.vault_state import Prepared, Setup
from confidante.device.storage.settings import no_profiling
from confidante.device.storage.vault import Vault
from confidante.device.values import NotRefined, Purpose
from confidante.models.refinement.model import QuerySide, Rounded
from confidante.wire.refinement import (
    ALL,
    MOST_ANSWER_BYTES,
    OBLIVIOUS_PATH,
    REFINE_PATH,
    Question,
    Scored,
    statement,
)
from confidante.wire.rounds import MSGPACK, Refusal, Refused, decode, encode

if TYPE_CHECKING:
    from confidante.device.privacy.egress import Egress, Response

TASK = "having a list refined"
_STEP = 1024  # sizes of questions are multiples of so many bytes
_NAME_BYTES = 32
MOST_BYTES = MOST_ANSWER_BYTES + (1 << 20)
"""Bytes of an answer, all in all."""


def trusted(certificates: str) -> ssl.SSLContext | None:
    """Return what to trust in place of the system's certificates, None for the system's.

    certificates: in PEM, or empty. DataError for anything else.
    """
    if not certificates:
        return None
    try:
        return ssl.create_default_context(cadata=certificates)
    except (ssl.SSLError, ValueError) as error:
        raise DataError(f"not a certificate that can be trusted ({error}): give it as PEM") from None


class NotRefinedError(Exception):
    """The local list stands. The text is a sentence for the person."""

    def __init__(self, reason: NotRefined, said: str) -> None:
        self.reason = reason
        super().__init__(said)


@final
@dataclass(slots=True)
class Trip:
    """One question on its way.

    egress: sends it, and can be stopped. departure: its number in the ledger, once there. down: bytes of the
    answer.
    """

    egress: "Egress"
    departure: int | None = None
    down: int = 0


@final
class ScoringClient:
    """Asks one server, as it was prepared."""

    def __init__(self, vault: Vault, ledger: Ledger, setup: Setup, prepared: Prepared) -> None:
        self._vault, self._ledger = vault, ledger
        self._setup, self._prepared = setup, prepared
        self._server = render("GET", setup.url)

    def ask(self, side: QuerySide, rounded: Rounded, trip: Trip) -> Heard:
        """Ask, once, and return what was heard.

        NotRefinedError when something is missing or the answer is none; EgressError, WireError and
        ForkedLogError as they come.
        """
        self._require_rested()
        offered = self._prepared.offered
        name = known(offered.schemes)
        if not name:
            raise NotRefinedError(
                NotRefined.NO_LIBRARY,
                "No library for the server's encryption scheme is installed: install confidante[he].",
            )
        require_none(self._vault, self._server.destination)
        asking = SCHEMES[name]().ask(rounded.values)
        bucket, spends = self._bucket(side, rounded)
        try:
            question = Question(self._setup.population, name, offered.model, bucket, asking.request)
            question = self._paid_for(question)
            sealed, made = self._sealed(question)
            trip.departure = self._written(question, made, side, spends)
        except BaseException:
            if spends:
                self._ledger.rounds.give_up(spends)
            raise
        answer = trip.egress.deliver(trip.departure, made)
        trip.down = len(answer.body)
        return self._heard(sealed, answer, asking, side, rounded, question)

    def _require_rested(self) -> None:
        """Refuse to ask right after the server saw this device, unless it sees it anyway or may."""
        until = None if self._setup.direct or self._setup.at_once else vault_state.rests_until(self._vault)
        if until is not None:
            minutes = math.ceil((until - self._vault.now()) / 60)
            raise NotRefinedError(
                NotRefined.TOO_SOON,
                "This device fetched from the server just now, so the server could guess whose question is "
                f"next: ask again in {minutes} {'minute' if minutes == 1 else 'minutes'}.",
            )

    def _bucket(self, side: QuerySide, rounded: Rounded) -> tuple[int, bytes]:
        """Return the bucket to ask for, and a name for what its choice costs; `ALL` costs nothing."""
        if not (self._setup.epsilon > 0 and side.bucket_count):
            return ALL, b""
        from confidante.device.refinement.bucket import choose

        entropy = SystemEntropy()
        name = entropy.draw(_NAME_BYTES)
        try:
            self._ledger.rounds.set_aside(name, TASK, self._setup.epsilon)
        except ConsentError as error:
            raise NotRefinedError(NotRefined.NO_BUDGET, str(error)) from None
        return choose(side.centroids, rounded.values, self._setup.epsilon, entropy), name

    def _paid_for(self, question: Question) -> Question:
        """Return the question with a token, where the server wants one."""
        if not self._prepared.offered.most:
            return question
        token = self._wallet().spend(*statement(question))
        if token is None:
            raise NotRefinedError(
                NotRefined.NO_TOKENS, "No token is left for a question: the next refresh gets more."
            )
        return msgspec.structs.replace(question, token=token)

    def _sealed(self, question: Question) -> tuple[Sealed, HttpRequest]:
        body = encode(question)
        authority = self._server.destination.partition("://")[2].encode()
        fields = ((b"content-type", MSGPACK.encode()),)
        inner = BinaryRequest(b"POST", b"https", authority, REFINE_PATH.encode(), fields, body).encode()
        sealed = Sealed(inner + bytes(-len(inner) % _STEP), self._prepared.offered.key)
        url = self._setup.relay or self._setup.url + OBLIVIOUS_PATH
        return sealed, render("POST", url, sealed.data, content_type=REQUEST_TYPE)

    def _written(self, question: Question, made: HttpRequest, side: QuerySide, spends: bytes) -> int:
        """Write down what leaves next, and return its number; what its bucket costs is spent then."""
        setup = self._setup
        everything = question.bucket == ALL
        content = {
            "message": "an encrypted question",
            "ciphertext": True,
            "to": self._server.destination,
            "through": made.destination if setup.relay else None,
            "population": setup.population,
            "scheme": question.scheme,
            "bytes of ciphertext": len(question.ciphertext),
            "items": side.items if everything else side.bucket_size,
            "dimensions": side.dimensions,
            "bucket": "all" if everything else question.bucket,
            "vectors": question.about.hex(),
            "paid with a token": question.token is not None,
        }
        visible = f"{self._visible(made, everything=everything)} {made.seen}"
        with self._vault.lock:
            if no_profiling(self._vault):
                raise NotRefinedError(
                    NotRefined.NO_PROFILING, "No-profiling mode was switched on meanwhile: nothing was asked."
                )
            departure = self._ledger.write(
                Purpose.REFINE,
                TASK,
                made.destination,
                made.data,
                content,
                visible,
                round=spends or None,
                epsilon=setup.epsilon if spends else 0.0,
            )
        return departure.number

    def _visible(self, made: HttpRequest, *, everything: bool) -> str:
        """Return what each party learns, for the person."""
        about = (
            "about all items"
            if everything
            else f"about one bucket of them, chosen by chance (epsilon {self._setup.epsilon:g})"
        )
        server = (
            f"The server {self._server.destination} learns that somebody has a question {about}, and when; "
            "the question itself is ciphertext to it, and what comes of it is read on this device only."
        )
        if not self._setup.relay:
            return f"It goes to the server without a relay, so the server sees who asks. {server}"
        return (
            f"The relay {made.destination} learns that this device has something refined, and how many bytes "
            f"it takes; it cannot open it. {server} Relay and server learn both only if they work together."
        )

    def _heard(
        self,
        sealed: Sealed,
        answer: "Response",
        asking: Asking,
        side: QuerySide,
        rounded: Rounded,
        question: Question,
    ) -> Heard:
        if answer.status == 400 and self._vault.now() >= self._prepared.at + DAY:
            raise NotRefinedError(
                NotRefined.STALE,
                "The server could not open the question, because its key is more than a day old: the "
                "next refresh fetches a new one.",
            )
        if answer.status != 200:
            raise NotRefinedError(NotRefined.RELAY, f"The relay answered with status {answer.status}.")
        try:
            opened = sealed.open(answer.body)
        except WireError as error:
            raise NotRefinedError(
                NotRefined.RELAY, f"The answer did not come from the server: {error}."
            ) from None
        response = BinaryResponse.decode(opened)
        if response.status != 200:
            raise self._refused(response)
        scored = decode(response.content, Scored)
        if scored.fresh.about != self._prepared.offered.model:
            raise NotRefinedError(
                NotRefined.STALE, "The server answered about other vectors than the question was about."
            )
        rule, there = scored.fresh.read(side.items)
        if question.bucket == ALL:
            rows, size = np.arange(side.items), side.items
        else:
            rows, size = side.in_bucket(question.bucket), side.bucket_size
        products = asking.read(scored.ciphertext, size)[: len(rows)]
        if len(products) and int(np.abs(products).max()) > side.dimensions * LARGEST * LARGEST:
            raise WireError("an answer contains an impossibly large product")
        return Heard(rows, side.points(products, rounded.scale), rule, there)

    def _refused(self, response: BinaryResponse) -> NotRefinedError:
        """Return what a server's refusal, which only it can have sealed, says.

        Nothing is kept of it: what a device did otherwise after one could be seen when it comes again.
        """
        refusal = decode(response.content, Refusal)
        if refusal.reason == Refused.STALE:
            return NotRefinedError(
                NotRefined.STALE,
                "The server has newer vectors than this device: the next refresh fetches them.",
            )
        return NotRefinedError(
            NotRefined.REFUSED, f"The server refused: {refusal.reason}: {refusal.detail}"[:300]
        )

    def _wallet(self) -> Wallet:
        return wallet(self._vault, CoordinatorClient(self._ledger, self._setup.url), self._setup.population)
