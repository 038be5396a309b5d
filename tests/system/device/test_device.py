"""The device as a whole: it answers the same whenever it is asked, says what is wrong, and is used by one."""

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from device_world import (
    START,
    Clock,
    catalogue,
    everything,
    films,
    ids,
    open_device,
    snapshot,
    watch,
)

from confidante.core.errors import ConsentError, DataError, PlanError, VaultError
from confidante.core.values import Item
from confidante.crypto.identity import Identity
from confidante.device.device import Device
from confidante.device.federation.agreement import Agreement, Offer
from confidante.device.federation.participation import Route
from confidante.device.privacy.consent import PERSON
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.values import Purpose
from confidante.privacy.plan import Cohort, plan_sum
from confidante.secagg.config import RoundConfig
from confidante.tasks.popularity import PopularityTask

MIXED = ["m1", "m0", "m22", "m5", "m10", "m3", "m15"]
COORDINATOR = "https://example.org"


@pytest.fixture
def device(tmp_path):
    with open_device(tmp_path / "p") as made:
        watch(made, MIXED)
        yield made


def answers(device):
    return {
        "recommend": everything(device),
        "diverse": device.recommend(7, diversity=0.6, context={"place": "home"}),
        "some": device.recommend(5, labels=["Food"], exclude=["m2"], filter=lambda film: film.id != "m7"),
        "repeats": device.recommend(60, repeats=True),
        "what if": device.recommender.what_if(without=[2, 4], n=9),
        "explain": [device.explain(item) for item in ("m35", "m0", "m59", "m30")],
        "similar": device.recommender.similar_items("m35", 60),
        "session": device.recommender.session(["m4", "m9"]),
        "history": device.history.events(),
        "tastes": device.taste.list(),
        "saved": device.taste.saved,
        "wishes": device.taste.refused,
        "settings": (
            device.settings.retention,
            device.settings.no_profiling,
            device.settings.paused_until,
            device.protection,
        ),
        "items": (
            device.items.count,
            device.history.count,
            device.items.find("the", 100),
            device.items.get("m3"),
        ),
    }


def test_closing_and_opening_in_between_changes_no_answer(device):
    said = [
        lambda d: d.taste.less("m30"),
        lambda d: d.taste.never("m31"),
        lambda d: d.taste.save("m32"),
        lambda d: d.taste.edit("Food", level=2),
        lambda d: d.taste.edit("Sea", removed=True),
        lambda d: d.items.add([Item("new", "A Star over the Harbour", ("Space", "Sea"))]),
        lambda d: d.record("new", "dislike", context={"place": "home"}),
        lambda d: d.items.remove(["m40"]),
        lambda d: d.forget(item="m22"),
        lambda d: d.settings.pause(500),
    ]
    folder = device._vault.folder
    for change in said:
        change(device)
        before = answers(device)
        assert answers(device) == before
        device.close()
        device = open_device(folder, fresh=False)
        assert answers(device) == before
    device.close()


def test_two_devices_that_were_told_the_same_answer_the_same(tmp_path, device):
    with open_device(tmp_path / "twin") as twin:
        watch(twin, MIXED)
        assert answers(twin) == answers(device)


def test_one_process_answers_as_another(tmp_path, device):
    expected = ids(device.recommend(20))
    folder = device._vault.folder
    device.close()
    script = (
        "import sys; from confidante import Device\n"
        "from confidante.device.storage.keys import InsecurePlaintextKey\n"
        "device = Device(sys.argv[1], InsecurePlaintextKey(), create=False)\n"
        "print(*(s.item.id for s in device.recommend(20).suggestions)); device.close()"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == expected


NONSENSE = {
    "record unknown": (lambda d: d.record("x"), "there is no item 'x': add it with device.items.add first"),
    "record odd": (lambda d: d.record("\ud800\x00"), "item_id contains NUL or half of a surrogate pair"),
    "record at nan": (lambda d: d.record("m0", at=math.nan), "an event, nan, is out of range"),
    "record at inf": (lambda d: d.record("m0", at=math.inf), "an event, inf, is out of range"),
    "record before": (lambda d: d.record("m0", at=-1.0), "an event, -1.0, is out of range"),
    "record late": (lambda d: d.record("m0", at=1e12), "up to the year 2100"),
    "record value": (lambda d: d.record("m0", value=math.nan), "value of an event is nan"),
    "record kind": (lambda d: d.record("m0", ""), "the kind of an event has 0 characters"),
    "record long": (lambda d: d.record("m0", "x" * 65), "give 1 to 64"),
    "record context": (lambda d: d.record("m0", context={"a": "x" * 999}), "the text of a context has 999"),
    "recommend -1": (lambda d: d.recommend(-1), "cannot recommend -1 items: give 0 to 1000"),
    "recommend 1001": (lambda d: d.recommend(1001), "give 0 to 1000"),
    "diversity -0.1": (lambda d: d.recommend(3, diversity=-0.1), "diversity is 0 to 1, not -0.1"),
    "diversity 1.1": (lambda d: d.recommend(3, diversity=1.1), "diversity is 0 to 1"),
    "diversity nan": (lambda d: d.recommend(3, diversity=math.nan), "diversity is 0 to 1"),
    "what if -1": (lambda d: d.recommender.what_if(n=-1), "give 0 to 1000"),
    "explain": (lambda d: d.explain("x"), "no item 'x'"),
    "explain -1": (lambda d: d.explain("m0", n=-1), "give 0 to 1000"),
    "similar": (lambda d: d.recommender.similar_items("x"), "no item 'x'"),
    "similar -1": (lambda d: d.recommender.similar_items("m0", -1), "give 0 to 1000"),
    "similar 1001": (lambda d: d.recommender.similar_items("m0", 1001), "give 0 to 1000"),
    "session": (lambda d: d.recommender.session(["m0", "x"]), "no item 'x'"),
    "session -1": (lambda d: d.recommender.session(["m0"], -1), "give 0 to 1000"),
    "item": (lambda d: d.items.get("x"), "no item 'x'"),
    "find": (lambda d: d.items.find("x", -1), "cannot find -1 items"),
    "history -1": (lambda d: d.history.events(limit=-1), "cannot list -1 events"),
    "history nan": (lambda d: d.history.events(since=math.nan), "not a number"),
    "history before": (lambda d: d.history.events(before=10**9), "no longer exists"),
    "history far": (lambda d: d.history.events(before=-(2**70)), "no longer exists"),
    "long title": (lambda d: d.items.add([Item("y", "x" * 10_000_000)]), "has 10,000,000 characters"),
    "long about": (lambda d: d.items.add([Item("y", "t", (), "x" * 10_000_000)]), "10,000,000 characters"),
    "no id": (lambda d: d.items.add([Item("", "t")]), "has 0 characters"),
    "half": (lambda d: d.items.add([Item("y", "\ud800")]), "half of a surrogate pair"),
    "many labels": (lambda d: d.items.add([Item("y", "t", tuple(map(str, range(99))))]), "has 99 labels"),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_is_refused_in_a_sentence_and_changes_nothing(device, what):
    call, problem = NONSENSE[what]
    before = answers(device)
    with pytest.raises(DataError) as refused:
        call(device)
    assert problem in str(refused.value)
    assert len(str(refused.value)) < 200
    assert answers(device) == before


def test_one_bad_item_among_many_adds_none(device):
    before = answers(device)
    with pytest.raises(DataError, match="item 'bad'"):
        device.items.add([Item("good", "Good"), Item("bad", "x" * 10**7), Item("fine", "Fine")])
    assert answers(device) == before
    device.items.add([Item("other", "A Comet")])  # takes the key that was given back
    assert "Good" not in {s.item.title for s in everything(device).suggestions}


@pytest.mark.parametrize("number", [10**6, -5, 2**70])
def test_events_that_never_were_cannot_be_left_out(device, number):
    with pytest.raises(DataError, match=r"without names event .*, which does not exist"):
        device.recommender.what_if(without=[number])


def test_items_that_never_were_can_be_excluded(device):
    assert device.recommend(3, exclude=["never was"]) == device.recommend(3)


def test_nothing_is_asked_for_and_nothing_comes(device):
    assert device.recommend(0).suggestions == device.recommend(0, diversity=1.0).suggestions == ()
    assert device.recommend(0, filter=lambda _: True).suggestions == ()
    assert (
        device.history.events(limit=0)
        == device.items.find("the", 0)
        == device.recommender.similar_items("m0", 0)
        == ()
    )


def test_history_is_searched_paged_and_bounded(device):
    whole = device.history.events()
    assert [event.item for event in whole] == MIXED[::-1]
    page, pages = device.history.events(limit=2), []
    while page:
        pages += page
        page = device.history.events(limit=2, before=page[-1].number)
    assert tuple(pages) == whole
    assert [event.item for event in device.history.events(search="STAR")] == ["m5"]
    middle = whole[3].at
    assert device.history.events(since=middle) + device.history.events(until=middle) == whole


def test_an_event_is_given_back_as_it_was_recorded(device):
    said = device.record("m7", "rated", at=START, value=4.5, context={"place": "home", "with": "Bo"})
    assert device.history.events(limit=1) == (said,)
    assert (said.item, said.kind, said.at, said.value) == ("m7", "rated", START, 4.5)
    assert dict(said.context) == {"place": "home", "with": "Bo"}


# --- one at a time


def test_a_second_process_and_a_second_device_are_refused(device):
    with pytest.raises(VaultError, match="open"):
        Device(device._vault.folder, InsecurePlaintextKey())
    script = (
        "import sys; from confidante import Device\n"
        "from confidante.device.storage.keys import InsecurePlaintextKey\n"
        "from confidante.core.errors import VaultError\n"
        "try: Device(sys.argv[1], InsecurePlaintextKey())\n"
        "except VaultError as error: sys.exit(7)"
    )
    folder = str(device._vault.folder)
    done = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert device.recommend(3).personal


def test_threads_may_do_everything_at_once(device):
    first = device.history.count

    def work(seed):
        rng = np.random.default_rng(seed)
        kept = 0
        for step in range(8):
            item = f"m{rng.integers(16, 60)}"
            match int(rng.integers(0, 7)):
                case 0 | 1:
                    kept += device.record(item) is not None
                case 2:
                    assert len(device.recommend(5).suggestions) == 5
                case 3:
                    device.explain(item)
                case 4:
                    device.taste.less(item)
                    device.taste.allow(item)
                case 5:
                    device.items.add([Item(f"t{seed}-{step}", f"Comet {seed} {step}", ("Space",))])
                    assert f"t{seed}-{step}" in ids(device.recommend(1000))
                case 6:
                    device.taste.list(), device.history.events(), device.taste.saved, device.history.count
        return kept

    with ThreadPoolExecutor(8) as threads:
        kept = sum(threads.map(work, range(8)))
    assert device.history.count == first + kept
    assert len({event.number for event in device.history.events(limit=1000)}) == first + kept
    before = everything(device)
    device.close()
    with open_device(device._vault.folder, fresh=False) as again:
        assert everything(again) == before


def test_a_closed_device_says_so_and_closing_twice_does_no_harm(device):
    device.close()
    device.close()
    with pytest.raises(VaultError, match="closed"):
        device.recommend(3)
    with pytest.raises(VaultError, match="closed"):
        device.record("m0")


def test_erasing_leaves_nothing_and_a_new_profile_can_be_made_there(tmp_path):
    with open_device(tmp_path / "p") as device:
        watch(device, MIXED)
        device.erase()
        with pytest.raises(VaultError, match="closed"):
            device.recommend(3)
    assert not (tmp_path / "p").exists() or not any((tmp_path / "p").iterdir())
    with pytest.raises(VaultError, match="no vault here"):
        Device(tmp_path / "p", InsecurePlaintextKey(), create=False)
    with Device(tmp_path / "p", InsecurePlaintextKey()) as fresh:
        assert (fresh.items.count, fresh.history.count) == (0, 0)


def test_a_passphrase_opens_what_it_closed_and_another_does_not(tmp_path):
    with Device(tmp_path / "p", "correct horse", clock=Clock()) as device:
        assert device.protection == "passphrase"
        device.items.add(films())
        device.record("m0")
        assert "horse" not in repr(device)
        before = everything(device)
    with pytest.raises(VaultError, match="passphrase"):
        Device(tmp_path / "p", "wrong horse")
    with Device(tmp_path / "p", "correct horse", clock=Clock()) as again:
        assert everything(again) == before


# --- joining


def sum_of(purpose=Purpose.TRAIN):
    cohort = Cohort(32)
    task = PopularityTask(len(catalogue()))
    plan = plan_sum(task.name, task.length, task.l2_bound, task.linf_bound, 3.0, cohort, 24)
    return Agreement(plan, task, catalogue().ids, purpose, "how strongly you met this item")


def offer_to(device, agreement):
    plan = agreement.plan
    made = RoundConfig.plan(
        round_id=b"r" * 32,
        graph_seed=b"g" * 32,
        n=plan.cohort.devices,
        length=plan.length,
        bits=plan.bits,
        max_abs_entry=plan.linf_int,
        noise_headroom=plan.headroom,
        max_dropout=plan.cohort.max_dropout,
        max_collusion=plan.cohort.max_collusion,
    )
    others = (Identity.from_seed(bytes([index]) * 32).public for index in range(1, 32))
    return Offer(made.encode(), (device.federation.identity(COORDINATOR), *others))


def test_each_coordinator_knows_other_keys_and_the_same_ones_again(device):
    mine = device.federation.identity(COORDINATOR)
    assert device.federation.identity("https://example.net") != mine
    device.close()
    with open_device(device._vault.folder, fresh=False) as again:
        assert again.federation.identity(COORDINATOR) == mine


def test_joining_needs_its_switch_and_the_agreed_round_and_writes_before_it_speaks(device):
    agreement = sum_of()
    offer, route = offer_to(device, agreement), Route(COORDINATOR)
    with pytest.raises(ConsentError, match="switched off"):
        device.federation.join(agreement, offer, route)
    device.consents.switch(Purpose.QUALITY, True, how=PERSON)
    with pytest.raises(ConsentError, match="switched off"):
        device.federation.join(agreement, offer, route)
    device.consents.switch(Purpose.TRAIN, True, how=PERSON)
    other = RoundConfig.decode(offer.config)
    assert other.length == agreement.plan.length
    with pytest.raises(PlanError):
        device.federation.join(agreement, Offer(offer.config, offer.roster[:-1]), route)
    assert device.ledger.departures() == ()
    mine = device.federation.join(agreement, offer, route)
    outgoing = mine.answer(b"")
    (departure,) = device.ledger.departures()
    assert (departure.number, departure.size) == (outgoing.departure.number, len(outgoing.data))
    with pytest.raises(ConsentError, match="before"):
        device.federation.join(agreement, offer, route)


def test_a_model_and_a_library_of_another_world_do_not_disturb_each_other(tmp_path):
    with Device(tmp_path / "p", InsecurePlaintextKey(), clock=Clock()) as device:
        device.items.add([Item("b1", "A book of bread"), Item("b2", "A book of stars")])
        device.record("b1")
        device.federation.install_model(snapshot())
        assert {"b2", "m0", "m47"} <= set(ids(everything(device)))
        assert "b1" not in ids(everything(device))
        assert device.history.events()[0].item == "b1"
