"""The purposes: one entry each, whose texts and ids never change, as receipts and vaults repeat them."""

import hashlib
import re

import pytest

from confidante.core.errors import WireError
from confidante.device.privacy.chain import canonical
from confidante.device.privacy.consent_records import build_record
from confidante.packs.registry import pack_named
from confidante.privacy.purposes import SUM_PURPOSES, Purpose
from confidante.wire.rounds import EVERY_PURPOSE, Announcement, decode, encode

RECEIPTS = {
    "learn": "e08a6983dc6942fa8c6dd17c093e2861fc2e43070675262836646c6cb6f59264",
    "train": "e183fda99196a740515cc92acd009bf8f7b7cda45a7cf840100cc471577a19f6",
    "cohort": "abcd93924579c2a8df3441dde2ab19ca82af55c765d2678fc88fb8b06eb34ded",
    "refine": "b6a67b9e1863f7852f3c28b41be9d8842caae15590578a681a054afdaeeca229",
    "quality": "d63856cfb8b4bfff3104cd59e67874e643a9df54919758cd9280f35d80f45da1",
}
"""sha256 of the receipt below, by purpose: what was recorded of a switch stays what is recorded of it.

In the words of media, which all profiles had that were made before packs could be chosen, and without
`SINCE_SEEN`.
"""
SINCE_SEEN = "; that an item was had: until forgotten, unless the retention is set to take it along"
"""What receipts say besides since a device keeps what was had apart from what it remembers."""


@pytest.mark.parametrize("purpose", Purpose)
def test_a_receipt_says_what_it_always_said(purpose: Purpose) -> None:
    record = build_record(
        purpose,
        granted=True,
        at=1.78e9,
        how="person",
        explicit=True,
        gpc=False,
        number=3,
        record_id="r",
        principal="q",
        deeds=pack_named("media").words("deeds"),
    )
    said = canonical(record)
    assert said.count(SINCE_SEEN) == 1
    assert hashlib.sha256(said.replace(SINCE_SEEN, "").encode()).hexdigest() == RECEIPTS[purpose]


def test_only_learning_here_sends_nothing_and_what_is_summed_sends() -> None:
    assert [one for one in Purpose if not one.sends] == [Purpose.LEARN]
    assert all(one.sends for one in SUM_PURPOSES)
    assert EVERY_PURPOSE == ("cohort", "quality", "train")


def test_each_purpose_tells_a_person_something_of_its_own() -> None:
    for one in Purpose:
        assert one.entry.title
        assert one.entry.told("do").endswith(".")
        assert one.entry.operations
        assert one.entry.measures
    for texts in ({one.entry.title for one in Purpose}, {one.entry.text for one in Purpose}):
        assert len(texts) == len(Purpose)


def test_ids_fit_where_they_are_stored() -> None:
    assert all(re.fullmatch("[a-z]+", one) for one in Purpose)
    assert len(" ".join(EVERY_PURPOSE)) <= 40  # a coordinator's column
    assert not any(one != other and one in other for one in Purpose for other in Purpose)  # it is searched


def announcement(purpose: str) -> bytes:
    return encode(Announcement("people", "a", purpose, *[bytes(32)] * 3, bytes(16)))


def test_a_sum_is_announced_for_purposes_that_have_sums_and_no_other() -> None:
    for purpose in SUM_PURPOSES:
        assert decode(announcement(purpose), Announcement).purpose == purpose.value
    for other in ("learn", "refine", "", "train\n", "training"):
        with pytest.raises(WireError):
            decode(announcement(other), Announcement)
