"""What a look at one thing that a run needs found."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from confidante.core.errors import ConfidanteError


@final
@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: its name, whether it is as it should be, and one sentence.

    warns: nothing is wrong, and yet its operator may not have meant it so.
    """

    name: str
    good: bool
    said: str
    warns: bool = False


def guarded(name: str, look: Callable[[], str]) -> Check:
    """Return a check of what `look` says, or of why it cannot."""
    try:
        return Check(name, good=True, said=look())
    except ConfidanteError as error:
        return Check(name, good=False, said=str(error))
