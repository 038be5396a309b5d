"""What the benchmarks of refinement share: a coordinator that refines, a relay, devices, and questions."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import numpy as np

from _rounds import POPULATION, coordinator
from _support import made_up_model, publish_model
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.core.entropy import SystemEntropy
from confidante.core.values import Catalogue, Event
from confidante.crypto import voprf
from confidante.crypto.binary_http import BinaryRequest, BinaryResponse
from confidante.crypto.he.bfv import BfvAsking, BfvScheme
from confidante.crypto.oblivious_http import Sealed
from confidante.device.device import Device
from confidante.device.privacy.consent import PERSON
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.values import Purpose
from confidante.models.refinement.codec import decode_items
from confidante.wire.refinement import (
    ALL,
    LOG_KIND,
    REFINE_PATH,
    Question,
    RefinementOffer,
    Scored,
    statement,
    tokens_of,
)
from confidante.wire.rounds import MSGPACK, Logged, decode, encode
from confidante.wire.tokens import (
    MOST_BATCH,
    TOKENS_PATH,
    TokenKey,
    TokenRequest,
    TokenResponse,
    bind,
)

ITEMS, MODEL_ITEMS, DIMENSIONS, EVENTS = 10_000, 4_000, 64, 30
MORE = f"""
[enrolment]
verifier = "address"
tokens = 100000
[refinement]
items = "store.csv"
dimensions = {DIMENSIONS}
tokens = 100000
"""


def items_of(count: int) -> Catalogue:
    return Catalogue(
        tuple(f"item-{index}" for index in range(count)),
        tuple(f"Title {index}" for index in range(count)),
        tuple(("a", "b")[index % 2 :] for index in range(count)),
    )


@contextmanager
def relay(gateway: str) -> Iterator[tuple[str, int]]:
    """Run a relay, and give its address and number."""
    words = ["relay", "--gateway", gateway, "--port", "0", "--at-once", "64", "--seconds", "30"]
    process = subprocess.Popen(
        [sys.executable, "-m", "confidante.cli", *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        first = process.stdout.readline() if process.stdout is not None else ""
        yield first.split()[-1], process.pid
    finally:
        process.terminate()
        process.communicate(timeout=60)


@contextmanager
def world(folder: Path) -> Iterator[dict[str, Any]]:
    """Run a coordinator that refines and a relay to it, below `folder`."""
    offer = items_of(ITEMS)
    folder.mkdir(parents=True)
    rows = zip(offer.ids, offer.titles, offer.labels, strict=True)
    lines = [f"{item},{title},{'|'.join(labels)},1,0.1" for item, title, labels in rows]
    (folder / "store.csv").write_text("item,title,labels,stock,boost\n" + "\n".join(lines) + "\n")
    with Store.open(f"sqlite:///{folder / POPULATION}.db") as store:  # nobody else is at work on it yet
        store.migrate()
        publish_model(store, Bodies(f"file://{folder / POPULATION}-bodies"), POPULATION, model(), time.time())
    with ExitStack() as stack:
        here = stack.enter_context(coordinator(folder, items=60, devices=5, more=MORE))
        began = time.perf_counter()
        with here.store() as store:
            until_announced(store)
        ready = time.perf_counter() - began
        time.sleep(2.0)  # until the scoring process has its tables
        through, number = stack.enter_context(relay(here.url + "/v1/oblivious"))
        yield {"url": here.url, "relay": through, "pids": [here.pid, number], "ready_seconds": ready}


def until_announced(store: Store) -> None:
    end = time.monotonic() + 120
    while not store.refinement.standing(POPULATION).said:
        if time.monotonic() > end:
            sys.exit(f"nothing was announced: {store.refinement.standing(POPULATION).problem}")
        time.sleep(0.05)


def model() -> bytes:
    return made_up_model(items_of(MODEL_ITEMS), DIMENSIONS)


@contextmanager
def person(folder: Path, url: str, through: str, seed: int) -> Iterator[Device]:
    """A device that is ready to have a list refined."""
    with Device(folder, InsecurePlaintextKey()) as device:
        device.federation.install_model(model())
        rng = np.random.default_rng(seed)
        chosen = rng.choice(MODEL_ITEMS, EVENTS, replace=False)
        now = time.time()
        device.history.record_many(
            [Event(0, f"item-{item}", "view", now - index * 1000.0) for index, item in enumerate(chosen)]
        )
        device.consents.switch(Purpose.REFINE, True, how=PERSON)
        device.refinement.use(url, POPULATION, relay=through, policy="ask", seconds=30.0, at_once=True)
        device.refinement.refresh()
        device.recommend(10)
        yield device


def ask(url: str, method: str, path: str, body: bytes = b"", sort: str = MSGPACK) -> bytes:
    """Return the body of an answer over a connection of its own; SystemExit unless it is 200."""
    parts = urlsplit(url)
    line = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        line.request(method, path, body, {"content-type": sort})
        answer = line.getresponse()
        found = answer.read()
    finally:
        line.close()
    if answer.status != 200:
        sys.exit(f"{method} {path} was answered {answer.status}: {found[:200]!r}")
    return found


@dataclass(frozen=True, slots=True)
class Prepared:
    """A question that is ready to go, and what reads its answer. right: its products, int64 [items]."""

    sealed: Sealed
    asking: BfvAsking
    right: np.ndarray

    def check(self, answer: bytes) -> None:
        """SystemExit unless the answer is right."""
        found = BinaryResponse.decode(self.sealed.open(answer))
        if found.status != 200:
            sys.exit(f"a question was refused: {found.content!r}")
        products = self.asking.read(decode(found.content, Scored).ciphertext, len(self.right))
        if not (products == self.right).all():
            sys.exit("a question was answered wrongly")


def prepared(url: str, count: int) -> list[Prepared]:
    """Return so many questions of strangers, encrypted, paid for and sealed."""
    log = decode(ask(url, "GET", "/v1/log"), list[Logged])
    offered = [decode(one.body, RefinementOffer) for one in log if one.kind == LOG_KIND][-1]
    keys = [decode(one.body, TokenKey) for one in log if one.kind == "tokens"]
    [key] = [one for one in keys if one.population == tokens_of(POPULATION)]
    vectors = decode_items(ask(url, "GET", f"/v1/models/{offered.table.hex()}")).vectors.astype(np.int64)
    rng, tokens = np.random.default_rng(5), list[tuple[bytes, bytes]]()
    while len(tokens) < count:
        tokens += _tokens(url, key)
    found = []
    for nonce, output in tokens[:count]:
        query = rng.integers(-127, 128, DIMENSIONS)
        asking = BfvScheme().ask(query)
        question = Question(POPULATION, BfvScheme.name, offered.model, ALL, asking.request)
        token = bind(key.id, nonce, output, tokens_of(POPULATION), *statement(question))
        body = encode(msgspec.structs.replace(question, token=token))
        inside = BinaryRequest(b"POST", b"https", b"here", REFINE_PATH.encode(), (), body)
        found.append(Prepared(Sealed(inside.encode(), offered.key), asking, vectors @ query))
    return found


def _tokens(url: str, key: TokenKey) -> list[tuple[bytes, bytes]]:
    entropy = SystemEntropy()
    nonces = [entropy.draw(32) for _ in range(MOST_BATCH)]
    blinds = [voprf.scalar_of(entropy.draw(voprf.RANDOM_BYTES)) for _ in nonces]
    blinded = tuple(voprf.blind(one, by) for one, by in zip(nonces, blinds, strict=True))
    asked = encode(TokenRequest(key.population, key.id, blinded, key.evidence))
    given = decode(ask(url, "POST", TOKENS_PATH, asked), TokenResponse)
    outputs = voprf.finalize(nonces, blinds, blinded, given.evaluated, given.proof, key.public)
    return list(zip(nonces, outputs, strict=True))
