"""The egress ledger: nothing leaves that it does not hold, and what it holds cannot be bent."""

import hashlib
from pathlib import Path

import pytest
from outward_world import Home, drawn, home

from confidante.core.errors import ConsentError, DataError, EgressError, VaultError
from confidante.device.privacy.consent import PERSON
from confidante.device.privacy.ledger import EgressRecord, EgressState
from confidante.device.values import Purpose


def test_a_departure_says_everything_of_the_bytes_and_is_there_after_reopening(tmp_path: Path) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        made = at.write(b"hello", round=drawn("r"))
        assert (made.number, made.size, made.digest) == (1, 5, hashlib.sha256(b"hello").digest())
        assert made.content == {"greeting": "hello"}
        assert made.state is EgressState.WRITTEN
        assert made.sent_at is None
    with home(tmp_path / "new", create=False) as again:
        assert again.ledger.departure(1) == made
        again.ledger.verify()


@pytest.mark.parametrize("purpose", list(Purpose))
def test_nothing_is_written_for_a_purpose_that_is_off_or_never_sends(
    tmp_path: Path, purpose: Purpose
) -> None:
    with home(tmp_path / "new") as at:
        with pytest.raises(ConsentError):
            at.ledger.write(purpose, "task", "https://example.org", b"x", {}, "")
        assert at.ledger.departures() == ()
        assert at.ledger.head[0] == 0


def test_departures_are_paged_newest_first(tmp_path: Path) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        for _ in range(7):
            at.write()
        numbers: list[int] = []
        before = None
        while page := at.ledger.departures(3, before):
            numbers += [one.number for one in page]
            before = numbers[-1]
        assert numbers == [7, 6, 5, 4, 3, 2, 1]


def test_bytes_are_sent_once_and_only_as_written(tmp_path: Path) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        made = at.write(b"hello")
        for number, data in ((made.number, b"hellO"), (made.number, b"hell"), (made.number + 1, b"hello")):
            with pytest.raises(EgressError, match="does not hold"):
                at.ledger.begin_sending(number, data)
        at.ledger.begin_sending(made.number, b"hello")
        assert at.ledger.departure(1).state is EgressState.SENT
        with pytest.raises(EgressError, match="sent already"):
            at.ledger.begin_sending(made.number, b"hello")


def test_a_switch_turned_off_stops_what_was_written_before(tmp_path: Path) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        made = at.write(b"hello")
        at.consents.switch(Purpose.TRAIN, False, how=PERSON)
        with pytest.raises(ConsentError):
            at.ledger.begin_sending(made.number, b"hello")
        assert at.ledger.departure(1).state is EgressState.WRITTEN


def test_a_failure_before_the_first_byte_is_failed_and_after_it_is_sent(tmp_path: Path) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        first, second = at.write(b"one"), at.write(b"two")
        at.ledger.begin_sending(second.number, b"two")
        at.ledger.fail(first.number, "no network")
        at.ledger.fail(second.number, "cut off")
        states = [at.ledger.departure(one.number).state for one in (first, second)]
        assert states == [EgressState.FAILED, EgressState.SENT]
        assert at.ledger.departure(first.number).receipt == {"error": "no network"}
        with pytest.raises(EgressError, match="failed already"):
            at.ledger.begin_sending(first.number, b"one")


def test_receipts_add_up_and_leave_the_chain_alone(tmp_path: Path) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        at.write()
        at.ledger.attach_receipt(1, {"status": 200})
        at.ledger.attach_receipt(1, {"survivors": 31})
        assert at.ledger.departure(1).receipt == {"status": 200, "survivors": 31}
        at.ledger.verify()
        with pytest.raises(DataError, match="no number 2"):
            at.ledger.attach_receipt(2, {})


def test_a_local_note_goes_when_the_queue_is_emptied_and_the_chain_stays_whole(tmp_path: Path) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        at.write(round=drawn("r"))
        assert at.ledger.local_note(drawn("r")) is None
        at.ledger.note_locally(drawn("r"), {"largest": ["a title"]})
        assert at.ledger.local_note(drawn("r")) == {"largest": ["a title"]}
        with at.vault.write() as sql:
            sql("DELETE FROM outbox", ())
        assert at.ledger.local_note(drawn("r")) is None
        at.ledger.verify()


def test_only_the_newest_local_notes_are_kept(tmp_path: Path) -> None:
    with home(tmp_path / "new") as at:
        for name in range(30):
            at.ledger.note_locally(drawn(f"r{name}"), name)
        kept = [name for name in range(30) if at.ledger.local_note(drawn(f"r{name}")) is not None]
        assert kept == list(range(10, 30))


TAMPERINGS = {
    **{
        f"{column} edited": f"UPDATE departure SET {column} = {value} WHERE number = 2"
        for column, value in {
            "at": "at + 1",
            "purpose": "'cohort'",
            "task": "'other'",
            "destination": "'https://elsewhere.example'",
            "size": "size - 1",
            "digest": "zeroblob(32)",
            "content": "'{}'",
            "visible": "''",
            "round": "zeroblob(32)",
            "epsilon": "0.5",
            "delta": "0.5",
            "previous": "zeroblob(32)",
            "hash": "zeroblob(32)",
        }.items()
    },
    "middle removed": "DELETE FROM departure WHERE number = 2",
    "newest removed": "DELETE FROM departure WHERE number = 3",
    "all removed": "DELETE FROM departure",
    "head undone": "DELETE FROM setting WHERE name = 'ledger.head'",
}


@pytest.mark.parametrize("statement", TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_no_departure_can_be_changed_moved_or_removed_unnoticed(tmp_path: Path, statement: str) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        for _ in range(3):
            at.write()
        at.ledger.verify()
        with at.vault.write() as sql:
            sql(statement, ())
        with pytest.raises(VaultError):
            at.ledger.verify()


def test_a_changed_entry_is_not_sent(tmp_path: Path) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        at.write(b"hello")
        with at.vault.write() as sql:
            sql("UPDATE departure SET visible = 'nothing at all' WHERE number = 1", ())
        with pytest.raises(EgressError, match="changed"):
            at.ledger.begin_sending(1, b"hello")


@pytest.mark.parametrize("column", ["state", "receipt", "content"])
def test_an_entry_that_makes_no_sense_is_a_vault_error(tmp_path: Path, column: str) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        at.write()
        with at.vault.write() as sql:
            sql(f"UPDATE departure SET {column} = '{{' WHERE number = 1", ())
        with pytest.raises(VaultError, match="cannot be read"):
            at.ledger.departures()


def test_what_is_written_in_a_transaction_that_fails_is_not_written(tmp_path: Path) -> None:
    def half_done(at: Home) -> EgressRecord:
        with at.vault.write():
            at.write()
            raise ConsentError("changed my mind")

    with home(tmp_path / "new", Purpose.TRAIN) as at:
        with pytest.raises(ConsentError):
            half_done(at)
        assert at.ledger.departures() == ()
        assert at.write().number == 1
        at.ledger.verify()
