"""MovieLens as devices hold it: split, trained on, published, and laid out by the device's own code."""

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from _frozen_splits import load_frozen
from _ml1m import load_ml1m
from confidante.core.values import Catalogue, Histories, Item
from confidante.device.catalog.build import build
from confidante.device.catalog.library import Library
from confidante.device.catalog.text import best_available
from confidante.device.recommend.query import Profile
from confidante.lab.data.ml100k import load_ml100k
from confidante.lab.experiment import Training
from confidante.models.snapshot import Published, decode
from confidante.packs.media import MEDIA

DELTA = 1e-5
NAMES = ("ml-100k", "ml-1m")


@dataclass(frozen=True)
class Data:
    """hidden: the other held-out part: may not be shown either."""

    name: str
    visible: Histories
    held_out: Histories
    hidden: Histories | None
    catalogue: Catalogue
    people: tuple[str, ...]

    @property
    def items(self) -> list[Item]:
        return items_of(self.catalogue)

    def history(self, person: int) -> NDArray[np.int64]:
        """Return the rows of a person's visible events, oldest first."""
        start, stop = self.visible.indptr[person : person + 2].tolist()
        return self.visible.items[start:stop].astype(np.int64)

    def with_events(self, least: int, most_people: int) -> NDArray[np.int64]:
        """Return people with enough visible events, a fixed sample of them when they are too many."""
        people = np.flatnonzero(self.visible.lengths >= least)
        if len(people) > most_people:
            people = np.sort(np.random.default_rng(0).choice(people, most_people, replace=False))
        return people


def items_of(catalogue: Catalogue) -> list[Item]:
    columns = (catalogue.ids, catalogue.titles, catalogue.labels)
    return [Item(*row) for row in zip(*columns, strict=True)]


def shared() -> Path:
    """Return the folder that has data/, or would have it."""
    default = Path(__file__).resolve().parent.parent.parent / "shared"
    return Path(os.environ.get("CONFIDANTE_SHARED", default))


def load(name: str, phase: str) -> Data | None:
    """Return a leave-one-out split; None, having said so, where there are no data sets."""
    folder = shared()
    if not (folder / "data").is_dir():
        print(f"skipped: set CONFIDANTE_SHARED to the folder that has data/ (looked in {folder.name})")
        return None
    read, split = {"ml-1m": (load_ml1m, "ml-1m_ncf.npz"), "ml-100k": (load_ml100k, "ml-100k_loo.npz")}[name]
    frozen = load_frozen(folder / "data/splits" / split, read(folder / "data" / name).catalogue)
    test = phase == "test"
    held_out, other = (frozen.split.test, None) if test else (frozen.split.valid, frozen.split.test)
    return Data(name, frozen.split.visible(valid=test), held_out, other, frozen.catalogue, frozen.user_ids)


def trained(data: Data, epsilon: float | None) -> bytes:
    """Return the published model of the whole federated training."""
    return Training(epsilon=epsilon, delta=DELTA, seed=0).train(data.visible, data.catalogue).published


def library(data: Data, published: bytes | Published | None) -> Library:
    """Return the items as a device lays them out; a row is an item of the catalogue."""
    return library_of(data.catalogue, published)


def library_of(catalogue: Catalogue, published: bytes | Published | None) -> Library:
    if isinstance(published, bytes):
        published = decode(published)
    rows = np.arange(len(catalogue), dtype=np.int64)
    return build(
        items_of(catalogue), rows, np.zeros(len(rows), dtype=np.bool_), published, best_available, MEDIA
    )


def profile(rows: NDArray[np.int64]) -> Profile:
    """Return what a device knows after these events, oldest first."""
    return Profile(np.arange(len(rows)), rows, np.ones(len(rows)), ({},) * len(rows))


def parser(doc: str | None) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--data", nargs="+", choices=NAMES, default=list(NAMES))
    made.add_argument("--phase", choices=["test", "valid"], default="test")
    made.add_argument("--people", type=int, default=2000, help="at most so many, a fixed sample")
    made.add_argument("--json", action="store_true", help="print one JSON object")
    return made


def dump(value: object) -> None:
    print(json.dumps(value))
