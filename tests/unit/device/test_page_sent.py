"""What left, told a round at a time in one sentence each."""

from dataclasses import replace

from outward_world import home

from confidante.device.privacy.ledger import EgressState
from confidante.device.values import Purpose
from confidante.device.web.sent import told


def records(tmp_path):
    """A round of two messages with something of another kind between them, newest first."""
    with home(tmp_path, Purpose.TRAIN) as at:
        one = at.ledger.write(
            Purpose.TRAIN, "log", "https://sums.example.org", b"?" * 40, {}, "That it reads the log."
        )
    sent = replace(one, state=EgressState.SENT)
    return (
        replace(sent, number=4, round=b"r" * 32, epsilon=0.5, size=2000),
        replace(sent, number=3),
        replace(sent, number=2, round=b"r" * 32, size=500),
        replace(one, number=1),
    )


def test_a_round_is_one_card_with_one_sentence(tmp_path) -> None:
    round_, asked, unsent = told(records(tmp_path))
    assert [one.number for one in round_.records] == [4, 2]
    assert round_.newest.number == 4
    assert round_.sentence == (
        "Your device added its numbers to a sum over many devices, masked, so that sums.example.org can read "
        "the sum and not your part (2 messages, 2.5 kB)."
    )
    assert asked.sentence == "40 bytes went to sums.example.org. It could learn: that it reads the log."
    assert unsent.sentence.startswith("Nothing reached sums.example.org")


def test_a_round_that_gave_nothing_says_so(tmp_path) -> None:
    (begun,) = told([replace(records(tmp_path)[0], epsilon=0.0)])
    assert "none of your numbers were in it yet (1 message, 2.0 kB)" in begun.sentence
