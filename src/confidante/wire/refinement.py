"""What a device and a coordinator say to each other when a list is refined in secret.

What a server knows is announced in the public log (`RefinementOffer`): the digest of the public half of its
vectors (`models.refinement.model.QuerySide`), so that all devices use the same one, and the key that
questions are sealed to, so that no device can be known by a key of its own. A question (`Question`) goes
through a relay, sealed (`crypto.oblivious_http`): its vector is ciphertext (`crypto.he`), and one anonymous
token pays for it. The answer (`Scored`) has ciphertext, and what is the same for whoever asks: which items
can be had just now, and what the operator's rules add to each.
"""

import hashlib
import hmac
from typing import Annotated, Final, final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from confidante.core.errors import WireError
from confidante.wire.rounds import Name, Octets32, Redemption

LOG_KIND = "refinement"
"""Of the entries of the public log that announce what a server refines with."""

REFINE_PATH = "/v1/refine"
"""Path of a question, inside its envelope."""

OBLIVIOUS_PATH = "/v1/oblivious"
"""Where a relay delivers envelopes, and where those go who need no relay."""

FRESH_PATH = "/v1/refinement/{population}/fresh"
"""Where `Fresh` may be had by who has the vectors and asks nothing."""

MOST_QUESTION_BYTES = 12 << 20
MOST_ANSWER_BYTES = 32 << 20
ALL: Final = -1
"""The bucket of all items."""

GONE: Final = -128
"""The points of an item that cannot be had."""

_Scheme = Annotated[str, Meta(pattern=r"^[!-~ ]{1,64}\Z")]


@final
class RefinementOffer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the public log says. `model` is read as the name of a body that may be fetched, as for models.

    model: sha256 of the bytes of `QuerySide`. table: sha256 of the item side, which may be fetched as well
    unless `secret`. schemes: what questions may be encrypted by. key: the configuration of the gateway's key
    (RFC 9458, section 3.1). most: questions that one subject gets tokens for in `seconds`; 0: no tokens.
    """

    population: Name
    model: Octets32
    table: Octets32
    secret: bool
    schemes: Annotated[tuple[_Scheme, ...], Meta(min_length=1, max_length=8)]
    key: Annotated[bytes, Meta(min_length=41, max_length=256)]
    most: Annotated[int, Meta(ge=0, le=1 << 20)] = 0
    seconds: Annotated[float, Meta(ge=1, le=1e8)] = 86400.0


@final
class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question. about: digest of the `QuerySide` it was made with; bucket: of the items, or `ALL`."""

    population: Name
    scheme: _Scheme
    about: Octets32
    bucket: Annotated[int, Meta(ge=-1, le=1 << 16)]
    ciphertext: Annotated[bytes, Meta(max_length=MOST_QUESTION_BYTES)]
    token: Redemption | None = None


@final
class Fresh(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What changes by the minute, the same for everybody.

    about: digest of the `QuerySide`; made: seconds since 1970; unit: of `points`, in points of a score, 0 or
    above; points: int8, one an item in the order of the `QuerySide`, `GONE` for what cannot be had.
    """

    about: Octets32
    made: Annotated[float, Meta(ge=0, le=1e12)]
    unit: Annotated[float, Meta(ge=0, le=1e9)]
    points: Annotated[bytes, Meta(max_length=1 << 26)]

    def read(self, items: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return what the rules add to each item, float64 [items], and which can be had, bool [items].

        WireError when it is of another number of items.
        """
        if len(self.points) != items:
            raise WireError(f"the fresh data covers {len(self.points)} items, the vectors {items}")
        points = np.frombuffer(self.points, dtype=np.int8)
        there = points != GONE
        return np.where(there, points, 0) * self.unit, there


@final
class Scored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An answer. ciphertext: the products of the question with the bucket's items, in order."""

    fresh: Fresh
    ciphertext: Annotated[bytes, Meta(max_length=MOST_ANSWER_BYTES)]


def statement(question: Question) -> tuple[bytes, bytes]:
    """Return what the token of a question is bound to: the two names that a check-in has.

    Both are digests of the question without its token, so a token that is overheard fits no other question.
    """
    said = b"".join(
        len(part).to_bytes(8, "little") + part
        for part in (
            question.population.encode(),
            question.scheme.encode(),
            question.about,
            question.bucket.to_bytes(4, "little", signed=True),
            hashlib.sha256(question.ciphertext).digest(),  # megabytes: read once
        )
    )
    key = hashlib.sha256(b"confidante question 1\n").digest()
    return hmac.digest(key, b"who" + said, "sha512"), hmac.digest(key, b"what" + said, "sha256")


def tokens_of(population: str) -> str:
    """Return the name under which the tokens for questions are given: they open no round, nor the reverse."""
    return f"{population[:40]}-refine-{hashlib.sha256(population.encode()).hexdigest()[:12]}"
