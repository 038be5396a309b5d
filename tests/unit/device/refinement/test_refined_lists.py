"""A refined list: the local one first, then what the server knows, with reasons that add up."""

import time
from pathlib import Path

import pytest

pytest.importorskip("seal")
pytest.importorskip("pyhpke")

from device_world import Clock, adds_up, ids, scores, watch
from refine_world import LIKED, NEW, START, person, questions, server, threads

from confidante.core.errors import ConsentError, DataError, EgressError
from confidante.crypto.he.bfv import BfvScheme
from confidante.device.device import Device
from confidante.device.privacy.consent import PERSON
from confidante.device.refinement.download_policy import USUAL_DAYS
from confidante.device.refinement.merging import REFINE_SPREAD
from confidante.device.values import NotRefined, Purpose, ReasonKind

DAY = 86_400.0


def why(answer: object) -> NotRefined | None:
    refinement = answer.refinement  # type: ignore[attr-defined]
    assert refinement is not None
    assert refinement.done
    return refinement.reason  # type: ignore[no-any-return]


def test_a_server_moves_a_list_and_says_by_how_much(tmp_path: Path) -> None:
    with server(tmp_path) as here, person(tmp_path, here) as device:
        local = device.recommend(80, refine=True)
        plain = device.recommend(80)
        assert local == plain
        refined = local.refined()
        assert why(refined) is None, refined.refinement.said
        assert ids(refined) != ids(local)
        assert all(adds_up(one) for one in refined.suggestions)
        before = scores(local)
        moved = 0
        for one in refined.suggestions:
            server_said = [r for r in one.reasons if r.kind is ReasonKind.REFINEMENT]
            assert len(server_said) <= 1
            points = sum(r.points for r in server_said)
            moved += bool(points)
            assert one.score - before[one.item.id] == pytest.approx(points, abs=1e-9)
        assert moved > 40
        assert refined.refined() == refined


def test_points_are_those_of_the_servers_own_vectors(tmp_path: Path) -> None:
    with server(tmp_path) as here, person(tmp_path, here) as device:
        import numpy as np

        refined = device.recommend(80, refine=True).refined()
        rows = np.array([here.side.catalogue.ids.index(item) for item in LIKED])
        ages = np.arange(len(rows), dtype=np.float64)[::-1]
        query = here.side.rounded(here.side.query(rows, ages, np.ones(len(rows))))
        points = here.side.points(here.table.scores(query), query.scale)
        spread = device._serving.library.spread
        for one in refined.suggestions:
            expected = REFINE_SPREAD * spread / here.side.spread
            expected *= points[here.side.catalogue.ids.index(one.item.id)]
            names = {part.name for part in here.side.parts}  # what the shared model says is not said twice
            expected -= sum(r.parts.get(name, 0.0) for r in one.reasons for name in names)
            found = sum(r.points for r in one.reasons if r.kind is ReasonKind.REFINEMENT)
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_downloading_gives_the_very_list_that_asking_in_secret_gives(tmp_path: Path) -> None:
    with server(tmp_path, BfvScheme()) as here:
        with person(tmp_path / "a", here) as device:
            asked = device.recommend(80, refine=True).refined()
            assert why(asked) is None, asked.refinement.said
            assert len(questions(device)) == len(here.gateway.questions) == 1
        with person(tmp_path / "b", here, policy="download", relay=None) as device:
            gone = device.ledger.head
            downloaded = device.recommend(80, refine=True).refined()
            assert why(downloaded) is None
            assert device.ledger.head == gone
        assert len(here.gateway.questions) == 1
        assert asked == downloaded


def test_auto_downloads_what_is_public_and_asks_for_what_is_secret(tmp_path: Path) -> None:
    with server(tmp_path / "public", BfvScheme()) as here, person(tmp_path, here, policy="auto") as device:
        status = device.refinement.status()
        assert status.decision is not None
        assert status.decision.way == "download"
        assert status.decision.break_even == 1
        assert status.decision.download < status.decision.ask
        assert why(device.recommend(5, refine=True).refined()) is None
        assert questions(device) == []
    with (
        server(tmp_path / "secret", BfvScheme(), secret=True) as here,
        person(tmp_path / "two", here, policy="auto") as device,
    ):
        status = device.refinement.status()
        assert status.secret
        assert status.decision is not None
        assert status.decision.way == "ask"
        assert why(device.recommend(5, refine=True).refined()) is None
        assert len(questions(device)) == 1
        device.refinement.use(here.url, "films", policy="download")
        device.refinement.refresh()
        answer = device.recommend(5, refine=True)
        assert answer.refined() == answer
        assert why(answer) is NotRefined.NOT_PREPARED
        assert "nobody" in answer.refinement.said


def test_items_that_only_the_server_had_are_recommendable_after_a_refresh(tmp_path: Path) -> None:
    with server(tmp_path) as here, person(tmp_path, here, prepared=False) as device:
        assert device.items.count == 60
        device.refinement.refresh()
        assert device.items.count == 70
        assert set(NEW) <= set(ids(device.recommend(100)))
        device.items.remove([NEW[0]])
        device.refinement.refresh()
        assert device.items.count == 69


def test_how_long_vectors_last_is_counted_by_vectors_not_by_keys(tmp_path: Path) -> None:
    clock = Clock()
    with server(tmp_path) as here, person(tmp_path, here, clock=clock) as device:
        clock.now = START + 3 * 86_400
        here.announce(at=START + 86_400, most=4)
        figures = device.refinement.refresh().decision
        assert figures is not None
        assert figures.days == USUAL_DAYS
        here.offer_only(66)
        here.announce(at=START + 2 * 86_400)
        figures = device.refinement.refresh().decision
        assert figures is not None
        assert figures.days == 2.0


def test_items_go_and_come_back_with_the_servers_catalogue(tmp_path: Path) -> None:
    clock = Clock()
    with server(tmp_path) as here, person(tmp_path, here, clock=clock) as device:
        here.offer_only(66)
        here.announce(at=START + DAY)
        clock.now += DAY
        device.refinement.refresh()
        assert device.items.count == 66
        assert set(NEW[6:]) & set(ids(device.recommend(100))) == set()
        device.items.remove([NEW[1]])
        here.offer_only(50)  # of which the device knew all before: they stay
        here.announce(at=START + 2 * DAY)
        clock.now += DAY
        device.refinement.refresh()
        assert device.items.count == 60
        here.offer_only(70)
        here.announce(at=START + 3 * DAY)
        clock.now += DAY
        device.refinement.refresh()
        assert device.items.count == 69  # but what was taken out here stays out
        assert NEW[1] not in ids(device.recommend(100))
        assert why(device.recommend(5, refine=True).refined()) is None


def test_what_cannot_be_had_leaves_the_list_and_a_rule_is_a_reason(tmp_path: Path) -> None:
    with (
        server(tmp_path, gone=("m20", "s1"), points={"m30": 25, "m31": -5}) as here,
        person(tmp_path, here) as device,
    ):
        local = device.recommend(80, refine=True)
        refined = local.refined()
        assert why(refined) is None
        assert {"m20", "s1"} & set(ids(refined)) == set()
        assert {"m20", "s1"} <= set(ids(local))
        rules = {
            one.item.id: [r.points for r in one.reasons if r.kind is ReasonKind.RULE]
            for one in refined.suggestions
        }
        assert rules["m30"] == [pytest.approx(2.5)]
        assert rules["m31"] == [pytest.approx(-0.5)]
        assert sum(map(len, rules.values())) == 2
        assert all(adds_up(one) for one in refined.suggestions)


def test_wishes_filters_and_tastes_hold_in_the_refined_list(tmp_path: Path) -> None:
    with server(tmp_path) as here, person(tmp_path, here) as device:
        device.taste.never("m25")
        device.taste.less("m30")
        device.taste.edit("Crime", removed=True)
        device.taste.edit("Sea", level=2)
        answer = device.recommend(
            60,
            refine=True,
            filter=lambda item: item.id != "m35",
            exclude=["m40"],
            labels=["Space", "Sea"],
            context={"place": "home"},
        ).refined()
        assert why(answer) is None, answer.refinement.said
        found = set(ids(answer))
        assert found
        assert found & {"m25", "m30", "m35", "m40", *LIKED} == set()
        assert all(set(one.item.labels) & {"Space", "Sea"} for one in answer.suggestions)
        assert not any("Crime" in one.item.labels for one in answer.suggestions)
        assert all(adds_up(one) for one in answer.suggestions)
        kinds = {reason.kind for one in answer.suggestions for reason in one.reasons}
        assert {ReasonKind.TASTE, ReasonKind.REFINEMENT} <= kinds
        again = device.recommend(60, refine=True, repeats=True).refined()
        assert {"m0", "m5", "m10", "m15"} <= set(ids(again))
        varied = device.recommend(10, refine=True, diversity=0.7).refined()
        assert ids(varied) != ids(device.recommend(10, refine=True).refined())
        assert all(adds_up(one) for one in varied.suggestions)


def test_a_wish_that_comes_meanwhile_holds(tmp_path: Path) -> None:
    from faulty_gateway import Manner

    with server(tmp_path) as here, person(tmp_path, here) as device:
        first = ids(device.recommend(80, refine=True).refined())[0]
        here.relay.manner, here.relay.pause = Manner.SLOW, 0.8
        answer = device.recommend(80, refine=True)
        device.taste.never(first)
        assert first not in ids(answer.refined())
        assert why(answer) is None
        answer = device.recommend(80, refine=True)
        device.forget(item="m0")
        assert answer.refined() == answer
        assert why(answer) is NotRefined.STOPPED
        answer = device.recommend(80, refine=True)
        device.settings.no_profiling = True
        assert answer.refined() == answer
        assert why(answer) is NotRefined.NO_PROFILING


def test_nothing_is_asked_for_nobody_nor_without_consent_server_or_preparation(tmp_path: Path) -> None:
    with server(tmp_path) as here, person(tmp_path, None) as device:
        assert why(device.recommend(5, refine=True)) is NotRefined.NO_SERVER
        device.refinement.use(here.url, "films", relay=here.relay.url, policy="ask", at_once=True)
        assert why(device.recommend(5, refine=True)) is NotRefined.NOT_PREPARED
        device.refinement.refresh()
        before = device.ledger.head
        device.settings.no_profiling = True
        answer = device.recommend(5, refine=True)
        assert why(answer) is NotRefined.NO_PROFILING
        assert answer.refined() == answer
        assert not answer.personal
        device.settings.no_profiling = False
        device.consents.switch(Purpose.REFINE, False, how=PERSON)
        assert why(device.recommend(5, refine=True)) is NotRefined.SWITCHED_OFF
        last = device.refinement.status().last
        assert last is not None
        assert last.reason is NotRefined.SWITCHED_OFF
        with pytest.raises(ConsentError):
            device.refinement.refresh()
        assert device.ledger.head == before
        assert here.gateway.questions == []
        device.refinement.use(None)
        assert not device.refinement.status().set_up
        device.consents.switch(Purpose.REFINE, True, how=PERSON)
        with pytest.raises(DataError):
            device.refinement.refresh()


def test_without_a_library_nothing_is_asked_and_downloads_still_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    with server(tmp_path, BfvScheme(), secret=True) as here, person(tmp_path, here) as device:
        monkeypatch.setitem(sys.modules, "seal", None)
        answer = device.recommend(5, refine=True)
        assert answer.refined() == answer
        assert why(answer) is NotRefined.NO_LIBRARY
        assert questions(device) == []
        monkeypatch.undo()
    with server(tmp_path / "open", BfvScheme()) as here:
        monkeypatch.setitem(sys.modules, "seal", None)
        monkeypatch.setitem(sys.modules, "pyhpke", None)
        with person(tmp_path / "two", here, policy="auto") as device:
            assert why(device.recommend(5, refine=True).refined()) is None
        monkeypatch.undo()


def test_no_two_questions_have_anything_in_common(tmp_path: Path) -> None:
    with server(tmp_path, BfvScheme()) as here, person(tmp_path, here) as device:
        for _ in range(2):
            assert why(device.recommend(5, refine=True).refined()) is None
        one, two = (heard.body for heard in here.relay.heard)
        assert len(one) == len(two)
        assert sum(a == b for a, b in zip(one[7:], two[7:], strict=True)) < len(one) / 100
        first, second = (question.ciphertext for question in here.gateway.questions)
        assert first != second
        assert {"cookie", "authorization", "user-agent", "from"} & set(here.relay.heard[0].headers) == set()


def test_the_ledger_says_what_left_that_it_was_ciphertext_and_through_whom(tmp_path: Path) -> None:
    with server(tmp_path, BfvScheme()) as here, person(tmp_path, here) as device:
        assert why(device.recommend(5, refine=True).refined()) is None
        (departure,) = questions(device)
        said, receipt = departure.content, departure.receipt
        assert departure.purpose is Purpose.REFINE
        assert departure.epsilon == 0
        assert here.relay.url.startswith(departure.destination)
        assert (said["ciphertext"], said["items"], said["dimensions"], said["bucket"]) == (
            True,
            70,
            16,
            "all",
        )
        assert said["through"] == departure.destination
        assert said["to"] == here.url
        assert said["scheme"] == "bfv-2048 1"
        assert said["bytes of ciphertext"] == len(here.gateway.questions[0].ciphertext)
        assert said["vectors"] == here.gateway.about.hex()
        assert departure.size > len(here.relay.heard[0].body) > said["bytes of ciphertext"]
        assert (receipt["refined"], receipt["reason"], receipt["status"]) == (True, "", 200)
        assert receipt["bytes sent"] == departure.size
        assert receipt["bytes received"] == receipt["size"] > 30_000
        assert 0 < receipt["seconds"] < 10
        assert "cannot open" in departure.visible
        status = device.refinement.status()
        assert (status.asked, status.up, status.down) == (1, departure.size, receipt["size"])
        assert status.last is not None
        assert status.last.departure == departure.number
        assert "one address" in status.warning
        device.ledger.verify()


def test_the_local_list_does_not_wait_and_closing_ends_all(tmp_path: Path) -> None:
    from faulty_gateway import Manner

    with server(tmp_path) as here, person(tmp_path, here, seconds=30) as device:
        device.recommend(5)
        here.relay.manner = Manner.SILENT
        begun = time.monotonic()
        answers = [device.recommend(5, refine=True) for _ in range(6)]
        assert time.monotonic() - begun < 4.0
        assert [why_now(one) for one in answers[4:]] == [NotRefined.TOO_SLOW] * 2
        assert not any(one.refinement.done for one in answers[:4])
        assert answers[0].refined(timeout=0.05) == answers[0]
        assert not answers[0].refinement.done
        begun = time.monotonic()
        device.close()
        assert time.monotonic() - begun < 6.0
        assert threads() == []
        assert [why_now(one) for one in answers[:4]] == [NotRefined.STOPPED] * 4


def why_now(answer: object) -> NotRefined | None:
    return answer.refinement.reason  # type: ignore[attr-defined, no-any-return]


def test_a_setting_that_does_not_hold_together_is_refused(tmp_path: Path) -> None:
    with person(tmp_path, None) as device:
        for wrong in (
            {"relay": None},
            {"relay": "https://r.example", "direct": True},
            {"direct": True, "policy": "guess"},
            {"direct": True, "seconds": 0.0},
            {"direct": True, "epsilon": -1.0},
            {"direct": True, "epsilon": float("nan")},
            {"direct": True, "certificates": "no certificate"},
        ):
            with pytest.raises(DataError):
                device.refinement.use("https://sums.example", "films", **wrong)
        with pytest.raises(DataError):
            device.refinement.use("https://sums.example", direct=True)
        for url, relay in (("http://sums.example", None), ("https://sums.example", "ftp://r.example")):
            with pytest.raises(EgressError):
                device.refinement.use(url, "films", relay=relay, direct=relay is None)
        assert not device.refinement.status().set_up


def test_a_setting_is_kept_and_what_was_fetched_goes_with_its_server(tmp_path: Path) -> None:
    with server(tmp_path) as here:
        with person(tmp_path, here) as device:
            assert device.refinement.status().items == 70
        from device_world import open_device

        with open_device(tmp_path / "profile") as device:
            status = device.refinement.status()
            assert (status.server, status.items, status.dimensions) == (here.url, 70, 16)
            assert why(device.recommend(5, refine=True).refined()) is None
            device.refinement.use(
                here.url, "films", relay=here.relay.url, policy="ask", at_once=True, seconds=3
            )
            assert device.refinement.status().prepared_at is not None
            device.refinement.use("https://other.example", "films", relay=here.relay.url)
            assert device.refinement.status().prepared_at is None
            assert why(device.recommend(5, refine=True)) is NotRefined.NOT_PREPARED


def test_a_person_without_a_history_is_refined_by_what_can_be_had(tmp_path: Path) -> None:
    with server(tmp_path, gone=("m3",), points={"m4": 100}) as here, person(tmp_path, here) as device:
        device.forget(everything=True)
        answer = device.recommend(5, refine=True).refined()
        assert why(answer) is None
        assert ids(answer)[0] == "m4"
        assert isinstance(device, Device)
        watch(device, ["m4"])
