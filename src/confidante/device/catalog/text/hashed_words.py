"""Hashed words and pieces of words: vectors for a device that installed nothing for texts.

Each word and each run of three to five letters in it goes to one of 256 columns with a sign, both from its
CRC-32 (feature hashing: Weinberger et al. 2009), so texts that share words, or words that share a stem, are
near. It knows no synonyms. The same on every machine.
"""

import math
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import final

import numpy as np
from numpy.typing import NDArray

from confidante.device.catalog.text.encoder import readable, unit_rows

_WORD = re.compile(r"[^\W_]+")
_COLUMNS = 256
_BATCH = 256  # texts whose words are held at once
_REMEMBERED = 8192  # words whose vectors are kept: 8 MB
_LONGEST_WORD = 40  # letters; what is longer is no word, and its pieces would cost time
_PIECES = 1.5  # weight of all pieces of a word together, beside 1 of the word
_EVERYWHERE = " a an and as at by de der des die for from in into is it la le les of on or the to und with "


@final
class Words:
    """The encoder that is always there."""

    name = "words"
    dimensions = _COLUMNS

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 [texts, 256], rows of l2 norm 1; zeros for a text without words."""
        out = np.zeros((len(texts), self.dimensions), np.float32)
        for start in range(0, len(texts), _BATCH):
            out[start : start + _BATCH] = self._batch(texts[start : start + _BATCH])
        return out

    def _batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        columns: dict[str, int] = {}
        rows: list[int] = []
        words: list[int] = []
        weights: list[float] = []
        for row, text in enumerate(texts):
            for word, count in Counter(_words(readable(text))).items():
                rows.append(row)
                words.append(columns.setdefault(word, len(columns)))
                weights.append(1 + math.log(count))  # said twice is not meant twice
        out = np.zeros((len(texts), self.dimensions), np.float32)
        if not rows:
            return out
        vectors = np.stack([_word_vector(word) for word in columns])  # [words, 256]
        scaled = vectors[words] * np.array(weights, np.float32)[:, None]  # [places, 256]
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        out[np.array(rows)[starts]] = np.add.reduceat(scaled, starts, axis=0)
        return unit_rows(out)


def _words(text: str) -> list[str]:
    """Return the words without case and accents; those that stand in every text are left out."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return [word[:_LONGEST_WORD] for word in _WORD.findall(bare) if f" {word} " not in _EVERYWHERE]


@lru_cache(maxsize=_REMEMBERED)
def _word_vector(word: str) -> NDArray[np.float32]:
    closed = f"<{word}>"
    pieces = [closed[k : k + n] for n in (3, 4, 5) for k in range(len(closed) - n + 1)]
    digests = np.array([zlib.crc32(one.encode("utf-8", "surrogatepass")) for one in (word, *pieces)])
    weights = np.full(len(digests), _PIECES / np.sqrt(len(pieces)))
    weights[0] = 1
    signed = np.where(digests >> 31, weights, -weights)
    return np.bincount(digests % _COLUMNS, signed, _COLUMNS).astype(np.float32)
