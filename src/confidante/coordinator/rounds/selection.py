"""Who takes part in a round: drawn by lot from those who wait."""

import hashlib
from collections.abc import Sequence

from confidante.coordinator.store.values import Waiting
from confidante.core.entropy import SystemEntropy
from confidante.crypto.identity import PublicIdentity, degenerate
from confidante.wire.rounds import Tier


def fit_for(waiting: Sequence[Waiting], tier: Tier, purpose: str) -> list[Waiting]:
    """Return those who give sums for this purpose and take on a task of this tier: the large take on any."""
    return [one for one in waiting if purpose in one.purposes and (tier is Tier.SMALL or one.tier == tier)]


def draw_roster(waiting: Sequence[Waiting], devices: int, entropy: SystemEntropy) -> list[Waiting]:
    """Return `devices` of those who wait, drawn by lot and in random order; empty when they are too few.

    Each set of so many is as likely as any other, whoever took part before: every device may take part in
    every round, and the accounting counts on nothing else. Nobody is invited on top: `devices` is the number
    of which the plan lets max_dropout vanish.

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
