"""The whole of Confidante on MovieLens-100K: private training, graded, explained and accounted for."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from confidante.core.values import Histories
from confidante.lab.baselines import fit_popularity
from confidante.lab.data.dataset import Dataset
from confidante.lab.demo_profile import DemoProfile, make_profile
from confidante.lab.demo_reasons import ShownPerson, person_shown
from confidante.lab.experiment import Run, Training
from confidante.lab.metrics import (
    Estimate,
    GroupRow,
    Ranks,
    Scorer,
    estimate,
    full_ranks,
    group_table,
    groups_of_people,
    hr_at_k,
    ndcg_at_k,
)
from confidante.lab.published_recommender import PublishedRecommender
from confidante.lab.simulation import Engine, Progress
from confidante.lab.split import Split, leave_one_out

K = 10
DROPOUT = 0.2
MAX_DROPOUT = 0.3
MAX_COLLUSION = 0.1
PRIVATE, POPULARITY, CENTRAL = "private", "popularity", "central"

LABELS = {
    POPULARITY: "popularity",
    PRIVATE: "Confidante, private",
    CENTRAL: "same model, central",
}
MEANING = {
    POPULARITY: "Everybody gets the films that most people have; counted in the open, no privacy.",
    PRIVATE: "Learnt from noisy secure sums only; scored on each person's own device.",
    CENTRAL: (
        "The same model trained centrally without privacy: all histories in one place, no noise, nobody "
        "drops out, with the constants for exact sums."
    ),
}


@final
@dataclass(frozen=True, slots=True)
class Accuracy:
    """How well one model found each person's last item among all items they did not have."""

    model: str
    ndcg: Estimate
    hr: Estimate


@final
@dataclass(frozen=True, slots=True)
class SumCost:
    """What one private sum took. bytes_up, bytes_down: of a median device that stayed; None: no protocol."""

    task: str
    rounds: int
    entries: int
    noise_multiplier: float
    survivors: int
    dropped: int
    bytes_up: int
    bytes_down: int | None


@final
@dataclass(frozen=True, slots=True)
class Demo:
    """All that the demo found; the screen, the report and the JSON are views of it.

    accuracy: one a model. sums: one a private sum. groups: NDCG by group of people, a column a model.
    dropped: devices that vanished during every round. profile: the device that was left to be opened.
    Everything but `seconds` and `profile` follows from the seed.
    """

    source: str
    engine: Engine
    seed: int
    epsilon_asked: float
    epsilon_server: float
    epsilon_release: float
    delta: float
    adjacency: str
    devices: int
    items: int
    events: int
    accuracy: tuple[Accuracy, ...]
    groups: tuple[GroupRow, ...]
    people: tuple[ShownPerson, ...]
    sums: tuple[SumCost, ...]
    dropped: int
    seconds: float
    profile: DemoProfile | None = None

    @property
    def rounds(self) -> int:
        """Secure sums taken."""
        return sum(cost.rounds for cost in self.sums)

    @property
    def bytes_up(self) -> int:
        """Bytes that a device sent in all."""
        return sum(cost.bytes_up for cost in self.sums)

    @property
    def bytes_down(self) -> int | None:
        """Bytes that a device received in all; None without a protocol."""
        down = [cost.bytes_down for cost in self.sums]
        return None if None in down else sum(size for size in down if size is not None)

    def of(self, model: str) -> Accuracy:
        """Return the accuracy of one model."""
        return next(accuracy for accuracy in self.accuracy if accuracy.model == model)

    def to_json(self) -> dict[str, Any]:
        """Return one object with a figure a key; nested objects hold the details."""
        figures: dict[str, Any] = {}
        for model, prefix in ((PRIVATE, ""), (POPULARITY, "popularity_"), (CENTRAL, "central_")):
            for metric in ("ndcg", "hr"):
                found: Estimate = getattr(self.of(model), metric)
                figures[f"{prefix}{metric}_at_{K}"] = found.value
                figures[f"{prefix}{metric}_at_{K}_interval"] = [found.low, found.high]
        return {
            **figures,
            "epsilon": self.epsilon_server,
            "epsilon_release": self.epsilon_release,
            "epsilon_asked": self.epsilon_asked,
            "delta": self.delta,
            "adjacency": self.adjacency,
            "devices": self.devices,
            "dropped": self.dropped,
            "rounds": self.rounds,
            "bytes_up_per_device": self.bytes_up,
            "bytes_down_per_device": self.bytes_down,
            "seconds": round(self.seconds, 2),
            "seed": self.seed,
            "engine": self.engine,
            "data": self.source,
            "items": self.items,
            "events": self.events,
            "max_dropout": MAX_DROPOUT,
            "max_collusion": MAX_COLLUSION,
            "sums": [asdict(cost) for cost in self.sums],
            "groups": [
                {
                    "group": row.group,
                    "people": row.people,
                    **{f"{m}_ndcg_at_{K}": row.means[m] for m in row.means},
                }
                for row in self.groups
            ],
            "people": [asdict(person) for person in self.people],
            "profile": None if self.profile is None else asdict(self.profile),
        }


def run_demo(
    dataset: Dataset,
    *,
    source: str = "MovieLens-100K",
    seed: int = 0,
    epsilon: float = 8.0,
    delta: float = 1e-5,
    engine: Engine = "secure",
    dropout: float = DROPOUT,
    profile: Path | None = None,
    progress: Progress | None = None,
) -> Demo:
    """Train privately on all but each person's last event, and grade on that one.

    People with fewer than three events take no part. profile: where to leave a device with a middling
    person's history, the model and one real round in its ledger. Raises ConfidanteError.
    """
    started = time.perf_counter()
    split = leave_one_out(dataset.histories)
    history = split.visible(valid=True)
    say = progress or (lambda _what, _part: None)

    def central_says(what: str, part: float) -> None:
        say(f"central, not private: {what}", part)

    training = Training(
        epsilon=epsilon,
        delta=delta,
        seed=seed,
        engine=engine,
        max_dropout=MAX_DROPOUT,
        max_collusion=MAX_COLLUSION,
        dropout=dropout,
    )
    run = training.train(history, dataset.catalogue, progress)
    central = Training(epsilon=None, seed=seed).train(history, dataset.catalogue, central_says)
    recommender = PublishedRecommender(run.published, dataset.catalogue)
    scorers: dict[str, Scorer] = {
        POPULARITY: fit_popularity(history, len(dataset.catalogue)),
        PRIVATE: recommender,
        CENTRAL: PublishedRecommender(central.published, dataset.catalogue),
    }
    ranks = {name: full_ranks(scorer, history, split.test) for name, scorer in scorers.items()}
    made = None
    if profile is not None:
        say("a device to open", 0.0)
        person = _drawn(history, "medium", np.random.default_rng(seed))
        made = make_profile(profile, dataset, history, run.published, person)
        say("a device to open", 1.0)
    return Demo(
        source=source,
        engine=engine,
        seed=seed,
        epsilon_asked=epsilon,
        epsilon_server=run.guarantee.server_epsilon,
        epsilon_release=run.guarantee.release_epsilon,
        delta=run.guarantee.delta,
        adjacency=run.guarantee.adjacency,
        devices=history.people,
        items=len(dataset.catalogue),
        events=len(history.items),
        accuracy=tuple(
            Accuracy(name, estimate(ndcg_at_k(found, K)), estimate(hr_at_k(found, K)))
            for name, found in ranks.items()
        ),
        groups=tuple(group_table({name: ndcg_at_k(found, K) for name, found in ranks.items()}, history)),
        people=_three_people(dataset, split, history, recommender, ranks[PRIVATE], seed),
        sums=_costs(run, engine),
        dropped=max(record.dropped for record in run.records),
        seconds=time.perf_counter() - started,
        profile=made,
    )


def _costs(run: Run, engine: Engine) -> tuple[SumCost, ...]:
    real = engine == "secure"
    return tuple(
        SumCost(
            task=record.plan.task,
            rounds=record.rounds,
            entries=record.plan.length,
            noise_multiplier=record.plan.noise_multiplier,
            survivors=record.survivors,
            dropped=record.dropped,
            bytes_up=record.bytes_up if real else record.upload_bytes,
            bytes_down=record.bytes_down if real else None,
        )
        for record in run.records
    )


def _drawn(history: Histories, group: str, generator: np.random.Generator) -> int:
    """Return a person of a group, or of all when the group is empty."""
    members = np.flatnonzero(groups_of_people(history)[group])
    return int(generator.choice(members if len(members) else np.arange(history.people)))


def _three_people(
    dataset: Dataset,
    split: Split,
    history: Histories,
    recommender: PublishedRecommender,
    ranks: Ranks,
    seed: int,
) -> tuple[ShownPerson, ...]:
    """Return one person of few, one of middling and one of many events; the seed draws them."""
    generator = np.random.default_rng(seed)
    groups = groups_of_people(history)
    chosen = {
        _drawn(history, group, generator): group
        for group in ("light", "medium", "heavy")
        if groups[group].any()
    }
    return tuple(
        person_shown(
            recommender,
            history.slice(person, person + 1),
            name=dataset.user_ids[int(split.people[person])],
            group=group,
            held_out=int(split.test.items[person]),
            held_out_rank=int(ranks.ranks[person]),
        )
        for person, group in chosen.items()
    )
