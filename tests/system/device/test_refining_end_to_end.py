"""A device, a relay process and a coordinator process: a whole refined list over real sockets.

The server has items that the device's model has not, wider vectors, a rule and an item that is gone.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("seal")
pytest.importorskip("pyhpke")
pytest.importorskip("sqlalchemy")
pytest.importorskip("httpx")

from device_world import adds_up, ids
from populations import catalogue_of, write_population
from published_model import made_up_model, publish_model
from relay_world import Running as RelayRunning
from relay_world import relay_process
from run_world import Running, running

from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.core.errors import EgressError
from confidante.device.device import Device
from confidante.device.privacy.consent import PERSON
from confidante.device.refinement.status import RefinementStatus
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.values import Purpose, ReasonKind
from confidante.models.snapshot import decode

KNOWN, OFFERED = 40, 55
GONE, BOOSTED = "item-7", "item-9"
NAME = "films"
_TERMS = """
[enrolment]
verifier = "address"

[refinement]
items = "store.csv"
dimensions = 12
secret = true
tokens = 64
"""


def offer(folder: Path, *, gone: str = GONE) -> None:
    """Write what the server has to offer."""
    made = catalogue_of(OFFERED)
    rows = [
        f"{item},{title},{'|'.join(labels)},{int(item != gone)},{2.5 if item == BOOSTED else ''}"
        for item, title, labels in zip(made.ids, made.titles, made.labels, strict=True)
    ]
    half = folder / "store.tmp"
    half.write_text("item,title,labels,stock,boost\n" + "\n".join(rows) + "\n", encoding="utf-8")
    half.replace(folder / "store.csv")


@pytest.fixture(scope="module")
def coordinator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("coordinator")
    file = write_population(folder, name=NAME, items=KNOWN, devices=5, noise=False, more=_TERMS)
    offer(folder)
    database, bodies = f"sqlite:///{folder / 'films.db'}", f"file://{folder / 'films-bodies'}"
    with Store.open(database) as store:
        store.migrate()
        publish_model(store, Bodies(bodies), NAME, made_up_model(catalogue_of(KNOWN), 16), time.time())
    with running(file, "--database", database, "--bodies", bodies) as found:
        found.until(lambda: found.logged("refines"))  # until it can score, it is busy
        yield found


@pytest.fixture(scope="module")
def relay(coordinator: Running) -> Iterator[RelayRunning]:
    with relay_process(f"{coordinator.url}/v1/oblivious") as found:
        yield found


def refreshed(device: Device) -> RefinementStatus:
    """Fetch what it takes, once the coordinator has worked it out."""
    end = time.monotonic() + 60
    while True:
        try:
            return device.refinement.refresh()
        except EgressError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def device_at(folder: Path, coordinator: Running, **setup: object) -> Device:
    device = Device(folder, InsecurePlaintextKey())
    model = made_up_model(catalogue_of(KNOWN), 16)
    assert decode(model).catalogue == catalogue_of(KNOWN)
    device.federation.install_model(model)
    for item in (3, 4, 11):
        device.record(f"item-{item}")
    device.consents.switch(Purpose.REFINE, True, how=PERSON)
    device.refinement.use(coordinator.url, NAME, seconds=20.0, at_once=True, **setup)  # type: ignore[arg-type]
    return device


def test_a_list_is_refined_through_a_relay(tmp_path: Path, coordinator: Running, relay: RelayRunning) -> None:
    with device_at(tmp_path / "mine", coordinator, relay=relay.url) as device:
        assert device.items.count == KNOWN
        status = refreshed(device)
        assert (device.items.count, status.items, status.dimensions) == (OFFERED, OFFERED, 12)
        assert status.secret
        assert status.decision is not None
        assert status.decision.way == "ask"
        had = status.tokens
        assert had is not None
        assert had >= 1
        local = device.recommend(OFFERED, refine=True)
        refined = local.refined()
        assert local.refinement is not None
        assert local.refinement.reason is None, local.refinement.said
        assert GONE in ids(local)
        assert GONE not in ids(refined)
        assert ids(refined) != ids(local)
        assert all(adds_up(one) for one in refined.suggestions)
        kinds = {r.kind for one in refined.suggestions for r in one.reasons}
        assert ReasonKind.REFINEMENT in kinds
        (boosted,) = (one for one in refined.suggestions if one.item.id == BOOSTED)
        rule = next(r for r in boosted.reasons if r.kind is ReasonKind.RULE)
        assert rule.points == pytest.approx(2.5, abs=0.02)
        assert device.refinement.status().tokens == had - 1
        (sent,) = (one for one in device.ledger.departures(500) if one.receipt.get("refined"))
        assert relay.url.startswith(sent.destination)
        assert sent.content["to"] == coordinator.url
        asked = device.ledger.departures(500)
        assert all(one.content.get("ciphertext") for one in asked if relay.url.startswith(one.destination))
        device.ledger.verify()
        device.forget(everything=True)
        without = device.recommend(OFFERED, refine=True).refined()
        assert GONE not in ids(without)
        assert not any(r.kind is ReasonKind.REFINEMENT for one in without.suggestions for r in one.reasons)


def test_a_list_is_refined_without_a_relay_only_when_that_was_asked_for(
    tmp_path: Path, coordinator: Running
) -> None:
    with device_at(tmp_path / "mine", coordinator, direct=True) as device:
        assert "network address" in refreshed(device).warning
        answer = device.recommend(5, refine=True)
        refined = answer.refined()
        assert answer.refinement is not None
        assert answer.refinement.reason is None, answer.refinement.said
        (sent,) = (one for one in device.ledger.departures(500) if one.receipt.get("refined"))
        assert sent.destination == coordinator.url
        assert sent.content["through"] is None
        assert "the server sees who asks" in sent.visible
        assert refined.refinement is answer.refinement
