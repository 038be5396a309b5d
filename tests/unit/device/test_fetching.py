"""Models and catalogues arrive by their digest: in parts, after a break, as a difference, or not at all."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from device_world import KNOWN, films, open_device, snapshot
from device_world import START as NOW
from outward_world import Home, home
from publog_world import POPULATION, Door, Log, answering, door, line, log
from starlette.requests import Request
from starlette.responses import Response

from confidante.core.errors import ConsentError, DataError, EgressError, ForkedLogError, WireError
from confidante.core.values import Catalogue
from confidante.device.device import Device
from confidante.device.federation import downloads
from confidante.device.federation.alarms import Caught, alarms
from confidante.device.federation.coordinator_client import RefusedError
from confidante.device.federation.downloads import RANGE, fetch
from confidante.device.federation.verified_log import VerifiedLog
from confidante.device.privacy.consent import PERSON
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.values import Purpose
from confidante.packs.registry import with_features
from confidante.wire.catalogue import CatalogueWire

TRAIN = Purpose.TRAIN


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Home]:
    with home(tmp_path / "profile", TRAIN) as made:
        yield made


@pytest.fixture
def place() -> Iterator[Door]:
    with door() as made:
        yield made


@pytest.fixture
def shown(tmp_path: Path, place: Door) -> Iterator[Log]:
    with log(tmp_path / "coordinator") as made:
        place.app = made.app
        yield made


def drawn(label: str, size: int) -> bytes:
    return hashlib.shake_256(label.encode()).digest(size)


def get(at: Home, place: Door, digest: bytes, *, base: bytes = b"", most_bytes: int = 1 << 24) -> bytes:
    way = line(at, place)
    return fetch(at.vault, way, digest, what="model", purpose=TRAIN, most_bytes=most_bytes, base=base)


def parts_kept(at: Home) -> int:
    return int(at.vault.rows("SELECT count(*) FROM snapshot")[0][0])


@pytest.mark.parametrize("size", [0, 1, RANGE - 1, RANGE, RANGE + 1, 3 * RANGE, 3 * RANGE + 5])
def test_a_body_of_any_size(at: Home, place: Door, shown: Log, size: int) -> None:
    data = drawn("body", size)
    assert get(at, place, shown.publish(data)) == data
    assert parts_kept(at) == 0
    assert len(at.ledger.departures()) == len(place.asked)
    at.ledger.verify()


class Breaks:
    """Lets so many answers through, then breaks every connection."""

    def __init__(self, app: object, answers: int) -> None:
        self.app, self.left = app, answers

    async def __call__(self, scope, receive, send):  # type: ignore[no-untyped-def]
        self.left -= 1
        if self.left >= 0:
            await self.app(scope, receive, send)  # type: ignore[operator]
        else:
            await Response(b"", 503)(scope, receive, send)


def test_a_link_that_breaks_loses_one_part_at_most_also_when_the_device_is_started_anew(
    at: Home, place: Door, shown: Log, tmp_path: Path
) -> None:
    data = drawn("large", 4 * RANGE + 100)
    digest = shown.publish(data)
    place.app = Breaks(shown.app, 3)
    with pytest.raises(RefusedError):
        get(at, place, digest)
    assert parts_kept(at) == 3
    at.vault.close()
    place.app = shown.app
    place.asked.clear()
    with home(tmp_path / "profile", create=False) as again:
        assert get(again, place, digest) == data
        assert parts_kept(again) == 0
    ranges = [part.removeprefix("bytes=").partition("-")[0] for _, part in place.asked]
    assert ranges == [str(3 * RANGE), str(4 * RANGE)]


def test_parts_of_what_is_wanted_no_more_are_dropped(at: Home, place: Door, shown: Log) -> None:
    old, new = shown.publish(drawn("old", 3 * RANGE)), shown.publish(b"new")
    place.app = Breaks(shown.app, 2)
    with pytest.raises(RefusedError):
        get(at, place, old)
    assert parts_kept(at) == 2
    place.app = shown.app
    assert get(at, place, new) == b"new"
    assert parts_kept(at) == 0


def test_who_has_an_older_one_gets_the_difference(at: Home, place: Door, shown: Log) -> None:
    older = drawn("older", 500_000)
    newer = older[:250_000] + b"new" + older[250_000:]
    shown.publish(older)
    digest = shown.publish(newer)
    VerifiedLog(at.vault, place.url).catch_up(line(at, place), TRAIN)
    assert get(at, place, digest, base=older) == newer
    only = at.ledger.departures(1)[0]
    assert only.receipt["size"] < 200
    assert "which older one" in only.visible


def test_no_coordinator_learns_what_the_device_has_from_another(
    at: Home, place: Door, shown: Log, tmp_path: Path
) -> None:
    wires = [
        CatalogueWire(Catalogue(names := tuple(f"{kind}-{i}" for i in range(40)), names, ((),) * 40))
        for kind in ("clinics", "films")
    ]
    with log(tmp_path / "other") as other, door() as elsewhere:
        elsewhere.app = other.app
        for made, wire in ((shown, wires[0]), (other, wires[1])):
            made.add("round", catalogue=bytes.fromhex(made.bodies.put(wire.data)))
        for there, wire in ((place, wires[0]), (elsewhere, wires[1])):
            VerifiedLog(at.vault, there.url).catch_up(line(at, there), TRAIN)
            downloads.catalogue(at.vault, line(at, there), wire.digest, TRAIN)
        digest = other.publish(b"a model")
        assert get(at, elsewhere, digest, base=wires[0].data) == b"a model"
        assert not [target for target, _ in elsewhere.asked if wires[0].digest.hex() in target]
        # nor by what it does not ask for
        other.add("round", catalogue=bytes.fromhex(other.bodies.put(wires[0].data)))
        downloads.catalogue(at.vault, line(at, elsewhere), wires[0].digest, TRAIN)
        assert [target for target, _ in elsewhere.asked if wires[0].digest.hex() in target]


def test_who_has_one_that_the_coordinator_never_had_gets_all(at: Home, place: Door, shown: Log) -> None:
    data = drawn("newer", 10_000)
    assert get(at, place, shown.publish(data), base=b"from elsewhere") == data


def test_a_difference_that_leads_elsewhere_is_passed_over_for_the_whole(at: Home, place: Door) -> None:
    data = b"the body itself"

    def answer(target: str) -> Response:
        return Response(b"confidante delta 1\nnonsense" if "from=" in target else data)

    place.app = answering(answer)
    assert get(at, place, hashlib.sha256(data).digest()) == data
    assert alarms(at.vault) == ()


def test_a_body_that_is_not_the_one_that_is_named_raises_an_alarm_and_is_thrown_away(
    at: Home, place: Door
) -> None:
    place.app = answering(lambda _: Response(b"one made for you"))
    with pytest.raises(ForkedLogError, match="not the one its public log names"):
        get(at, place, bytes(32))
    [alarm] = alarms(at.vault)
    assert alarm.kind is Caught.MODEL
    assert hashlib.sha256(b"one made for you").hexdigest() in alarm.evidence.values()
    assert parts_kept(at) == 0
    asked = len(place.asked)
    with pytest.raises(ForkedLogError, match="until alarm 1"):
        get(at, place, bytes(32))
    assert len(place.asked) == asked


def test_an_endless_body_ends_at_what_is_allowed(at: Home, place: Door) -> None:
    place.app = answering(lambda _: Response(bytes(RANGE), 206))
    with pytest.raises(WireError, match="more than"):
        get(at, place, bytes(32), most_bytes=3 * RANGE)
    assert len(place.asked) == 4
    assert parts_kept(at) == 0


def test_more_than_was_asked_for_is_not_taken(at: Home, place: Door) -> None:
    place.app = answering(lambda _: Response(bytes(RANGE + 1), 206))
    with pytest.raises(EgressError, match="came"):
        get(at, place, bytes(32))


def test_a_server_that_gives_all_each_time_is_no_reason_to_read_it_for_ever(at: Home, place: Door) -> None:
    place.app = answering(lambda _: Response(bytes(RANGE)))
    with pytest.raises(EgressError, match="the rest"):
        get(at, place, hashlib.sha256(bytes(RANGE)).digest())
    assert len(place.asked) == 2


def test_a_catalogue_is_asked_for_once_and_the_newest_four_are_kept(
    at: Home, place: Door, shown: Log
) -> None:
    wires = [
        CatalogueWire(
            Catalogue(*(tuple(f"{kind}{i}" for i in range(50 + n)) for kind in "it"), ((),) * (50 + n))
        )
        for n in range(6)
    ]
    for wire in wires:
        shown.bodies.put(wire.data)
        shown.add("round", catalogue=wire.digest)
    VerifiedLog(at.vault, place.url).catch_up(line(at, place), TRAIN)
    asked = len(place.asked)
    for wire in (*wires, *wires[2:]):
        found = downloads.catalogue(at.vault, line(at, place), wire.digest, TRAIN)
        assert (found.digest, found.catalogue) == (wire.digest, with_features(wire.catalogue))
    assert len(place.asked) - asked == len(wires)
    assert parts_kept(at) == 4
    assert sum(one.receipt["size"] for one in at.ledger.departures()[:5]) < 5 * 100


def test_a_catalogue_that_is_larger_than_agreed_to_is_not_taken(at: Home, place: Door, shown: Log) -> None:
    digest = shown.publish(drawn("large", 3000))
    with pytest.raises(WireError, match="more than 2,000 bytes"):
        downloads.catalogue(at.vault, line(at, place), digest, TRAIN, 2000)
    with pytest.raises(WireError, match="more than 2,000 bytes"):
        downloads.model(at.vault, line(at, place), digest, TRAIN, 2000)


def person(folder: Path, *, on: bool = True) -> Device:
    device = open_device(folder)
    if on:
        device.consents.switch(TRAIN, True, how=PERSON)
    return device


def test_the_newest_model_of_the_log_is_installed_once(tmp_path: Path, place: Door, shown: Log) -> None:
    newer, shown.now = snapshot(seed=2), NOW
    with person(tmp_path / "person") as device:
        items = device.items.count
        shown.add("round", catalogue=bytes(32))
        assert device.federation.update_model(place.url, POPULATION) is False
        shown.publish(snapshot())  # the one that is installed
        assert device.federation.update_model(place.url, POPULATION) is False
        shown.publish(newer)
        shown.add("model", population="books", model=bytes(32))
        before = device.recommend(5)
        assert device.federation.update_model(place.url, POPULATION) is True
        assert device.recommend(5) != before
        assert device.items.count == items
        asked = len(place.asked)
        assert device.federation.update_model(place.url, POPULATION) is False
        assert all(target.startswith("/v1/log") for target, _ in place.asked[asked:])
        device.ledger.verify()
        assert [one for one in device.ledger.departures() if "model" in one.task]


def test_a_population_that_the_log_does_not_know_is_an_error(tmp_path: Path, place: Door, shown: Log) -> None:
    shown.now = NOW
    with person(tmp_path / "person") as device:
        with pytest.raises(
            DataError, match=f"{place.url} does not name a population 'film' .it names none yet"
        ):
            device.federation.update_model(place.url, "film")
        shown.publish(snapshot())
        shown.add("model", population="books", model=bytes(32))
        with pytest.raises(DataError, match=f"'film' .it names books, {POPULATION}.: check the name"):
            device.federation.update_model(place.url, "film")


def test_a_device_without_any_model_gets_one_with_its_items(tmp_path: Path, place: Door, shown: Log) -> None:
    shown.publish(snapshot())
    with Device(tmp_path / "new", InsecurePlaintextKey()) as device:
        device.consents.switch(TRAIN, True, how=PERSON)
        assert device.federation.update_model(place.url, POPULATION) is True
        assert device.federation.has_model
        assert device.items.count == KNOWN
        assert device.items.get("m1").title == films()[1].title


def test_with_the_switch_off_nothing_is_asked(tmp_path: Path, place: Door, shown: Log) -> None:
    with person(tmp_path / "person", on=False) as device:
        with pytest.raises(ConsentError):
            device.federation.update_model(place.url, POPULATION)
        assert (device.ledger.departures(), place.asked) == ((), [])


def test_a_logged_model_that_is_no_model_is_refused_and_the_old_one_stays(
    tmp_path: Path, place: Door, shown: Log
) -> None:
    shown.publish(b"no model")
    with person(tmp_path / "person") as device:
        before = device.recommend(5)
        with pytest.raises(WireError):
            device.federation.update_model(place.url, POPULATION)
        assert device.recommend(5) == before


def test_what_an_alarm_stops_goes_on_when_the_person_says_so(tmp_path: Path, place: Door, shown: Log) -> None:
    digest = shown.publish(snapshot(seed=3))

    async def swapped(scope, receive, send):  # type: ignore[no-untyped-def]
        if digest.hex() in Request(scope).url.path:
            await Response(b"another model")(scope, receive, send)
        else:
            await shown.app(scope, receive, send)

    with person(tmp_path / "person") as device:
        place.app = swapped
        with pytest.raises(ForkedLogError):
            device.federation.update_model(place.url, POPULATION)
        place.app = shown.app
        with pytest.raises(ForkedLogError):
            device.federation.update_model(place.url, POPULATION)
        [alarm] = device.federation.alarms()
        device.federation.dismiss_alarm(alarm.number)
        assert device.federation.update_model(place.url, POPULATION) is True
        assert device.federation.alarms() == ()
