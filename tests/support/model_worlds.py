"""People to learn from: random and by hand, and sums without noise."""

import numpy as np
from hypothesis import strategies as st

from confidante.core.values import Catalogue, Histories
from confidante.models.served import quantise
from confidante.tasks.base import NoisySum


def people(*histories):
    """One person a list of items."""
    indptr = np.cumsum([0, *map(len, histories)], dtype=np.int64)
    items = np.array([item for events in histories for item in events], dtype=np.int32)
    return Histories(indptr, items, np.arange(len(items), dtype=np.int64))


def random_people(count, items, longest, seed):
    rng = np.random.default_rng(seed)
    return people(*(rng.integers(0, items, rng.integers(0, longest + 1)).tolist() for _ in range(count)))


def catalogue_of(items):
    names = tuple(map(str, range(items)))
    return Catalogue(names, names, tuple((f"kind-{i % 3}",) for i in range(items)))


def some_people(items, longest=25, count=6):
    """Strategy: up to `count` people, empty histories and repeats among them."""
    events = st.lists(st.integers(0, items - 1), max_size=longest)
    return st.lists(events, min_size=1, max_size=count).map(lambda lists: people(*lists))


def score_people(factored, histories):
    """Score every item for everybody with a trained model as it is served, float64 [people, items]."""
    model = quantise(factored)
    scores = np.empty((histories.people, model.rows))
    for person in range(histories.people):
        rows = histories.slice(person, person + 1).items.astype(np.int64)
        ages, everything = np.arange(len(rows))[::-1].astype(np.float64), np.arange(model.rows)
        scores[person] = model.scores(everything, model.queries(rows, ages, np.ones(len(rows))))
        scores[person] += model.own_points(rows, ages, everything).sum(axis=1)
    return scores


def said(part, event, item):
    """What an event of age 0 adds to an item by a trained part."""
    kernel = part.vectors[event].astype(np.float64) @ (part.strengths * part.vectors[item])
    return kernel * part.context_weights[event] * part.item_weights[item]


def trained_scores(factored, histories):
    """Score every item for everybody as it was trained, before it was rounded to 8 bits."""
    scores = np.tile(factored.prior.astype(np.float64), (histories.people, 1))
    for person in range(histories.people):
        rows = histories.slice(person, person + 1).items
        ages = np.arange(len(rows))[::-1]
        for part in factored.parts:
            contexts = (
                part.vectors[rows] * (part.context_weights[rows] * 0.5 ** (ages / part.half_life))[:, None]
            )
            scores[person] += contexts.sum(axis=0) * part.strengths @ part.vectors.T * part.item_weights
    return scores


class ExactSums:
    """A SumService without noise, over the very client_update of a device."""

    def __init__(self, histories, max_length=10**7):
        self.histories = histories
        self.max_length = max_length

    def noise_sd(self, name):
        return 0.0

    def take(self, task):
        rows = task.client_update(self.histories)
        total = np.bincount(rows.indices, weights=rows.values, minlength=rows.length)
        return NoisySum(total, 0.0, self.histories.people)
