"""What is kept of a running round: enough to send the same bytes again, and not a day too long."""

from pathlib import Path

import pytest
from outward_world import START, drawn, home
from test_participation import AGREEMENT, OWN, PLAN, Wire, World, config, encoded, fits, own_noise, world

from confidante.core.errors import VaultError
from confidante.device.device import Device
from confidante.device.federation.journal import KEPT, Beginning, Journal, Kept, Step, keep_what_can_go_on
from confidante.device.federation.participation import Participation, RoundCourse
from confidante.device.privacy.consent import PERSON
from confidante.device.storage.forgetting import expire, forget
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.storage.vault import Vault
from confidante.device.values import Purpose, Retention
from confidante.secagg.phases import PHASES, Phase

WHERE = ("https://example.org", "films")
ROUND = config().round_id


def journal(vault: Vault) -> Journal:
    return Journal(vault, *WHERE)


def beginning(randomness: bytes, until: float = START + KEPT) -> Beginning:
    secret = drawn("seed"), drawn("seat"), randomness
    return Beginning(ROUND, "train", *secret, b"config", b"", b"plan", b"task", bytes(32), 1, until)


def place(here: World, kept: Kept | None = None) -> RoundCourse:
    return RoundCourse(journal(here.at.vault), beginning, kept)


def started_anew(here: World) -> Participation:
    """Return the participation as a new process makes it: from the vault alone."""
    kept = journal(here.at.vault).read()
    assert kept is not None
    return here.join(place=place(here, kept))


def kept_rows(vault: Vault) -> int:
    return int(vault.rows("SELECT count(*) FROM snapshot WHERE name LIKE 'personal:round%'")[0][0])


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
def test_started_anew_at_any_step_it_sends_the_very_same_bytes_and_finishes(
    tmp_path: Path, phase: Phase
) -> None:
    with world(tmp_path) as here:
        wire = Wire(here, here.join(place=place(here)))
        wire.run(until=Phase(phase + 1))
        before = [one.message for one in wire.mine.sent]
        wire.mine = started_anew(here)
        assert [one.message for one in wire.mine.sent] == before
        assert [one.departure.number for one in wire.mine.sent] == list(range(1, phase + 2))
        wire.run()
        assert fits(own_noise(wire), float(PLAN.share_variance))
        assert here.at.ledger.budget().rounds == 1
        assert len(here.at.ledger.departures()) == 5


def test_a_step_whose_transaction_was_undone_was_never_taken(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        mine = here.join(place=place(here))

        def cut_off() -> None:
            with here.at.vault.write():
                mine.begin()
                raise RuntimeError

        with pytest.raises(RuntimeError):
            cut_off()
        assert here.at.ledger.departures() == ()
        kept = journal(here.at.vault).read()
        assert kept is not None
        assert kept.steps == ()


def test_what_is_kept_shows_no_secret() -> None:
    made = beginning(drawn("random bytes", 128))
    for secret in (made.seed, made.seat, made.randomness):
        assert repr(secret)[2:-1] not in repr(Kept(made, (Step(b"", secret, 1),)))


def test_leaving_erases_it(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        wire = Wire(here, here.join(place=place(here))).run(until=Phase.CONFIRM)
        assert kept_rows(here.at.vault) == 4
        wire.mine.leave()
        assert kept_rows(here.at.vault) == 0
        assert journal(here.at.vault).read() is None


def test_letting_go_keeps_it(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        wire = Wire(here, here.join(place=place(here))).run(until=Phase.CONFIRM)
        wire.mine.let_go()
        assert wire.mine.done
        wire.mine = started_anew(here)
        wire.run()
        assert fits(own_noise(wire), float(PLAN.share_variance))


@pytest.mark.parametrize("until", [Phase.SHARE, Phase.CONFIRM])
def test_forgetting_destroys_it_with_the_key_that_it_was_under(tmp_path: Path, until: Phase) -> None:
    with world(tmp_path) as here:
        Wire(here, here.join(place=place(here))).run(until=until)
        before = here.at.vault.generation
        ((number,),) = here.at.vault.rows("SELECT min(number) FROM event")
        forget(here.at.vault, [number])
        assert here.at.vault.generation > before
        assert kept_rows(here.at.vault) == 0


def test_what_expires_takes_it_along_and_the_round_goes_on_here(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        wire = Wire(here, here.join(place=place(here))).run(until=Phase.CONFIRM)
        assert expire(here.at.vault, Retention(3)) > 0
        assert kept_rows(here.at.vault) == 0
        wire.run()
        assert kept_rows(here.at.vault) == 0
        assert here.at.ledger.budget().rounds == 1


def test_a_backup_holds_none_of_it(tmp_path: Path) -> None:
    used_once = ("waiting https://sums.example.org films", "tokens https://sums.example.org films")
    with world(tmp_path) as here:
        Wire(here, here.join(place=place(here))).run(until=Phase.CONFIRM)
        for name in (*used_once, "kept"):
            here.at.vault.set_setting(name, b"x")
        here.at.vault.backup(tmp_path / "copy")
        assert kept_rows(here.at.vault) == 4
        assert here.at.vault.setting(used_once[0]) == b"x"
    with home(tmp_path / "copy", create=False) as copy:
        assert kept_rows(copy.vault) == 0
        assert [copy.vault.setting(name) for name in (*used_once, "kept")] == [None, None, b"x"]
        assert keep_what_can_go_on(copy.vault, lambda _: True) == frozenset()


@pytest.mark.parametrize("why", ["the switch went off", "its time is over", "it was damaged"])
def test_opened_again_a_device_gives_up_what_it_cannot_go_on_with(tmp_path: Path, why: str) -> None:
    with world(tmp_path) as here:
        vault = here.at.vault
        mine = here.join(place=place(here))
        mine.begin()
        if why == "the switch went off":
            here.at.consents.switch(Purpose.TRAIN, False, how=PERSON)
        elif why == "its time is over":
            journal(vault).begin(beginning(drawn("random bytes", 128), until=START - 1))
        else:
            with vault.write() as sql:
                sql("UPDATE snapshot SET body = x'00' WHERE name LIKE 'personal:round%'")
        assert here.at.ledger.rounds.state(ROUND) == "joined"
    with Device(tmp_path / "mine", InsecurePlaintextKey(), clock=lambda: START + 1000) as device:
        assert device.ledger.rounds.state(ROUND) == "over"
        assert kept_rows(device._vault) == 0


def test_opened_again_a_device_holds_on_to_what_it_can_go_on_with(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.join(place=place(here)).begin()
    with Device(tmp_path / "mine", InsecurePlaintextKey(), clock=lambda: START + 1000) as device:
        assert device.ledger.rounds.state(ROUND) == "joined"
        assert [(one.task, one.state) for one in device.ledger.rounds.joined()] == [(PLAN.task, "joined")]
        assert device.ledger.rounds.joined_since(START) == 1


def test_what_does_not_replay_to_what_was_sent_is_refused(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        Wire(here, here.join(place=place(here))).run(until=Phase.MASK)
        kept = journal(here.at.vault).read()
        assert kept is not None
        first = kept.steps[0]
        other = Step(first.incoming, first.outgoing[:-1] + b"?", first.departure)
        with pytest.raises(VaultError, match="does not match what was sent"):
            here.join(place=place(here, Kept(kept.beginning, (other,))))


def test_the_vector_is_not_kept_and_not_made_again(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        wire = Wire(here, here.join(place=place(here))).run(until=Phase.CONFIRM)
        first = wire.mine.sent[2].message
        with here.at.vault.write() as sql:  # were it made again it would be another one
            sql("UPDATE event SET at = at + 500000")
        assert started_anew(here).sent[2].message == first
        assert len(encoded(OWN)) == AGREEMENT.plan.length


def test_a_new_round_leaves_nothing_of_the_one_before(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        Wire(here, here.join(place=place(here))).run(until=Phase.CONFIRM)
        journal(here.at.vault).begin(beginning(drawn("other random bytes", 128)))
        kept = journal(here.at.vault).read()
        assert kept is not None
        assert kept.steps == ()


def test_two_populations_have_a_journal_each(tmp_path: Path) -> None:
    with home(tmp_path) as at:
        mine, other = journal(at.vault), Journal(at.vault, WHERE[0], "books")
        mine.begin(beginning(drawn("random bytes", 128)))
        assert other.read() is None
        other.erase()
        assert mine.read() is not None
