"""A real coordinator process on SQLite, real vaults, loopback HTTP: sums exact up to the devices' noise."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from populations import OPEN, catalogue_of, write_population
from warm import Process

from confidante.coordinator.rounds.training_replay import Result
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.core.errors import ConfidanteError, ConsentError
from confidante.core.values import Item
from confidante.device.device import Device
from confidante.device.federation.policy import Outcome, ParticipationPolicy
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.values import Purpose
from confidante.wire.catalogue import CatalogueWire
from confidante.wire.plans import decode_plan

ITEMS = 60
DEVICES = 8
CATALOGUE = catalogue_of(ITEMS)
IDS = CATALOGUE.ids
TERMS = ParticipationPolicy(
    CatalogueWire(CATALOGUE), least_noise=0.1, least_devices=DEVICES, least_collusion=0.0
)


@dataclass
class Running:
    url: str
    folder: Path
    process: Process
    said: list[str] = field(default_factory=list)

    def store(self) -> Store:
        return Store.open(f"sqlite:///{self.folder / 'films.db'}")


@contextmanager
def coordinator(
    folder: Path,
    devices: int = DEVICES,
    advertise: float = 60.0,
    more: str = OPEN,
    *,
    dropout: float = 0.3,
    epsilon: float = 50.0,
) -> Iterator[Running]:
    file = write_population(
        folder,
        items=ITEMS,
        devices=devices,
        dropout=dropout,
        epsilon=epsilon,
        seconds={"advertise": advertise},
        more=more,
    )
    process = Process("-m", "confidante.cli", "coordinator", "run", file, "--port", 0, "--wait", 10)
    first = process.stdout.readline()
    if " at http" not in first:
        raise AssertionError(process.communicate()[1])
    running = Running(first.split()[-1], folder, process)
    try:
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        running.said = [out, err]


def person(folder: Path, index: int, on: bool = True) -> Device:
    device = Device(folder / f"person-{index}", InsecurePlaintextKey())
    device.items.add(map(Item, IDS, CATALOGUE.titles, CATALOGUE.labels))
    for item in met(index):
        device.record(IDS[item], at=1_700_000_000.0 + item)
    device.ledger.set_budget(100.0)
    if on:
        device.consents.switch(Purpose.TRAIN, True, how="person")
    return device


def met(index: int) -> list[int]:
    return sorted({index, index + 1, (7 * index) % ITEMS, 40})


def all_take_part(
    devices: list[Device], url: str, patience: float = 240.0, terms: ParticipationPolicy = TERMS
) -> list[Outcome | Exception]:
    ended: list[Outcome | Exception] = [Outcome("unknown")] * len(devices)

    def one(place: int) -> None:
        try:
            ended[place] = devices[place].federation.participate(url, "films", terms, patience=patience)
        except ConfidanteError as error:
            ended[place] = error

    threads = [threading.Thread(target=one, args=(place,)) for place in range(len(devices))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ended


def test_a_round_of_real_devices_over_http_is_published_and_nothing_links_them(tmp_path: Path) -> None:
    with ExitStack() as stack, coordinator(tmp_path / "coordinator") as running:
        devices = [stack.enter_context(person(tmp_path, index)) for index in range(DEVICES)]
        ended = all_take_part(devices, running.url)
        assert [getattr(one, "state", one) for one in ended] == ["published"] * DEVICES, ended
        with running.store() as store:
            [state] = [one for one in store.rounds.newest("films") if one.outcome == "published"]
            plan = decode_plan(state.row.plan)
            body = Bodies(f"file://{running.folder / 'films-bodies'}").get(state.result)
        total = np.frombuffer(Result.read(body).total, dtype="<i8")
        own = np.zeros(ITEMS)
        for index in range(DEVICES):
            own[met(index)] += 1 / np.sqrt(len(met(index)))
        noise = total - own * plan.scale
        sd = float(plan.noise_variance(DEVICES)) ** 0.5
        assert abs(noise).max() < 6 * sd + DEVICES  # rounding of each
        assert len(state.survivors) == DEVICES
        for device in devices:
            device.ledger.verify()
            assert device.ledger.budget().rounds == 1
            sent = device.ledger.departures()
            assert {one.destination for one in sent} == {running.url}
            assert [one.content["message"] for one in sent[::-1] if one.round] == [
                "ADVERT",
                "SHARES",
                "MASKED",
                "CONFIRMATION",
                "REVEAL",
            ]
            assert sent[0].receipt["status"] == 200
        keys = [device.federation.identity(running.url) for device in devices]
        seats = state.row.seats
    whole = "".join(running.said)
    for line in running.said[1].splitlines():
        assert json.loads(line)["event"] == "round"
    for secret in [*seats, *(key.signing for key in keys), *(key.channel for key in keys)]:
        assert secret.hex() not in whole
    assert "127.0.0.1" not in running.said[1]
    assert running.process.returncode == 0


def test_a_switch_that_is_off_and_a_spent_budget_send_not_one_byte(tmp_path: Path) -> None:
    with coordinator(tmp_path / "coordinator") as running:
        with person(tmp_path, 0, on=False) as off, person(tmp_path, 1) as spent:
            spent.ledger.set_budget(0.0)
            for device, why in ((off, "switched off"), (spent, "budget")):
                with pytest.raises(ConsentError, match=why):
                    device.federation.participate(running.url, "films", TERMS, patience=5)
                assert device.ledger.departures() == ()
        with running.store() as store:
            assert store.pool.all("films") == []


def test_a_device_that_refuses_an_offer_delays_nobody_and_the_sum_is_of_the_rest(tmp_path: Path) -> None:
    with ExitStack() as stack, coordinator(tmp_path / "coordinator", advertise=600.0) as running:
        devices = [stack.enter_context(person(tmp_path, index)) for index in range(DEVICES)]
        poor = devices[3]  # agrees to check in, and refuses once it hears what a round costs
        poor.ledger.set_budget(0.01)
        ended = all_take_part(devices, running.url)
        states = [getattr(one, "state", one) for one in ended]
        assert isinstance(states.pop(3), ConsentError)
        assert states == ["published"] * (DEVICES - 1), ended
        with running.store() as store:
            [state] = [one for one in store.rounds.newest("films") if one.outcome == "published"]
        assert len(state.survivors) == DEVICES - 1
        assert state.ended - state.opened < 300.0, "nobody waited for who left"
        assert poor.ledger.budget().rounds == 0
        assert poor.ledger.departures()[0].content == {"message": "leaves the round that it was chosen for"}
