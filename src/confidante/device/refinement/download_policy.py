"""Whether to ask a server in secret, or to download its vectors and ask nobody.

Both lead to the very same points; what can be had, and the operator's rules, are those of the moment when a
server is asked, and of the last refresh otherwise. What is counted is bytes, up and down alike, from now
until the server's vectors are expected to change: a download is paid once, a question each time. So there is
a number of questions from which on downloading is cheaper (`Decision.break_even`). Vectors that are public
and cheap to have are downloaded: who asks nobody tells nobody even that there was a question.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import final

DAY = 86_400.0
USUAL_DAYS = 7.0
"""Days for which a server's vectors are expected to last while its log does not show how long they did."""

PRIOR_A_DAY, PRIOR_DAYS = 2.0, 3.0
"""What is expected of a person of whom nothing is known: so many questions a day, as if seen for so long."""

_LEAST_DAYS, _MOST_DAYS = 1 / 24, 90.0
_WRAPPED = 1024  # bytes of headers, names, token and envelope of a question, about
_FRESH = 128  # and of what stands around the one byte an item that says what is fresh


class Policy(StrEnum):
    """What the person or the app wants."""

    AUTO = "auto"  # whatever is cheaper
    ASK = "ask"
    DOWNLOAD = "download"


class Way(StrEnum):
    """How points are had."""

    ASK = "ask"
    DOWNLOAD = "download"
    NONE = "none"  # what was wanted cannot be had


@final
@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of a scheme's ciphertexts. up: for a coordinate of the query; down: for `block` items."""

    up: int
    down: int
    block: int

    def question(self, dimensions: int) -> int:
        """Return the bytes of a question, its envelope included, to about a thousand."""
        return self.up * dimensions + _WRAPPED

    def answer(self, scored: int, items: int) -> int:
        """Return the bytes of an answer with the products of `scored` of `items` items."""
        return self.down * -(-scored // self.block) + items + _FRESH


SIZES: Mapping[str, Sizes] = MappingProxyType(
    {
        "bfv-2048 1": Sizes(up=32_881, down=32_881, block=2048),
        "plain 1": Sizes(up=1, down=8, block=1),
    }
)
"""By name of the scheme."""


@final
@dataclass(frozen=True, slots=True)
class Decision:
    """What is done, and the figures behind it.

    question, answer: bytes of one. download: bytes until the server's vectors change when they are
    downloaded; ask: when `expected` questions are asked instead. days: for which both are counted.
    break_even: the number of questions from which on downloading is no dearer. why: one sentence.
    """

    way: Way
    why: str
    question: int
    answer: int
    download: int
    ask: int
    expected: float
    days: float
    break_even: int


def decide(
    policy: Policy,
    *,
    secret: bool,
    sizes: Sizes | None,
    items: int,
    scored: int,
    dimensions: int,
    expected: float,
    days: float,
    at_hand: bool = False,
) -> Decision:
    """Return what to do.

    sizes: of the scheme, None when nothing that the server knows is installed. items: of the catalogue;
    scored: of them in one answer. expected: questions in `days`, as `questions_expected` says. at_hand: the
    vectors were downloaded already. A download is counted whole: what comes of it is compressed, or the
    difference from an older one, and smaller.
    """
    question = answer = 0
    if sizes is not None:
        question, answer = sizes.question(dimensions), sizes.answer(scored, items)
    download = items * dimensions + items + _FRESH
    ask = round(expected * (question + answer))
    break_even = math.ceil(download / (question + answer)) if sizes is not None else 1
    way, why = _way(policy, secret, sizes is not None, at_hand, cheaper=download <= ask)
    return Decision(way, why, question, answer, download, ask, expected, days, max(break_even, 1))


def questions_expected(asked: int, since: float, days: float) -> float:
    """Return how many questions are expected in `days`.

    asked: in the last `since` days that this device was in use. Shrunk towards a prior (the mean of a gamma
    distribution), so that the first days decide little.
    """
    return days * (PRIOR_A_DAY * PRIOR_DAYS + asked) / (PRIOR_DAYS + since)


def days_between(announced: Sequence[float]) -> float:
    """Return for how many days a server's vectors last, by the times at which new ones were announced.

    announced: seconds since 1970, oldest first.
    """
    if len(announced) < 2:
        return USUAL_DAYS
    mean = (announced[-1] - announced[0]) / (len(announced) - 1) / DAY
    return min(max(mean, _LEAST_DAYS), _MOST_DAYS)


def _way(
    policy: Policy,
    secret: bool,
    can_ask: bool,
    at_hand: bool,
    *,
    cheaper: bool,
) -> tuple[Way, str]:
    if policy is Policy.DOWNLOAD and secret:
        return Way.NONE, "The vectors are to be downloaded, and the server gives them to nobody."
    if secret:
        return Way.ASK, "The server gives its vectors to nobody, so it is asked, encrypted."
    if policy is Policy.DOWNLOAD:
        return Way.DOWNLOAD, "The vectors are to be downloaded: nothing is asked."
    if policy is Policy.ASK:
        return Way.ASK, "The server is to be asked, encrypted."
    if at_hand:
        return Way.DOWNLOAD, "The vectors were downloaded: nothing is asked."
    if not can_ask:
        return Way.DOWNLOAD, "Nothing here encrypts as the server reads it, so its vectors are downloaded."
    if cheaper:
        return Way.DOWNLOAD, "Downloading the vectors takes fewer bytes than asking: nothing is asked."
    return Way.ASK, "Asking, encrypted, takes fewer bytes than downloading the vectors."
