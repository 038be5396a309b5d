"""The device's part in a private sum.

On the person's terms, from the ledger, once, and only with real randomness.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outward_world import ITEMS, Home, drawn, fill, history, home

from confidante.core.entropy import SystemEntropy
from confidante.core.errors import (
    ConfidanteError,
    ConsentError,
    PlanError,
    ProtocolError,
    Reject,
    VaultError,
    WireError,
)
from confidante.crypto.identity import Identity
from confidante.device.federation.agreement import Agreement, Offer
from confidante.device.federation.participation import Outgoing, Participation, Route, device_identity
from confidante.device.privacy.budget import gaussian_epsilon
from confidante.device.privacy.consent import PERSON
from confidante.device.privacy.http_request import render
from confidante.device.privacy.ledger import EgressState
from confidante.device.storage.forgetting import expire, forget
from confidante.device.values import Purpose, Retention
from confidante.lab.entropy import SeededEntropy
from confidante.privacy.clipping import encode
from confidante.privacy.limits import DELTA
from confidante.privacy.mechanisms.skellam import sample
from confidante.privacy.plan import Cohort, SumPlan, plan_sum
from confidante.secagg.client import RANDOM_BYTES, Client
from confidante.secagg.config import RoundConfig, RoundSetup
from confidante.secagg.packing import centred
from confidante.secagg.phases import PHASES, Phase
from confidante.secagg.server import Server
from confidante.tasks.popularity import PopularityTask

PEOPLE = 32
OWN = (3, 5, 5, 8, 13)  # what the person behind the vault met
COHORT = Cohort(PEOPLE)
TASK = PopularityTask(len(ITEMS))
PLAN = plan_sum(TASK.name, TASK.length, TASK.l2_bound, TASK.linf_bound, 3.0, COHORT, 24)
AGREEMENT = Agreement(PLAN, TASK, ITEMS, Purpose.TRAIN, "how strongly you met this item", ITEMS.__getitem__)
ROUTE = Route("https://example.org")


def config(plan: SumPlan = PLAN, name: str = "round") -> RoundConfig:
    return RoundConfig.plan(
        round_id=drawn(f"id of {name}"),
        graph_seed=drawn(f"graph of {name}"),
        n=plan.cohort.devices,
        length=plan.length,
        bits=plan.bits,
        max_abs_entry=plan.linf_int,
        noise_headroom=plan.headroom,
        max_dropout=plan.cohort.max_dropout,
        max_collusion=plan.cohort.max_collusion,
    )


def other(index: int) -> Identity:
    return Identity.from_seed(drawn(f"other {index}"))


def met(index: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng(index).integers(0, len(ITEMS), 20).tolist())


def encoded(items: tuple[int, ...], dither: int = 7) -> np.ndarray:
    return encode(TASK.client_update(history(items)), PLAN, np.array([dither], dtype=np.uint64)).dense(0)


@dataclass
class World:
    """One person with a vault among 31 others, whose every number the test knows."""

    at: Home
    identity: Identity
    me: int = 4

    def offer(self, made: RoundConfig | None = None) -> Offer:
        roster = [other(index).public for index in range(PEOPLE)]
        roster[self.me] = self.identity.public
        return Offer((made or config()).encode(), tuple(roster))

    def join(self, offer: Offer | None = None, **more: object) -> Participation:
        given = {"agreement": AGREEMENT, "entropy": SystemEntropy(), "route": ROUTE, **more}
        return Participation(
            self.at.vault,
            self.at.consents,
            self.at.ledger,
            identity=self.identity,
            offer=offer or self.offer(),
            **given,  # type: ignore[arg-type]
        )


class Wire:
    """A real server, the others as real clients, and one participation."""

    def __init__(self, world: World, mine: Participation, made: RoundConfig | None = None) -> None:
        offer = world.offer(made)
        self.setup = RoundSetup(RoundConfig.decode(offer.config), offer.roster)
        self.server = Server(self.setup)
        self.world, self.mine = world, mine
        self.others = {
            index: Client(self.setup, index, other(index), drawn(f"fresh {index}", RANDOM_BYTES))
            for index in range(PEOPLE)
            if index != world.me
        }
        self.incoming: dict[int, bytes] = dict.fromkeys(range(PEOPLE), b"")
        self.sent: list[Outgoing] = []

    def noised(self, index: int) -> np.ndarray:
        noise = sample(PLAN.share_variance, PLAN.length, drawn(f"noise {index}"))
        return encoded(met(index), index) + noise

    def let_others_answer(self, drop: tuple[int, ...] = ()) -> None:
        phase = self.server.phase
        for index in [index for index in self.others if index in drop]:
            del self.others[index]
        for index, client in self.others.items():
            self.server.receive(index, self._answer(client, phase, self.incoming[index]))

    def _answer(self, client: Client, phase: Phase, message: bytes) -> bytes:
        match phase:
            case Phase.ADVERTISE:
                return client.advertise()
            case Phase.SHARE:
                return client.share_keys(message)
            case Phase.MASK:
                return client.mask(message, self.noised(client.index))
            case Phase.CONFIRM:
                return client.confirm(message)
            case _:
                return client.reveal(message)

    def take_part(self) -> None:
        outgoing = self.mine.answer(self.incoming[self.world.me])
        self.sent.append(outgoing)
        self.server.receive(self.world.me, outgoing.data)

    def run(self, until: Phase = Phase.DONE, drop: tuple[int, ...] = ()) -> "Wire":
        for phase in PHASES:
            if phase < self.server.phase:
                continue
            if phase == until:
                break
            self.let_others_answer(drop if phase in (Phase.MASK, Phase.CONFIRM) else ())
            self.take_part()
            self.incoming = self.server.advance()
        return self


@contextmanager
def world(folder: Path, *on: Purpose) -> Iterator[World]:
    with home(folder / "mine", *(on or (Purpose.TRAIN,))) as at:
        fill(at.vault, OWN)
        yield World(at, device_identity(at.vault, "https://example.org"))


def own_noise(wire: Wire) -> np.ndarray:
    """What is left of the sum without everything that is known.

    Our device's noise, and at most one of rounding.
    """
    known = sum((wire.noised(index) for index in wire.server.result.survivors if index != 4), encoded(OWN))
    return centred((wire.server.result.sum - known).astype(np.uint32), PLAN.bits)


def fits(noise: np.ndarray, variance: float) -> bool:
    """Whether the sample variance of `noise` fits: a true one fails less than once in a million runs."""
    spread = 5.4 * variance * math.sqrt(2 / len(noise) + 1 / (variance * len(noise)))
    return abs(float(np.mean(noise.astype(np.float64) ** 2)) - variance) < spread


def test_the_sum_is_everybodys_integers_and_noise_of_just_the_planned_share(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        wire = Wire(here, here.join()).run(drop=(1, 9))
        assert wire.server.result.survivors == tuple(i for i in range(PEOPLE) if i not in (1, 9))
        noise, share = own_noise(wire), float(PLAN.share_variance)
        assert fits(noise, share)
        assert not fits(noise, share * 2)
        assert not fits(noise, share / 2)
        assert abs(float(noise.mean())) < 5.4 * math.sqrt(share / len(noise))
        assert wire.mine.done
        here.at.ledger.verify()


def test_two_rounds_share_no_noise(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.at.ledger.set_budget(50)
        first = own_noise(Wire(here, here.join()).run())
        second_round = config(name="second")
        second = own_noise(Wire(here, here.join(here.offer(second_round)), second_round).run())
        share = float(PLAN.share_variance)
        assert abs(float(np.mean(first * second))) < 5.4 * share / math.sqrt(len(first))


def test_every_message_is_in_the_ledger_before_it_is_handed_out(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        wire = Wire(here, here.join())
        for done, phase in enumerate(PHASES, start=1):
            wire.run(until=Phase(phase + 1))
            assert len(here.at.ledger.departures()) == done
            here.at.ledger.begin_sending(wire.sent[-1].departure.number, wire.sent[-1].data)
        ours = here.at.ledger.departures()[::-1]
        assert [one.content["message"] for one in ours] == [
            "ADVERT",
            "SHARES",
            "MASKED",
            "CONFIRMATION",
            "REVEAL",
        ]
        assert {one.round for one in ours} == {config().round_id}
        assert {one.state for one in ours} == {EgressState.SENT}
        assert [one.epsilon > 0 for one in ours] == [False, False, True, False, False]
        wire.mine.attach_receipt({"survivors": 32})
        assert here.at.ledger.departure(3).receipt == {"survivors": 32}


def test_the_person_reads_their_own_numbers_and_the_chain_holds_none_of_them(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        wire = Wire(here, here.join()).run()
        note = here.at.ledger.local_note(wire.mine.round_id)
        assert note["own events counted"] == len(OWN)
        assert note["entries that are not zero"] == len(set(OWN))
        shown = note["largest own entries before noise and masks"]
        assert {one["name"] for one in shown} == {ITEMS[item] for item in OWN}
        assert all(one["value"] == pytest.approx(0.5, rel=1e-3) for one in shown)
        for one in here.at.ledger.departures():
            assert not any(item in str(one.content) for item in ITEMS)


def test_the_budget_is_spent_before_the_masked_vector_leaves_and_never_given_back(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        cost = gaussian_epsilon(1 / PLAN.noise_multiplier)
        wire = Wire(here, here.join()).run(until=Phase.MASK)
        assert here.at.ledger.budget().epsilon_spent == 0
        wire.run(until=Phase.CONFIRM)
        assert here.at.ledger.budget().epsilon_spent == pytest.approx(cost)
        wire.mine.leave()
        assert here.at.ledger.budget().epsilon_spent == pytest.approx(cost)
        assert here.at.ledger.departure(3).epsilon == pytest.approx(cost)
        assert here.at.ledger.departure(3).delta == DELTA
    with home(tmp_path / "mine", create=False) as again:
        assert again.ledger.budget().epsilon_spent == pytest.approx(cost)


def test_a_sum_opens_with_our_vector_in_it_though_we_left_after_masking(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        wire = Wire(here, here.join()).run(until=Phase.CONFIRM)
        wire.mine.leave()
        for _ in (Phase.CONFIRM, Phase.REVEAL):
            wire.let_others_answer()
            wire.incoming = wire.server.advance()
        assert here.me in wire.server.result.survivors
        assert fits(own_noise(wire), float(PLAN.share_variance))
        assert here.at.ledger.budget().rounds == 1  # why it is counted before REVEAL


def test_a_budget_that_does_not_suffice_is_noticed_before_joining_and_before_masking(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.at.ledger.set_budget(0.5)
        with pytest.raises(ConsentError, match="limit"):
            here.join()
        here.at.ledger.set_budget(8)
        wire = Wire(here, here.join()).run(until=Phase.MASK)
        here.at.ledger.set_budget(0.5)
        with pytest.raises(ConsentError, match="limit"):
            wire.take_part()
        assert wire.mine.done
        assert len(here.at.ledger.departures()) == 2
        assert here.at.ledger.local_note(wire.mine.round_id) is None


def test_a_round_is_joined_once_whatever_became_of_it(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        Wire(here, here.join()).run()
        with pytest.raises(ConsentError, match="joins no round twice"):
            here.join()
        given_up = config(name="given up")
        here.join(here.offer(given_up)).leave()
        with pytest.raises(ConsentError, match="joins no round twice"):
            here.join(here.offer(given_up))


@pytest.mark.parametrize("until", [Phase.SHARE, Phase.MASK, Phase.CONFIRM, Phase.REVEAL])
def test_a_vault_closed_in_mid_round_ends_it_and_its_number_is_never_used_again(
    tmp_path: Path, until: Phase
) -> None:
    with world(tmp_path) as here:
        wire = Wire(here, here.join()).run(until=until)
        here.at.vault.close()
        with pytest.raises(VaultError):
            wire.take_part()
        assert wire.mine.done
        with pytest.raises(ProtocolError, match="not in the round any more"):
            wire.take_part()
    with home(tmp_path / "mine", create=False) as again:
        masked = until > Phase.MASK
        assert again.ledger.rounds.give_up_unfinished() == (0 if masked else 1)
        assert again.ledger.rounds.state(config().round_id) == ("spent" if masked else "over")
        assert again.ledger.budget().rounds == masked
        back = World(again, device_identity(again.vault, "https://example.org"))
        assert back.identity.public == here.identity.public
        with pytest.raises(ConsentError, match="joins no round twice"):
            back.join()
        again.ledger.verify()


@pytest.mark.parametrize("until", [Phase.ADVERTISE, Phase.SHARE, Phase.MASK, Phase.CONFIRM, Phase.REVEAL])
def test_a_switch_turned_off_stops_the_device_at_its_next_step(tmp_path: Path, until: Phase) -> None:
    with world(tmp_path) as here:
        wire = Wire(here, here.join()).run(until=until)
        here.at.consents.switch(Purpose.TRAIN, False, how=PERSON)
        with pytest.raises(ConsentError, match="switched off"):
            wire.take_part()
        assert wire.mine.done
        here.at.consents.switch(Purpose.TRAIN, True, how=PERSON)
        with pytest.raises(ProtocolError, match="not in the round any more"):
            wire.take_part()
        assert len(here.at.ledger.departures()) == until


FORGETTING = {
    "an event": {"numbers": [2]},
    "an event, undoable": {"numbers": [2], "undo_seconds": 60.0},
    "everything": {"numbers": [], "everything": True},
    "everything, undoable": {"numbers": [], "everything": True, "undo_seconds": 60.0},
}


@pytest.mark.parametrize("what", FORGETTING.values(), ids=FORGETTING.keys())
def test_forgetting_after_the_vector_was_made_stops_the_device(tmp_path: Path, what: dict[str, Any]) -> None:
    with world(tmp_path) as here:
        wire = Wire(here, here.join()).run(until=Phase.CONFIRM)
        forget(here.at.vault, **what)
        with pytest.raises(ConsentError, match="forgotten"):
            wire.take_part()
        assert wire.mine.done
        assert here.at.ledger.local_note(wire.mine.round_id) is None
        here.at.ledger.verify()


@pytest.mark.parametrize("what", FORGETTING.values(), ids=FORGETTING.keys())
def test_what_was_forgotten_before_the_vector_is_made_is_not_in_it(
    tmp_path: Path, what: dict[str, Any]
) -> None:
    with world(tmp_path) as here:
        wire = Wire(here, here.join()).run(until=Phase.MASK)
        forget(here.at.vault, **what)
        wire.run()
        left = 0 if "everything" in what else len(OWN) - 1
        assert here.at.ledger.local_note(wire.mine.round_id)["own events counted"] == left


def test_an_event_that_expires_in_mid_round_does_not_end_it(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        wire = Wire(here, here.join()).run(until=Phase.CONFIRM)
        assert expire(here.at.vault, Retention(events=2)) == len(OWN) - 2
        assert wire.run().mine.done


def test_what_the_person_disliked_counts_for_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        with here.at.vault.write() as sql:
            sql("INSERT INTO event (item, kind, at, context) VALUES (51, 'dislike', 1, '{}')", ())
        wire = Wire(here, here.join()).run()
        assert here.at.ledger.local_note(wire.mine.round_id)["own events counted"] == len(OWN)


def test_events_that_are_new_or_unknown_to_the_task_disturb_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        with here.at.vault.write() as sql:
            sql(
                "INSERT INTO item (key, id, title, labels, description) VALUES (5000, 'new', '', '[]', '')",
                (),
            )
            sql("INSERT INTO event (item, kind, at, context) VALUES (5000, 'view', 1, '{}')", ())
        wire = Wire(here, here.join()).run(until=Phase.CONFIRM)
        with here.at.vault.write() as sql:
            sql("INSERT INTO event (item, kind, at, context) VALUES (1, 'view', 2, '{}')", ())
            sql("DELETE FROM event WHERE item = 5000", ())
        wire.run()
        assert fits(own_noise(wire), float(PLAN.share_variance))


def test_a_person_without_events_hides_among_the_others(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        with here.at.vault.write() as sql:
            sql("DELETE FROM event", ())
        wire = Wire(here, here.join()).run()
        known = sum(wire.noised(index) for index in range(PEOPLE) if index != 4)
        assert fits(
            centred((wire.server.result.sum - known).astype(np.uint32), PLAN.bits), float(PLAN.share_variance)
        )


def test_only_the_operating_systems_randomness_protects_people(tmp_path: Path) -> None:
    class Lookalike:
        def draw(self, size: int) -> bytes:
            return bytes(size)

    with world(tmp_path) as here:
        for pretender in (SeededEntropy(1), Lookalike(), None, SystemEntropy):
            with pytest.raises(TypeError, match="SystemEntropy only"):
                here.join(entropy=pretender)
        assert here.at.ledger.rounds.state(config().round_id) is None


@pytest.mark.parametrize(
    "weaker",
    [
        {"k": 2},
        {"t": 2},
        {"spread": 1},
        {"min_survivors": PEOPLE},
        {"max_corrupt": 0},
        {"length": PLAN.length - 1},
        {"bits": 32},
        {"max_abs_entry": PLAN.linf_int - 1},
        {"noise_headroom": 0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_offer_that_differs_in_anything_from_the_agreed_plan_is_refused(
    tmp_path: Path, weaker: dict[str, int]
) -> None:
    with world(tmp_path) as here:
        with pytest.raises(PlanError, match=next(iter(weaker))):
            here.join(here.offer(replace(config(), **weaker)))
        assert here.at.ledger.rounds.state(config().round_id) is None
        assert here.at.ledger.departures() == ()


def test_an_offer_without_us_with_a_wrong_roster_or_of_no_sense_is_refused(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        good = here.offer()
        stranger = replace(good, roster=(*good.roster[:4], other(4).public, *good.roster[5:]))
        with pytest.raises(ProtocolError) as refused:
            here.join(stranger)
        assert refused.value.reason is Reject.FOREIGN
        for roster in (good.roster[:-1], (*good.roster[:-1], good.roster[0]), ()):
            with pytest.raises(PlanError):
                here.join(replace(good, roster=roster))
        for data in (b"", good.config[:-1], good.config + b"x"):
            with pytest.raises(WireError):
                here.join(replace(good, config=data))
        assert here.at.ledger.rounds.state(config().round_id) is None


def test_a_plan_is_agreed_to_for_its_own_task_only() -> None:
    for wrong in (
        {"task": "other"},
        {"length": PLAN.length + 1},
        {"l2_bound": 0.5},
        {"linf_bound": 0.25},
    ):
        with pytest.raises(PlanError, match="differ from those of the task"):
            Agreement(replace(PLAN, **wrong), TASK, ITEMS, Purpose.TRAIN, "")


def test_agreements_are_told_apart_by_plan_purpose_and_items() -> None:
    others = (
        replace(AGREEMENT, plan=replace(PLAN, noise_multiplier=2.0)),
        replace(AGREEMENT, plan=replace(PLAN, cohort=Cohort(PEOPLE, max_dropout=0.2))),
        replace(AGREEMENT, purpose=Purpose.COHORT),
        replace(AGREEMENT, items=ITEMS[::-1]),
    )
    assert len({one.digest for one in (AGREEMENT, *others)}) == 5


@pytest.mark.parametrize("purpose", [Purpose.LEARN, Purpose.COHORT])
def test_another_switch_does_not_do(tmp_path: Path, purpose: Purpose) -> None:
    with world(tmp_path) as here, pytest.raises((ConsentError, PlanError)):
        here.join(agreement=replace(AGREEMENT, purpose=purpose))


def test_a_sum_without_noise_is_not_joined(tmp_path: Path) -> None:
    bare = plan_sum(TASK.name, TASK.length, TASK.l2_bound, TASK.linf_bound, 0.0, COHORT, 24)
    with world(tmp_path) as here, pytest.raises(ConsentError, match="little noise"):
        here.join(here.offer(config(bare)), agreement=replace(AGREEMENT, plan=bare))


def test_a_malformed_or_misplaced_message_changes_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        wire = Wire(here, here.join()).run(until=Phase.MASK)
        good = wire.incoming[here.me]
        for bad in (b"", b"x", good[:-1], good + b"x", good[:6] + bytes(32) + good[38:]):
            with pytest.raises((WireError, ProtocolError)):
                wire.mine.answer(bad)
        assert here.at.ledger.budget().rounds == 0
        assert len(here.at.ledger.departures()) == 2
        wire.run()
        assert fits(own_noise(wire), float(PLAN.share_variance))


def test_a_lying_coordinator_loses_the_device(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        wire = Wire(here, here.join()).run(until=Phase.CONFIRM)
        survivors = bytearray(wire.incoming[here.me])
        survivors[38:42] = bytes(4)  # nobody survived
        with pytest.raises(ProtocolError):
            wire.mine.answer(bytes(survivors))
        assert wire.mine.done
        with pytest.raises(ProtocolError, match="not in the round any more"):
            wire.take_part()
        assert here.at.ledger.rounds.state(wire.mine.round_id) == "spent"


def test_the_ledger_holds_the_whole_envelope_that_a_route_puts_around_a_message(tmp_path: Path) -> None:
    url = "https://example.org/rounds/1"

    def wrap(message: bytes) -> bytes:
        return render("POST", url, message).data

    with world(tmp_path) as here:
        sent = here.join(route=Route("https://example.org", wrap, render("POST", url).seen)).begin()
        assert sent.data.startswith(b"POST /rounds/1 HTTP/1.1\r\n")
        here.at.ledger.check(sent.departure.number, sent.data)
        assert "network address" in sent.departure.visible


def test_a_device_is_another_one_to_each_coordinator_and_the_same_one_later(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        first, second = (device_identity(here.at.vault, f"https://{name}.example") for name in "ab")
        assert first.public != second.public
        assert device_identity(here.at.vault, "https://a.example").public == first.public


def test_nothing_secret_is_printed(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        wire = Wire(here, here.join()).run(until=Phase.CONFIRM)
        assert repr(wire.mine) == f"<Participation in popularity {wire.mine.round_id.hex()[:12]} CONFIRM>"
        wire.mine.leave()
        assert repr(wire.mine).endswith(" left>")


@pytest.mark.parametrize("place", [38, 42, 100, -1])
def test_a_changed_bit_in_what_neighbours_sealed_loses_the_device_and_sends_no_vector(
    tmp_path: Path, place: int
) -> None:
    with world(tmp_path) as here:
        wire = Wire(here, here.join()).run(until=Phase.MASK)
        inbox = bytearray(wire.incoming[here.me])
        inbox[place] ^= 1
        with pytest.raises(ConfidanteError):
            wire.mine.answer(bytes(inbox))
        assert here.at.ledger.budget().rounds == 0
        assert len(here.at.ledger.departures()) == 2
