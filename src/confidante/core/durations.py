"""Spans of time as people read them."""

import math
from itertools import pairwise

_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def spoken(seconds: float) -> str:
    """Return so many seconds (finite) in its two largest units, such as "2 days 3 hours"; never too short.

    What is left of the smaller unit is rounded up; nothing, or less, is "0 seconds".
    """
    left = max(math.ceil(seconds), 0)
    for (size, _), (smaller, _) in pairwise(_UNITS):
        if left > size:
            left = -(-left // smaller) * smaller
            break
    parts = []
    for size, name in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " ".join(parts) or "0 seconds"
