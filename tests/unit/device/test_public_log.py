"""One history a coordinator: whatever a device is shown later has to go on from what it saw before."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outward_world import START, Home, home
from publog_world import POPULATION, Door, Log, answering, door, line, log, offer
from starlette.responses import Response

from confidante.core.errors import DataError, EgressError, ForkedLogError, WireError
from confidante.crypto.identity import Identity
from confidante.device.federation.alarms import Caught, alarms, dismiss, require_none
from confidante.device.federation.coordinator_client import CoordinatorClient
from confidante.device.federation.participant import Participant
from confidante.device.federation.policy import ParticipationPolicy
from confidante.device.federation.verified_log import FAR_AHEAD, KEPT, SKEW, VerifiedLog
from confidante.device.values import Purpose
from confidante.secagg.config import RoundConfig, RoundSetup
from confidante.wire.rounds import Logged, encode
from confidante.wire.transparency_log import LogEntry, entry_after

TRAIN = Purpose.TRAIN


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Home]:
    with home(tmp_path / "profile", TRAIN) as made:
        yield made


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Door]:
    with door() as made:
        yield made


@pytest.fixture
def shown(tmp_path: Path, place: Door) -> Iterator[Log]:
    with log(tmp_path / "coordinator") as made:
        place.app = made.app
        yield made


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Log]:
    with log(tmp_path / "other") as made:
        yield made


def mine(at: Home, place: Door) -> VerifiedLog:
    return VerifiedLog(at.vault, line(at, place).destination)


def catch_up(at: Home, place: Door, upto: int | None = None) -> VerifiedLog:
    found = mine(at, place)
    found.catch_up(line(at, place), TRAIN, upto=upto)
    return found


def logged(entries: list[LogEntry]) -> Response:
    return Response(
        encode([Logged(one.number, one.kind, one.body, one.at, one.previous, one.hash) for one in entries])
    )


def since(target: str) -> int:
    return int(target.rpartition("=")[2])


def test_a_log_of_several_pages_is_verified_and_remembered(
    at: Home, place: Door, shown: Log, tmp_path: Path
) -> None:
    for number in range(230):
        shown.announce(number)
    model = shown.publish(b"a model")
    found = catch_up(at, place)
    assert found.number == 231
    assert found.newest_model(POPULATION) == model
    assert found.newest_model("books") is None
    assert [entry.number for entry in found.entries("round")] == list(range(167, 231))
    assert found.entries("round")[-1].hash == shown.store.log.entries(229, 1)[0].hash
    at.ledger.verify()
    assert len(at.ledger.departures()) == len(place.asked)
    shown.add("tokens")
    assert [entry.number for entry in catch_up(at, place).entries("tokens")] == [232]


def test_a_question_names_no_place_of_one_device(at: Home, place: Door, shown: Log) -> None:
    for number in range(150):
        shown.announce(number)
        if number in (20, 69, 127, 128):
            catch_up(at, place, upto=number)
    first = [since(target) for target, _ in place.asked]
    assert set(first) <= {0, 64, 128} | {number + 1 for number in (20, 69, 127, 128)} | {100}
    place.asked.clear()
    catch_up(at, place)
    assert since(place.asked[0][0]) == 128


def test_one_question_is_enough_when_the_entry_that_is_wanted_is_there(
    at: Home, place: Door, shown: Log
) -> None:
    wanted = shown.announce().number
    assert catch_up(at, place, upto=wanted).number == 1
    catch_up(at, place, upto=wanted)
    assert len(place.asked) == 2


def test_what_is_kept_to_be_looked_up_is_bounded_for_each_population(
    at: Home, place: Door, shown: Log
) -> None:
    shown.add("tokens")
    shown.store.log.append("tokens", bytes(5000), START)
    shown.store.log.append("odd", b"no map", START)
    for number in range(KEPT["round"] + 5):
        shown.announce(number, "books")
    found = catch_up(at, place)
    assert len(found.entries("round")) == KEPT["round"]
    assert len(found.entries("tokens")) == 1
    assert found.entries("odd") == ()


def test_another_log_at_the_same_address_raises_an_alarm_that_lasts(
    at: Home, place: Door, shown: Log, other: Log, tmp_path: Path
) -> None:
    first, second = shown.announce(1), other.announce(2)
    other.announce(3)
    catch_up(at, place)
    place.app = other.app
    with pytest.raises(ForkedLogError, match="another one than this device was shown"):
        catch_up(at, place)
    [alarm] = alarms(at.vault)
    assert (alarm.number, alarm.kind, alarm.coordinator) == (1, Caught.LOG, place.url)
    assert first.hash.hex() in alarm.evidence.values()
    assert second.hash.hex() in alarm.evidence.values()
    place.app = shown.app  # going back to what it was does not mend it
    before = len(at.ledger.departures())
    for _ in range(2):
        with pytest.raises(ForkedLogError, match="until alarm 1 is dismissed"):
            catch_up(at, place)
    assert len(at.ledger.departures()) == before
    assert len(alarms(at.vault)) == 1
    require_none(at.vault, "https://another.example.org")
    at.vault.close()
    with home(tmp_path / "profile", create=False) as again:
        with pytest.raises(ForkedLogError):
            catch_up(again, place)
        assert dismiss(again.vault, 1) == alarm
        with pytest.raises(DataError, match="no open alarm 1"):
            dismiss(again.vault, 1)
        assert catch_up(again, place).number == 1
        assert alarms(again.vault) == ()
        [dismissed] = alarms(again.vault, dismissed=True)
        assert dismissed.dismissed is not None
        place.app = other.app
        with pytest.raises(ForkedLogError, match="until alarm 2"):
            catch_up(again, place)


@pytest.mark.parametrize("entries", [0, 1, 64, 69])
def test_a_log_that_lost_its_end_raises_an_alarm(
    at: Home, place: Door, shown: Log, other: Log, entries: int
) -> None:
    for number in range(70):
        shown.announce(number)
        if number < entries:
            other.announce(number)
    catch_up(at, place)
    place.app = other.app
    with pytest.raises(ForkedLogError, match="shorter than it was"):
        catch_up(at, place)
    [alarm] = alarms(at.vault)
    assert "70" in alarm.evidence.values()


TAMPERED: dict[str, Callable[[list[LogEntry]], list[LogEntry]]] = {
    "a body": lambda page: [dataclasses.replace(page[0], body=b"x"), *page[1:]],
    "a kind": lambda page: [*page[:-1], dataclasses.replace(page[-1], kind="model")],
    "a time": lambda page: [*page[:-1], dataclasses.replace(page[-1], at=page[-1].at + 1)],
    "no number": lambda page: [*page[:-1], dataclasses.replace(page[-1], at=float("nan"))],
    "a hash": lambda page: [*page[:-1], dataclasses.replace(page[-1], hash=bytes(32))],
    "one left out": lambda page: [page[0], *page[2:]],
    "the first left out": lambda page: page[1:],
    "one twice": lambda page: [page[0], *page],
    "turned round": lambda page: page[::-1],
    "an entry from another log": lambda page: [*page[:-1], entry_after(4, bytes(32), "round", b"", START)],
}


@pytest.mark.parametrize("how", TAMPERED.values(), ids=TAMPERED.keys())
def test_a_log_that_does_not_hold_together_raises_an_alarm(
    at: Home, place: Door, shown: Log, how: Callable[[list[LogEntry]], list[LogEntry]]
) -> None:
    for number in range(5):
        shown.announce(number)
    place.app = answering(lambda target: logged(how(shown.store.log.entries(since(target), 100))))
    with pytest.raises(ForkedLogError, match="does not hold together"):
        catch_up(at, place)
    assert mine(at, place).number == 0


@given(flip=st.integers(0, 5000), to=st.integers(0, 255))
def test_any_changed_byte_is_noticed(at: Home, place: Door, shown: Log, flip: int, to: int) -> None:
    if not shown.store.log.entries():
        for number in range(3):
            shown.announce(number)
    good = logged(shown.store.log.entries()).body
    spot = flip % len(good)
    bad = good[:spot] + bytes([to]) + good[spot + 1 :]
    rest = encode([])
    place.app = answering(lambda target: Response(rest if since(target) else bad))
    for one in alarms(at.vault):
        dismiss(at.vault, one.number)
    try:
        assert catch_up(at, place).number == 3
        assert bad == good
    except (ForkedLogError, WireError):
        assert bad != good


def test_an_entry_from_far_ahead_raises_an_alarm_once(at: Home, place: Door, shown: Log) -> None:
    shown.add("note", at=START + FAR_AHEAD / 2)
    assert catch_up(at, place).number == 1
    shown.add("note", at=START + 2 * FAR_AHEAD)
    with pytest.raises(ForkedLogError, match="from the future"):
        catch_up(at, place)
    dismiss(at.vault, 1)
    assert catch_up(at, place).number == 2


def test_an_entry_that_says_it_is_older_than_it_can_be_raises_an_alarm_once(
    at: Home, place: Door, shown: Log
) -> None:
    shown.add("note", at=START - 30 * SKEW)
    assert catch_up(at, place).number == 1, "what was there before the first look may be as old as it says"
    shown.add("tokens", at=START - SKEW / 2)
    assert catch_up(at, place).number == 2, "clocks differ"
    shown.add("tokens", at=START - 2 * SKEW)
    with pytest.raises(ForkedLogError, match="older than it can be"):
        catch_up(at, place)
    [alarm] = alarms(at.vault)
    assert (alarm.kind, alarm.evidence["entry"]) == (Caught.TIME, "3")
    dismiss(at.vault, 1)
    assert catch_up(at, place).number == 3


def test_nonsense_is_no_alarm(at: Home, place: Door) -> None:
    for said in (b"", b"nonsense", encode({"entries": []}), encode([1])):
        place.app = answering(lambda _, said=said: Response(said))  # type: ignore[misc]
        with pytest.raises(WireError):
            catch_up(at, place)
    assert alarms(at.vault) == ()


def test_an_endless_log_ends_with_the_time_and_what_was_verified_is_kept(
    at: Home, place: Door, shown: Log
) -> None:
    for number in range(150):
        shown.announce(number)
    way = line(at, place)

    def one_page_and_out(target: str) -> Response:
        way.allow(-1)
        return logged(shown.store.log.entries(since(target), 100))

    place.app = answering(one_page_and_out)
    found = mine(at, place)
    with pytest.raises(EgressError, match="go on later"):
        found.catch_up(way, TRAIN)
    assert found.number == 100
    place.app = shown.app
    assert catch_up(at, place).number == 150


def test_a_round_that_is_announced_is_joined(at: Home, place: Door, shown: Log) -> None:
    entry = shown.announce()
    said = catch_up(at, place).check_offer(entry.hash, offer(entry), POPULATION)
    assert (said.population, said.task) == (POPULATION, "popularity 1")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("id", "its number"),
        ("population", "its population"),
        ("plan", "its plan"),
        ("task", "its task"),
        ("ahead", "does not announce"),
    ],
)
def test_a_round_that_is_not_the_one_that_was_announced_raises_an_alarm(
    at: Home, place: Door, shown: Log, change: str, what: str
) -> None:
    entry = shown.announce()
    ahead = dataclasses.replace(entry, number=2)
    offered = {"plan": offer(entry, plan=b"x"), "task": offer(entry, task=b"x"), "ahead": offer(ahead)}
    with pytest.raises(ForkedLogError, match=what):
        catch_up(at, place).check_offer(
            bytes(32) if change == "id" else entry.hash,
            offered.get(change, offer(entry)),
            "books" if change == "population" else POPULATION,
        )
    [alarm] = alarms(at.vault)
    assert (alarm.kind, alarm.evidence["entry"]) == (Caught.OFFER, "2" if change == "ahead" else "1")
    with pytest.raises(ForkedLogError):
        require_none(at.vault, place.url)


def test_a_round_of_long_ago_is_not_joined_and_no_alarm(at: Home, place: Door, shown: Log) -> None:
    old = shown.announce()
    for number in range(KEPT["round"]):
        shown.announce(number + 1)
    with pytest.raises(WireError, match="too long ago"):
        catch_up(at, place).check_offer(old.hash, offer(old), POPULATION)
    assert alarms(at.vault) == ()


def test_devices_that_are_shown_two_logs_are_never_in_one_round_and_who_sees_both_tells(
    place: Door, shown: Log, other: Log, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        one, two = (stack.enter_context(home(tmp_path / name, TRAIN)) for name in ("one", "two"))
        shown.publish(b"a model for everybody")
        other.publish(b"a model for one person")
        to_all, to_one = shown.announce(), other.announce()
        first = catch_up(one, place)
        place.app = other.app
        second = catch_up(two, place)
        assert first.newest_model(POPULATION) != second.newest_model(POPULATION)

        # each takes the round of its own log, and neither the other's, whatever number it goes by
        first.check_offer(to_all.hash, offer(to_all), POPULATION)
        second.check_offer(to_one.hash, offer(to_one), POPULATION)
        for found, theirs in ((first, to_one), (second, to_all)):
            with pytest.raises(ForkedLogError, match="its number differs"):
                found.check_offer(theirs.hash, offer(theirs), POPULATION)

        # and what the devices of a round sign is of one round only
        roster = tuple(Identity.from_seed(bytes([index]) * 32).public for index in range(5))
        digests = {
            RoundSetup(
                RoundConfig.plan(
                    round_id=entry.hash, graph_seed=bytes(32), n=5, length=1, bits=32, max_abs_entry=1
                ),
                roster,
            ).digest
            for entry in (to_all, to_one)
        }
        assert len(digests) == 2

        dismiss(one.vault, 1)
        with pytest.raises(ForkedLogError, match="another one than this device was shown"):
            catch_up(one, place)


def test_with_an_alarm_open_not_even_a_check_in_leaves(at: Home, place: Door, shown: Log) -> None:
    entry = shown.announce()
    with pytest.raises(ForkedLogError):
        catch_up(at, place).check_offer(bytes(32), offer(entry), POPULATION)
    before = at.ledger.departures()
    way = line(at, place)
    participant = Participant(at.vault, at.consents, at.ledger, way, POPULATION, ParticipationPolicy())
    with pytest.raises(ForkedLogError, match="until alarm 1 is dismissed"):
        participant.take_part(1.0)
    assert at.ledger.departures() == before


def test_an_alarm_is_of_one_coordinator(at: Home, place: Door, shown: Log, other: Log) -> None:
    entry = shown.announce()
    with door() as elsewhere:
        elsewhere.app = other.app
        other.announce(7)
        assert catch_up(at, elsewhere).number == 1
        assert catch_up(at, place).entries("round") == (entry,)
        with pytest.raises(ForkedLogError):
            mine(at, place).check_offer(bytes(32), offer(entry), POPULATION)
        assert catch_up(at, elsewhere).number == 1
        assert (
            CoordinatorClient(at.ledger, elsewhere.url).destination
            != CoordinatorClient(at.ledger, place.url).destination
        )
