"""Who takes part in a round: drawn by lot from those who wait."""

import hashlib
from collections.abc import Sequence

from confidante.coordinator.store.values import Waiting
from confidante.core.entropy import SystemEntropy
from confidante.protocol.identity import PublicIdentity, degenerate


def draw_roster(waiting: Sequence[Waiting], devices: int, entropy: SystemEntropy) -> list[Waiting]:
    """Return `devices` of those who wait, drawn by lot and in random order; empty when they are too few.

    Who shows a key that somebody shows who waits for longer, or a degenerate one, is passed over: a roster
    with either is impossible.
    """
    fit, keys = [], set[bytes]()
    for one in waiting:
        who = PublicIdentity.decode(one.identity)
        if degenerate(who.channel) or keys & {who.signing, who.channel} or who.signing == who.channel:
            continue
        keys |= {who.signing, who.channel}
        fit.append(one)
    if len(fit) < devices:
        return []
    lot = entropy.draw(32)
    return sorted(fit, key=lambda one: hashlib.sha256(lot + one.identity).digest())[:devices]
