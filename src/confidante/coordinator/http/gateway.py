"""The gateway of sealed questions (RFC 9458), and what is fresh for those who need to ask nothing.

A question comes in an envelope that a relay handed on; inside, its vector is encrypted once more. Whatever is
wrong inside is answered inside, so a relay cannot tell a refusal but by its size. In the clear is told only
that an envelope cannot be opened, or was never read. Nothing is logged of a question.
"""

from collections.abc import Sequence
from functools import partial
from typing import final

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from confidante.coordinator.http.app_state import AppState, Routes
from confidante.coordinator.http.group_commit import Batched
from confidante.coordinator.http.request_body import RequestRefusedError, read_body
from confidante.coordinator.refinement.offering import Served
from confidante.coordinator.refinement.refinements import Refinements
from confidante.coordinator.refinement.scorer import HANDS, NoScorerError
from confidante.coordinator.store.values import Spending
from confidante.core.address_quota import AddressQuota
from confidante.core.errors import StoreError, WireError
from confidante.crypto.binary_http import BinaryRequest, BinaryResponse
from confidante.crypto.oblivious_http import REQUEST_TYPE, RESPONSE_TYPE, Reply
from confidante.wire.refinement import (
    ALL,
    FRESH_PATH,
    OBLIVIOUS_PATH,
    REFINE_PATH,
    Question,
    Scored,
    statement,
    tokens_of,
)
from confidante.wire.rounds import MSGPACK, Refusal, Refused, decode, encode

MOST_AT_ONCE = 64
"""Envelopes in this process at a time; as many wait to be scored at most."""

MOST_COMING = 4 * MOST_AT_ONCE
"""Envelopes that are not all here yet; of one address `MOST_AT_ONCE`, which is what a relay needs."""

_MORE_BYTES = 64 << 10  # than a question has: its envelope, and padding
_REFUSAL_BYTES = 1536  # all refusals have one size, so that it does not tell the reason
_FIELDS = ((b"content-type", MSGPACK.encode()),)
_FRESH_FOR = "public, max-age=5"


@final
class GatewayRoutes:
    """Questions, and what is fresh."""

    def __init__(self, app_state: AppState, refinements: Refinements) -> None:
        self._app, self._refinements = app_state, refinements
        self._enrolments = app_state.settings.enrolments
        self._spend = Batched(app_state.run, self._spend_all)
        self._opening = CapacityLimiter(2)
        self._scoring = CapacityLimiter(HANDS)
        self._crowd = AddressQuota(MOST_AT_ONCE)
        self._coming = self._here = 0
        self.routes: Routes = (
            ("POST", OBLIVIOUS_PATH, self.ask),
            ("GET", FRESH_PATH, self.fresh),
        )

    async def ask(self, request: Request) -> Response:
        """Answer a sealed question, sealed."""
        data = await self._read(request)
        self._here += 1
        try:
            return await self._ask(data)
        finally:
            self._here -= 1

    async def fresh(self, request: Request) -> Response:
        """Return what is fresh: which items can be had, and what the operator's rules add to each."""
        offering = self._refinements.offerings.get(str(request.path_params["population"]))
        if offering is None or not offering.served:
            raise RequestRefusedError(404, Refused.NO_SUCH_THING, "nothing is refined here")
        served = offering.served[0]
        head = {"etag": served.tag, "cache-control": _FRESH_FOR}
        if served.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=head)
        return Response(served.fresh_bytes, media_type=MSGPACK, headers=head)

    async def _read(self, request: Request) -> bytes:
        """Return the envelope. Slow ones keep nobody out whose own is here, nor do many of one address."""
        whose = self._crowd.enter(request.client.host if request.client else "")
        try:
            if whose is None or self._coming >= MOST_COMING or self._here >= MOST_AT_ONCE:
                raise _busy()
            self._coming += 1
            try:
                size = self._refinements.scorer.question_bytes
                if not size:  # this process has nothing to score with yet, so nothing is read
                    raise _busy()
                most = size + size // 16 + _MORE_BYTES  # a scheme's questions may differ by a little
                data = await read_body(request, REQUEST_TYPE, most, self._app.settings.body)
            finally:
                self._coming -= 1
        finally:
            if whose is not None:
                self._crowd.leave(whose)
        if self._here >= MOST_AT_ONCE:
            raise _busy()
        return data

    async def _ask(self, data: bytes) -> Response:
        metrics = self._app.metrics
        metrics.received.inc(len(data))
        metrics.question_bytes.labels("in").inc(len(data))
        opened, reply = await self._open(data)
        del data
        said: Scored | RequestRefusedError
        with metrics.question_seconds.time():
            try:
                said, outcome = await self._answer(opened), "answered"
            except RequestRefusedError as error:
                outcome, said = error.reason, error
            except WireError as error:
                said = RequestRefusedError(400, Refused.MALFORMED, str(error))
                outcome = said.reason
            except (StoreError, NoScorerError):
                said = RequestRefusedError(503, Refused.BUSY, "not now: ask again later")
                outcome = said.reason
        metrics.questions.labels(outcome).inc()
        sealed = await to_thread.run_sync(partial(_seal, reply, said), limiter=self._opening)
        metrics.sent.inc(len(sealed))
        metrics.question_bytes.labels("out").inc(len(sealed))
        return Response(sealed, media_type=RESPONSE_TYPE, headers={"cache-control": "no-store"})

    async def _open(self, data: bytes) -> tuple[bytes, Reply]:
        try:
            return await to_thread.run_sync(partial(self._refinements.keys.open, data), limiter=self._opening)
        except WireError:
            self._app.metrics.questions.labels("unopened").inc()
            raise

    async def _answer(self, opened: bytes) -> Scored:
        """Return what is answered; RequestRefusedError, WireError, StoreError or NoScorerError."""
        question, served, spending = await to_thread.run_sync(
            partial(self._check, opened), limiter=self._opening
        )
        if self._scoring.statistics().tasks_waiting >= MOST_AT_ONCE:
            raise _busy()
        if spending is not None:
            problem = await self._spend(spending)
            if problem is not None:
                raise problem
        name, scorer = served.table(question.scheme, question.bucket), self._refinements.scorer
        products = await to_thread.run_sync(
            partial(scorer.answer, name, question.ciphertext), limiter=self._scoring
        )
        self._refinements.answered(question.population)
        return Scored(served.fresh, products)

    def _check(self, opened: bytes) -> tuple[Question, Served, Spending | None]:
        """Return a question that may be answered, what it is about, and the token that pays for it."""
        asked = BinaryRequest.decode(opened)
        if (asked.method, asked.path) != (b"POST", REFINE_PATH.encode()):
            raise RequestRefusedError(
                404, Refused.NO_SUCH_THING, f"questions are sent by POST to {REFINE_PATH}"
            )
        question = decode(asked.content, Question)
        offering = self._refinements.offerings.get(question.population)
        if offering is None:
            raise RequestRefusedError(404, Refused.NO_POPULATION, "no such population is refined here")
        served = offering.find(question.about)
        if served is None:
            raise RequestRefusedError(409, Refused.STALE, "the vectors were replaced: read the public log")
        if question.scheme not in served.offered.schemes:
            raise RequestRefusedError(
                400, Refused.NO_SCHEME, "this server does not support that encryption scheme: read the log"
            )
        if question.bucket != ALL and question.bucket >= served.query.bucket_count:
            raise RequestRefusedError(404, Refused.NO_SUCH_THING, "there is no such bucket")
        return question, served, self._spending(question)

    def _spending(self, question: Question) -> Spending | None:
        """Return the token of a question, checked; None where none is asked for."""
        enrolment = self._enrolments.get(tokens_of(question.population))
        if enrolment is None:
            return None
        found = enrolment.redeem_for(question.token, *statement(question))
        if isinstance(found, Refusal):
            raise RequestRefusedError(403, found.reason, found.detail)
        return found

    def _spend_all(self, tokens: Sequence[Spending]) -> list[RequestRefusedError | None]:
        """Spend tokens; return for each why it cannot be."""
        spent = self._app.store.refinement.spend(tokens)
        return [
            None if before is None else _spent(one, before) for one, before in zip(tokens, spent, strict=True)
        ]


def _spent(token: Spending, before: bytes) -> RequestRefusedError:
    if before == token.bound:
        return RequestRefusedError(
            403, Refused.REPLAYED, "this very question was answered before: ask another"
        )
    return RequestRefusedError(403, Refused.SPENT_TOKEN, "this token was used before")


def _seal(reply: Reply, said: Scored | RequestRefusedError) -> bytes:
    """Return a sealed response: megabytes, so not for the thread that all else waits for."""
    if isinstance(said, Scored):
        return reply.seal(BinaryResponse(200, _FIELDS, encode(said)).encode())
    refusal = encode(Refusal(said.reason, said.detail[:1000]))
    return reply.seal(BinaryResponse(said.status, _FIELDS, refusal).encode(_REFUSAL_BYTES))


def _busy() -> RequestRefusedError:
    return RequestRefusedError(503, Refused.BUSY, "too many requests at once: ask again later")
