"""A published model as something that scores, by its bytes: on a device and in the lab the same numbers."""

import hashlib
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError, WireError
from confidante.core.values import Catalogue, Histories
from confidante.models.shrinkage import part_weights
from confidante.models.snapshot import decode


class Scores(Protocol):
    """A model that scores the whole catalogue for people by their histories."""

    def score(self, histories: Histories) -> NDArray[np.floating]:
        """Return [people, items], higher is better."""


@final
@dataclass(frozen=True, slots=True)
class ModelName:
    """A model that is named and not at hand. digest: sha256 of its bytes, as the public log names it.

    Enough to send a task or to read what became of it; who is to compute needs `PublishedScores`.
    """

    digest: bytes

    def score(self, histories: Histories) -> NDArray[np.floating]:  # noqa: ARG002
        """Raise DataError."""
        raise DataError(f"model {self.digest.hex()[:12]} is missing: fetch it before it is graded")


@final
class PublishedScores:
    """A published model over a catalogue that may be a newer one than its own.

    digest: sha256 of the model's bytes. An item that the model has not met scores minus infinity: it is on
    nobody's list.
    """

    def __init__(self, data: bytes, catalogue: Catalogue) -> None:
        """Make it ready to score `catalogue`; WireError when the bytes are not a published model."""
        published = decode(data)
        if published.catalogue is None:
            raise WireError("a model without a catalogue cannot be graded: publish it with one")
        self.digest = hashlib.sha256(data).digest()
        place = {item: row for row, item in enumerate(published.catalogue.ids)}
        self._row = np.array([place.get(item, -1) for item in catalogue.ids], dtype=np.int64)
        self._known = np.flatnonzero(self._row >= 0)
        self._model = published.model

    def score(self, histories: Histories) -> NDArray[np.float64]:
        """Return float64 [people, items]; people one by one, so that a batch gives what each alone gives."""
        scores = np.full((histories.people, len(self._row)), -np.inf)
        for person in range(histories.people):
            own = histories.slice(person, person + 1)
            met = np.flatnonzero(self._row[own.items] >= 0)
            rows, ages = self._row[own.items[met]], (len(own.items) - 1 - met).astype(np.float64)
            weights = part_weights(self._model, rows, np.ones(len(rows)), None)
            queries = self._model.queries(rows, ages, weights)
            scores[person, self._known] = self._model.scores(self._row[self._known], queries)
            if self._model.own is not None:
                np.add.at(scores[person], own.items[met], self._model.own.weights(ages))
        return scores
