"""The five phases of a round, in the order in which devices are heard.

Client, server, coordinator and device all mean these. Their names stand in the coordinator's database, their
words in addresses, metrics and a population's file: neither may change.
"""

from enum import IntEnum


class Phase(IntEnum):
    """Where a client or a server of the protocol stands: in one of `PHASES`, or at one of the two ends.

    Stability: stable
    """

    ADVERTISE = 0
    SHARE = 1
    MASK = 2
    CONFIRM = 3
    REVEAL = 4
    DONE = 5
    FAILED = 6

    @property
    def word(self) -> str:
        """The phase as it stands in addresses and files."""
        return self.name.lower()


PHASES = (Phase.ADVERTISE, Phase.SHARE, Phase.MASK, Phase.CONFIRM, Phase.REVEAL)
"""The phases in which devices are heard."""
