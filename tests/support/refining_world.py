"""A coordinator that refines lists, behind a real socket, and questions to it."""

import hashlib
import itertools
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
from http_world import KEY, listening
from populations import OPEN, catalogue_of, write_population
from published_model import made_up_model, publish_model

from confidante.coordinator.config.population import Population
from confidante.coordinator.config.population_file import read_population
from confidante.coordinator.http import Coordinator, HttpSettings
from confidante.coordinator.operator.view import PageSettings
from confidante.coordinator.refinement.refinements import Refinements, enrolments_of
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.crypto import voprf
from confidante.crypto.binary_http import BinaryRequest, BinaryResponse
from confidante.crypto.oblivious_http import REQUEST_TYPE, RESPONSE_TYPE, Sealed
from confidante.models.refinement.codec import decode_items, decode_query
from confidante.models.refinement.model import ItemSide, QuerySide
from confidante.testing.plain_scoring import PlainAsking, PlainScheme
from confidante.wire.refinement import (
    ALL,
    LOG_KIND,
    OBLIVIOUS_PATH,
    REFINE_PATH,
    Question,
    RefinementOffer,
    Scored,
    statement,
    tokens_of,
)
from confidante.wire.rounds import MSGPACK, Redemption, Refusal, decode, encode
from confidante.wire.tokens import TOKENS_PATH, TokenKey, TokenRequest, TokenResponse, bind

NAME = "films"
PLAIN = "confidante.testing.plain_scoring:PlainScheme"
_NUMBERS = itertools.count(1)
BY_ADDRESS = '\n[enrolment]\nverifier = "address"\n'


def table(**terms: object) -> str:
    """The table of the population's file."""
    said = {"items": "store.csv", "dimensions": 6, "schemes": [PLAIN], **terms}

    def shown(value: object) -> str:
        return str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')

    return "\n[refinement]\n" + "".join(f"{name} = {shown(value)}\n" for name, value in said.items())


def write_offer(
    folder: Path, items: int, gone: tuple[int, ...] = (), boost: Mapping[int, float] | None = None
) -> None:
    """Write all that there is to offer; a new file in the old one's place, as a careful program does."""
    catalogue, boosts = catalogue_of(items), boost or {}
    lines = ["item,title,labels,stock,boost"]
    for row, (item, title, labels) in enumerate(
        zip(catalogue.ids, catalogue.titles, catalogue.labels, strict=True)
    ):
        lines.append(f"{item},{title},{'|'.join(labels)},{int(row not in gone)},{boosts.get(row, '')}")
    half = folder / "store.tmp"
    half.write_text("\n".join(lines) + "\n")
    half.replace(folder / "store.csv")


def population_of(folder: Path, *, items: int = 30, more: str = OPEN, **terms: object) -> Population:
    """Write a population of 20 items whose offer has `items`, and read it."""
    file = write_population(folder, name=NAME, items=20, devices=5, noise=False, more=more + table(**terms))
    write_offer(folder, items)
    return read_population(file)


@dataclass
class World:
    url: str
    folder: Path
    store: Store
    bodies: Bodies
    population: Population
    refinements: Refinements
    coordinator: Coordinator
    now: float = field(default_factory=time.time)

    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    def offered(self) -> list[RefinementOffer]:
        return [
            decode(one.body, RefinementOffer)
            for one in self.store.log.entries(0, 1000)
            if one.kind == LOG_KIND
        ]

    def sides(self) -> tuple[QuerySide, ItemSide]:
        said = self.offered()[-1]
        return (
            decode_query(self.bodies.get(said.model.hex())),
            decode_items(self.bodies.get(said.table.hex())),
        )

    def question(self, bucket: int = ALL, **changed: Any) -> tuple[Question, PlainAsking, np.ndarray]:
        """A question, and what reads its answer; the query that it asks."""
        said = self.offered()[-1]
        query = np.random.default_rng(bucket + 1).integers(-127, 128, self.sides()[0].dimensions)
        asking = PlainScheme().ask(query)
        made = Question(NAME, PlainScheme.name, said.model, bucket, asking.request)
        return msgspec.structs.replace(made, **changed), asking, query

    def ask(self, question: Question) -> BinaryResponse:
        return self.send(encode(question))

    def send(self, content: bytes, path: str = REFINE_PATH, method: bytes = b"POST") -> BinaryResponse:
        inside = BinaryRequest(method, b"https", b"here", path.encode(), (), content)
        return self.seal(inside.encode())

    def seal(self, inside: bytes) -> BinaryResponse:
        sealed = Sealed(inside, self.offered()[-1].key)
        answer = self.post(sealed.data)
        assert (answer.status_code, answer.headers["content-type"]) == (200, RESPONSE_TYPE), answer.content
        return BinaryResponse.decode(sealed.open(answer.content))

    def post(self, envelope: object, sort: str = REQUEST_TYPE) -> httpx.Response:
        with self.http() as http:
            return http.post(OBLIVIOUS_PATH, content=envelope, headers={"content-type": sort})

    def outcomes(self) -> dict[str, float]:
        return {
            sample.labels["outcome"]: sample.value
            for family in self.coordinator.metrics.questions.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
        }

    def look(self) -> None:
        for _ in range(2):  # a file that changed is read when two looks saw the same
            self.refinements.look()

    def tokens(self, count: int = 4) -> "Tokens":
        """Fetch tokens for questions, as a device does."""
        keys = [decode(one.body, TokenKey) for one in self.store.log.entries(0, 1000) if one.kind == "tokens"]
        [key] = [one for one in keys if one.population == tokens_of(NAME)]
        drawn = [next(_NUMBERS).to_bytes(32, "big") for _ in range(count)]
        nonces = [hashlib.sha256(one).digest() for one in drawn]
        blinds = [voprf.scalar_of((one * 2)[: voprf.RANDOM_BYTES]) for one in drawn]
        blinded = tuple(voprf.blind(one, by) for one, by in zip(nonces, blinds, strict=True))
        asked = TokenRequest(key.population, key.id, blinded, key.evidence)
        with self.http() as http:
            answer = http.post(TOKENS_PATH, content=encode(asked), headers={"content-type": MSGPACK})
        assert answer.status_code == 200, answer.content
        given = decode(answer.content, TokenResponse)
        outputs = voprf.finalize(nonces, blinds, blinded, given.evaluated, given.proof, key.public)
        return Tokens(key.id, list(zip(nonces, outputs, strict=True)))


@dataclass
class Tokens:
    key_id: bytes
    left: list[tuple[bytes, bytes]]

    def pay(self, question: Question, population: str = NAME) -> Question:
        nonce, output = self.left.pop()
        token: Redemption = bind(self.key_id, nonce, output, tokens_of(population), *statement(question))
        return msgspec.structs.replace(question, token=token)


def refusal(answer: BinaryResponse) -> tuple[int, str]:
    return answer.status, decode(answer.content, Refusal).reason


def scored(answer: BinaryResponse) -> Scored:
    assert answer.status == 200, answer.content
    return decode(answer.content, Scored)


@contextmanager
def refining(
    folder: Path, *, items: int = 30, more: str = OPEN, body: float = 3.0, least: float = 0.0, **terms: object
) -> Iterator[World]:
    """Serve a population that refines, with a model and an offer; nothing looks unless told to.

    least: seconds from one announcement to the next.
    """
    population = population_of(folder, items=items, more=more, **terms)
    with Store.open(f"sqlite:///{folder / 'store.db'}") as store:
        store.migrate()
        bodies = Bodies(f"file://{folder / 'bodies'}")
        publish_model(store, bodies, NAME, made_up_model(catalogue_of(20), 8), time.time())
        refinements = Refinements(store, bodies, [population], least=least)
        try:
            for _ in range(2):
                refinements.look()
            serving = HttpSettings((NAME,), KEY, enrolments=enrolments_of(store, population), body=body)
            page_settings = PageSettings((population,), f"file://{folder / 'bodies'}")
            coordinator = Coordinator(
                store, bodies, serving, refinements=refinements, page_settings=page_settings
            )
            with listening(coordinator) as port:
                url = f"http://127.0.0.1:{port}"
                yield World(url, folder, store, bodies, population, refinements, coordinator)
        finally:
            refinements.stop()
