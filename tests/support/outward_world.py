"""A vault with its switches and ledger, a clock that tests turn, and a small population for private sums."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from confidante.core.values import Histories
from confidante.device.privacy.consent import PERSON, Consents
from confidante.device.privacy.ledger import EgressRecord, Ledger
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.storage.vault import Vault
from confidante.device.values import Purpose

START = 1_700_000_000.0


class Clock:
    """Seconds that pass one at each look."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        self.now += 1
        return self.now


@dataclass(frozen=True)
class Home:
    """What a device has around its sending side."""

    vault: Vault
    consents: Consents
    ledger: Ledger
    clock: Clock

    def write(self, data: bytes = b"hello", **more: object) -> EgressRecord:
        """Write something for training into the ledger."""
        given: dict[str, Any] = {"content": {"greeting": "hello"}, "visible": "That you greet.", **more}
        return self.ledger.write(Purpose.TRAIN, "greeting", "https://example.org", data, **given)


@contextmanager
def home(folder: Path, *on: Purpose, create: bool = True) -> Iterator[Home]:
    """Open (or make) a vault with some switches turned on by the person."""
    clock = Clock()
    vault = Vault.open(folder, InsecurePlaintextKey(), create=create, clock=clock)
    try:
        consents = Consents(vault)
        for purpose in on:
            consents.switch(purpose, True, how=PERSON)
        yield Home(vault, consents, Ledger(vault, consents), clock)
    finally:
        vault.close()


def drawn(label: str, size: int = 32) -> bytes:
    return hashlib.shake_256(label.encode()).digest(size)


ITEMS = tuple(f"item-{index}" for index in range(1000))


def fill(vault: Vault, items: tuple[int, ...]) -> None:
    """Put the catalogue and one event for each of `items` into a vault."""
    with vault.write() as sql:
        for index, name in enumerate(ITEMS):
            sql(
                "INSERT INTO item (key, id, title, labels, description) VALUES (?, ?, ?, '[]', '')",
                (index + 1, name, f"Title {index}"),
            )
        for place, item in enumerate(items):
            sql(
                "INSERT INTO event (item, kind, at, context) VALUES (?, 'view', ?, '{}')",
                (item + 1, START - 1000 + place),
            )


def history(items: tuple[int, ...]) -> Histories:
    """Return the same events as a history of one person."""
    return Histories(
        np.array([0, len(items)], dtype=np.int64),
        np.array(items, dtype=np.int32),
        np.array([int(START) - 1000 + place for place in range(len(items))], dtype=np.int64),
    )
