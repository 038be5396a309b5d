"""A readable picture of a history: how much of it is each label, and what the person set by hand."""

from collections.abc import Mapping

import numpy as np

from confidante.device.catalog.library import Library
from confidante.device.recommend.query import Profile, event_ages
from confidante.device.storage.wishes import REMOVED
from confidante.device.values import Taste

HALF_LIFE = 50.0
"""Events after which an event counts half in the picture. Slower than in scores: a taste is not a mood."""


def tastes(library: Library, profile: Profile, levels: Mapping[str, int], limit: int) -> tuple[Taste, ...]:
    """Return the labels of the history, largest share first, and every edited one.

    An event counts for its item's labels in equal parts. levels: by label, -2 to 2 or REMOVED.
    """
    of_row = np.zeros(len(library))
    count_of_row = np.zeros(len(library), dtype=np.int64)
    liked = profile.weights > 0
    ages = event_ages(len(profile.rows), profile.picks)
    np.add.at(of_row, profile.rows[liked], 0.5 ** (ages[liked] / HALF_LIFE))
    np.add.at(count_of_row, profile.rows[liked], 1)
    carried = np.bincount(library.label_rows, minlength=len(library))
    of_row = np.divide(of_row, carried, out=np.zeros_like(of_row), where=carried > 0)
    label_of = np.repeat(np.arange(len(library.labels)), np.diff(library.label_starts))
    shares = np.bincount(label_of, of_row[library.label_rows], len(library.labels))
    counts = np.bincount(label_of, count_of_row[library.label_rows], len(library.labels)).astype(np.int64)
    total = float(shares.sum()) or 1.0
    order = [int(place) for place in np.argsort(-shares, kind="stable") if counts[place]][:limit]
    shown = {library.labels[place]: (float(shares[place]) / total, int(counts[place])) for place in order}
    for label in sorted(levels):
        if label not in shown:
            place = library.labels.index(label) if label in library.labels else None
            shown[label] = (0.0, 0) if place is None else (float(shares[place]) / total, int(counts[place]))
    return tuple(
        Taste(
            label,
            share,
            events,
            level=0 if levels.get(label) == REMOVED else levels.get(label, 0),
            removed=levels.get(label) == REMOVED,
        )
        for label, (share, events) in shown.items()
    )
