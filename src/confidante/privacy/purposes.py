"""The purposes: what a person can switch on or off, one by one. One entry each, and everything reads it.

The page, the command line and the consent records show an entry's texts; the ledger and the socket ask
whether it sends; a task names the purposes that it may be announced for, and a sum is announced for a purpose
that has `sums`. A new purpose is one more member and entry here.

No other package can register a purpose. A switch is a promise to a person, in words that an operator answers
for and a consent record repeats: what an app happens to install must not add to what a device may send. Other
packages' tasks name one of these.

Contract: an id, and the texts of an id, are kept for ever: receipts of consent repeat them, in the words that
the vault's pack has for what people do; switches of existing vaults are stored by id, and devices and
coordinators say the ids of those with `sums` to each other.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import final


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeEntry:
    """What is known of a purpose.

    title: a few words for the switch; text: what happens when it is on, and what it gives away, to be read
    as `told` gives it. sends:
    whether anything leaves the device for it; such a purpose is off until it is switched on. sums: whether
    a private sum may be announced for it. withdrawal: how consent is taken back. dpv_purpose, operations,
    measures: its purpose, processing operations and technical measures in the W3C Data Privacy Vocabulary.

    Stability: provisional.
    """

    title: str
    text: str
    dpv_purpose: str
    operations: tuple[str, ...] = ("dpv:Use", "dpv:Derive", "dpv:Transmit")
    measures: tuple[str, ...] = ("dpv:SecureMultiPartyComputation", "dpv:DifferentialPrivacy")
    sends: bool = True
    sums: bool = True
    withdrawal: str = "the same switch, at any time"

    def told(self, deeds: str) -> str:
        """Return the text as a person reads it.

        Args:
            deeds: What people do in this domain, as its pack says ("open, rate or save").
        """
        return self.text.format(deeds=deeds)


class Purpose(StrEnum):
    """What a person can switch on or off, one by one."""

    LEARN = "learn"
    TRAIN = "train"
    COHORT = "cohort"
    REFINE = "refine"
    QUALITY = "quality"

    @property
    def entry(self) -> PurposeEntry:
        """What is known of it."""
        return _ENTRIES[self]

    @property
    def sends(self) -> bool:
        """Whether anything leaves the device for it. Such purposes are off until switched on."""
        return self.entry.sends


_ENTRIES = MappingProxyType(
    {
        Purpose.LEARN: PurposeEntry(
            title="Learn here",
            text="What you {deeds} is remembered in an encrypted file on this device, to make "
            "your suggestions. Nothing is sent. Switching it off stops the remembering and erases nothing; "
            "erase with Forget.",
            dpv_purpose="dpv:ProvidePersonalisedRecommendations",
            operations=("dpv:Record", "dpv:Store", "dpv:Profiling"),
            measures=("dpv:EncryptionAtRest",),
            sends=False,
            sums=False,
        ),
        Purpose.TRAIN: PurposeEntry(
            title="Help train the shared model",
            text="This device adds one masked, noised vector to sums over many devices. The coordinator "
            "learns the sums, that you took part, when, and your network address; not your vector.",
            dpv_purpose="dpv:ImproveExistingProductsAndServices",
        ),
        Purpose.COHORT: PurposeEntry(
            title="Help count for a group",
            text="The same kind of masked, noised sum, for statistics of a group of devices. The coordinator "
            "learns the sums, that you took part, when, and your network address.",
            dpv_purpose="dpv:ServiceUsageAnalytics",
        ),
        Purpose.REFINE: PurposeEntry(
            title="Ask a server to refine a list",
            text="An encrypted question goes through a relay to a server, which computes on it without "
            "reading it. The server learns that somebody asked, and when; the relay learns your network "
            "address. What questions take is fetched from the server beforehand: it learns your network "
            "address then, and with each question if you use no relay.",
            dpv_purpose="dpv:ProvidePersonalisedRecommendations",
            measures=("dpv:HomomorphicEncryption",),
            sums=False,
        ),
        Purpose.QUALITY: PurposeEntry(
            title="Help measure how good the lists are",
            text="Whether suggestions were useful is added, masked and noised, to sums over many devices. "
            "The coordinator learns the sums, that you took part, when, and your network address.",
            dpv_purpose="dpv:ServiceUsageAnalytics",
        ),
    }
)

SUM_PURPOSES = tuple(sorted(one for one in Purpose if one.entry.sums))
"""Those that a private sum may be announced for, in the order of their ids."""
