"""Which of a server's announcements a device goes by: at most one in an hour, so that none is its own.

A server that announced a key or vectors for one device, and others to the next a moment later, would know
each by what its questions are made with. So an announcement counts at once only when nothing else was
announced for two hours before it. Any other counts an hour after it was made, if nothing else was announced
meanwhile. What is announced sooner after another than that is never used. From one announcement that counts
to the next there is an hour at least, whoever reads the log, and whenever.
"""

from collections.abc import Sequence

from confidante.wire.refinement import RefinementOffer
from confidante.wire.tokens import LEAST_KEY_SECONDS


def settled(
    announced: Sequence[tuple[float, RefinementOffer]], now: float, *, whole: bool
) -> RefinementOffer | None:
    """Return the newest announcement that counts, None when none does.

    announced: with their times, seconds since 1970, oldest first, none before the one before it. whole: the
    first of them is the first there ever was, and counts at once.
    """
    changes = [
        (at, offered)
        for place, (at, offered) in enumerate(announced)
        if not place or offered != announced[place - 1][1]
    ]
    for place in reversed(range(len(changes))):
        at, offered = changes[place]
        until = min([now, *(later for later, _ in changes[place + 1 : place + 2])])
        alone = at - changes[place - 1][0] >= 2 * LEAST_KEY_SECONDS if place else whole
        if until - at >= LEAST_KEY_SECONDS or (alone and at - now <= LEAST_KEY_SECONDS):
            return offered
    return None
