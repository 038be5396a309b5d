"""How many of a number of devices a part of them is: one rule, on which plans and rounds must agree."""

from fractions import Fraction
from math import floor


def whole_part(number: int, part: float) -> int:
    """Return how many of `number` "at most `part`" allows, rounded down.

    The decimal that was written is meant: 0.29 of 100 is 29, whatever the nearest double of 0.29 is.
    """
    return floor(number * Fraction(str(part)))
