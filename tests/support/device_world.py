"""Sixty made-up films of five genres, a small model of forty-eight of them, and devices that have both.

The profile is built once a process and copied for each test; its key lies beside it.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np

from confidante.core.values import Catalogue, Histories, Item
from confidante.device.device import Device
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.values import Answer, Suggestion
from confidante.tasks.base import NoisySum, Task
from confidante.training.publish import publish
from confidante.training.recipe import settings_for, train

START = 1_780_000_000.0
KNOWN = 48
"""So many films are in the model; the others come later."""

_GENRES = {
    "Space": "Orbit Star Comet Lander Probe Nebula Airlock Moonbase Gravity Signal Eclipse Rover",
    "Crime": "Heist Alibi Witness Verdict Safe Informant Getaway Ransom Forger Motive Detective Vault",
    "Food": "Bread Broth Oven Saffron Kitchen Market Harvest Pastry Supper Vineyard Baker Feast",
    "Music": "Chorus Sonata Rehearsal Encore Drummer Ballad Vinyl Quartet Tempo Refrain Opera Violin",
    "Sea": "Harbour Anchor Tide Lighthouse Whale Captain Storm Reef Sailor Island Wreck Current",
}


@cache
def films() -> tuple[Item, ...]:
    """`m0` to `m59`: genres in turn, so that the last twelve are of every genre."""
    found = []
    for place in range(12):
        for genre, words in _GENRES.items():
            number = len(found)
            also = (("Comedy",), ("Drama",), ())[number % 3]
            word = words.split()[place]
            found.append(
                Item(
                    f"m{number}",
                    f"The {word} ({1960 + number})",
                    (genre, *also),
                    f"A story of {genre.lower()} and a {word.lower()}.",
                )
            )
    return tuple(found)


def of_genre(genre: str) -> list[str]:
    return [film.id for film in films() if genre in film.labels]


@cache
def catalogue() -> Catalogue:
    known = films()[:KNOWN]
    return Catalogue(
        tuple(film.id for film in known),
        tuple(film.title for film in known),
        tuple(film.labels for film in known),
    )


class ExactSums:
    """A sum service without noise, over the very client_update of a device."""

    max_length = 10**7

    def __init__(self, histories: Histories) -> None:
        self.histories = histories

    def noise_sd(self, _name: str) -> float:
        return 0.0

    def take(self, task: Task) -> NoisySum:
        rows = task.client_update(self.histories)
        total = np.bincount(rows.indices, weights=rows.values, minlength=rows.length)
        return NoisySum(total, 0.0, self.histories.people)


@cache
def snapshot(repeat: bool = False, seed: int = 1) -> bytes:
    """A published model, learnt from eighty people who each like a genre or two."""
    rng = np.random.default_rng(seed)
    histories = []
    for person in range(80):
        liked = np.where(
            (np.arange(KNOWN) % 5 == person % 5) | (np.arange(KNOWN) % 5 == (person // 5) % 5), 6, 1
        )
        histories.append(rng.choice(KNOWN, size=15, replace=False, p=liked / liked.sum()))
    indptr = np.arange(0, 15 * 81, 15, dtype=np.int64)
    items = np.concatenate(histories).astype(np.int32)
    sums = ExactSums(Histories(indptr, items, np.arange(len(items), dtype=np.int64)))
    return publish(train(catalogue(), sums, settings_for(noise=False, repeat=repeat)), catalogue())


class Clock:
    """Stands still until a test moves it."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@cache
def _built(repeat: bool) -> tempfile.TemporaryDirectory[str]:
    kept = tempfile.TemporaryDirectory(prefix="profile-")
    with Device(Path(kept.name) / "profile", InsecurePlaintextKey(), clock=Clock()) as device:
        device.federation.install_model(snapshot(repeat))
        device.items.add(films()[KNOWN:])
        device.recommend(1)
    return kept


def open_device(
    folder: Path, *, clock: Callable[[], float] | None = None, fresh: bool = True, repeat: bool = False
) -> Device:
    """Open the profile in `folder`; where there is none, copy the built one there."""
    if fresh and not folder.exists():
        shutil.copytree(Path(_built(repeat).name) / "profile", folder)
    return Device(folder, InsecurePlaintextKey(), create=False, clock=clock or Clock())


def watch(device: Device, ids: Iterable[str], *, start: float = START - 100_000) -> list[int]:
    """Record events an hour apart and return their numbers."""
    numbers = []
    for place, item in enumerate(ids):
        event = device.record(item, at=start + 3600.0 * place)
        assert event is not None
        numbers.append(event.number)
    return numbers


def ids(answer: Answer) -> list[str]:
    return [suggestion.item.id for suggestion in answer.suggestions]


def scores(answer: Answer) -> dict[str, float]:
    return {suggestion.item.id: suggestion.score for suggestion in answer.suggestions}


def everything(device: Device) -> Answer:
    """All candidates with their scores and reasons."""
    return device.recommend(1000)


def adds_up(suggestion: Suggestion) -> bool:
    """Whether the reasons are the score, to 1e-9 of their size."""
    size = sum(abs(reason.points) for reason in suggestion.reasons)
    return abs(suggestion.unexplained) <= 1e-9 * max(size, abs(suggestion.score), 1e-300)
