"""Whose popularity a device uses: found on it, anew with each change, and every score still explained."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cohort_world import TREE, WIRE, release
from device_world import KNOWN, films, of_genre, open_device, watch

from confidante.device.device import Device
from confidante.device.recommend import cohorts
from confidante.device.values import Answer, OwnCohort, ReasonKind

HERE = "https://films.example"


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    with open_device(tmp_path / "person") as made:
        install(made)
        yield made


def install(device: Device, shift: int = 0) -> None:
    cohorts.keep(device._vault, HERE, "films", release(shift).encode(), WIRE.catalogue.ids)
    device.cohorts._installed()


def popular(answer: Answer) -> set[str]:
    return {
        reason.subject
        for one in answer.suggestions
        for reason in one.reasons
        if reason.kind is ReasonKind.POPULARITY
    }


def genres(answer: Answer) -> list[str]:
    return [one.item.labels[0] for one in answer.suggestions]


def unexplained(answer: Answer) -> float:
    return max(abs(one.unexplained) for one in answer.suggestions)


def test_without_tables_the_models_own_popularity_serves(tmp_path: Path) -> None:
    with open_device(tmp_path / "person") as device:
        assert device.cohorts.current is None
        device.settings.attributes = {"age": "18-24"}
        assert popular(device.recommend(5)) == {""}


def test_the_group_is_the_one_that_was_stated_at_once_and_after_a_restart(
    device: Device, tmp_path: Path
) -> None:
    everyone = device.recommend(8)
    assert popular(everyone) == {""}
    assert device.cohorts.current == OwnCohort(
        "everyone",
        ("everyone",),
        "nothing that you said or picked puts you in a smaller group",
        pytest.approx(1280),  # type: ignore[arg-type]
        pytest.approx(0.0, abs=0.1),  # type: ignore[arg-type]
        False,
    )
    device.settings.attributes = {"age": "18-24"}
    young = device.recommend(8)
    assert genres(young)[:5] == ["Space"] * 5
    assert popular(young) == {"people like: age 18-24"}
    assert unexplained(young) < 1e-9
    found = device.cohorts.current
    assert found is not None
    assert (found.name, found.why, found.folded) == ("age 18-24", "you said age 18-24", False)
    assert found.size == pytest.approx(320), "those below are part of it"
    device.close()
    with open_device(tmp_path / "person") as again:
        assert again.cohorts.current == found
        assert again.recommend(8) == young
        again.settings.attributes = {}
        assert again.recommend(8) == everyone


def test_a_group_that_is_too_small_is_served_by_the_one_above(device: Device) -> None:
    device.settings.attributes = {"age": "25-34"}
    found = device.cohorts.current
    assert found is not None
    assert (found.name, found.path, found.folded) == ("everyone", ("age 25-34", "everyone"), True)
    assert popular(device.recommend(3)) == {""}
    device.settings.attributes = {"age": "18-24"}
    device.record(of_genre("Sea")[0], "pick")
    found = device.cohorts.current
    assert found is not None
    assert found.path == ("young sailors", "age 18-24", "everyone")
    assert (found.name, found.folded) == ("age 18-24", True)
    assert found.why == "you said age 18-24 and you picked what 'young sailors' stands for"


def test_picks_decide_and_are_taken_back_with_their_events(device: Device) -> None:
    sea, food = of_genre("Sea"), of_genre("Food")
    device.record(food[0])
    assert device.cohorts.current is not None
    assert device.cohorts.current.name == "everyone", "only picks count"
    device.record(food[1], "pick")
    assert device.cohorts.current.name == "food lovers"
    picked = [device.record(one, "pick") for one in sea[:2]]
    assert device.cohorts.current.name == "sea lovers"
    answer = device.recommend(5)
    assert popular(answer) == {"people like: sea lovers"}
    assert unexplained(answer) < 1e-9
    numbers = [one.number for one in picked if one is not None]
    fewer = device.recommender.what_if(without=numbers, n=5)
    assert popular(fewer) == {"people like: food lovers"}
    device.forget(events=numbers)
    assert device.cohorts.current.name == "food lovers"
    scores = {one.item.id: one.score for one in device.recommend(KNOWN).suggestions}
    for one in fewer.suggestions:
        assert one.score == pytest.approx(scores[one.item.id], abs=1e-9)


def test_a_counterfactual_holds_though_the_pick_chose_the_group(device: Device) -> None:
    device.settings.attributes = {}
    device.record(of_genre("Sea")[0], "pick")
    watch(device, [of_genre("Crime")[3]])
    held = 0
    for one in device.recommend(10).suggestions:
        explained = device.explain(one.item.id, n=5)
        taken = explained.counterfactual.events
        if explained.rank is not None and explained.rank <= 5 and taken:
            left = device.recommender.what_if(without=taken, n=5)
            assert one.item.id not in [other.item.id for other in left.suggestions]
            held += 1
    assert held


def test_no_profiling_reads_everyones(device: Device) -> None:
    nobody = device.recommend(6)
    device.settings.attributes = {"age": "18-24"}
    assert device.recommend(6) != nobody
    device.settings.no_profiling = True
    assert [one.item for one in device.recommend(6).suggestions] == [one.item for one in nobody.suggestions]
    assert popular(device.recommend(6)) == {""}
    assert device.cohorts.current is not None
    assert (device.cohorts.current.name, device.cohorts.current.why) == ("everyone", "nothing of you is used")
    device.settings.no_profiling = False
    assert popular(device.recommender.session([of_genre("Sea")[0]], 3)) == {""}, "a session is of nobody"


def test_scores_stay_exact_with_everything_on(device: Device) -> None:
    device.settings.attributes = {"age": "18-24"}
    watch(device, [*of_genre("Sea")[:3], *of_genre("Food")[:2]])
    device.taste.less(of_genre("Crime")[0])
    device.taste.edit("Comedy", level=2)
    for answer in (
        device.recommend(20),
        device.recommend(20, repeats=True),
        device.recommend(5, diversity=0.5),
    ):
        assert unexplained(answer) < 1e-9
        assert popular(answer) == {"people like: age 18-24"}
    rows = {one.item.id: one.score for one in device.recommend(59).suggestions}
    best = sorted(rows.values(), reverse=True)
    assert [one.score for one in device.recommend(10).suggestions] == pytest.approx(best[:10], abs=1e-12)
    for one in device.recommend(5).suggestions:
        explained = device.explain(one.item.id)
        assert explained.suggestion.score == pytest.approx(one.score, abs=1e-12)
        assert abs(explained.suggestion.unexplained) < 1e-9


def test_items_that_the_table_does_not_know_keep_what_the_model_says_of_them(device: Device) -> None:
    def prior_of(item: str) -> float:
        reasons = device.explain(item).suggestion.reasons
        return next(one.points for one in reasons if one.kind is ReasonKind.POPULARITY)

    new, known = films()[KNOWN].id, films()[0].id
    before = prior_of(new), prior_of(known)
    device.settings.attributes = {"age": "18-24"}
    after = prior_of(new), prior_of(known)
    assert before[0] == after[0]
    assert before[1] != after[1]
    largest = max(prior_of(film.id) for film in films()[:KNOWN])
    device.settings.attributes = {}
    assert largest == pytest.approx(max(prior_of(film.id) for film in films()[:KNOWN]), rel=1e-6)
    device.settings.attributes = {"age": "18-24"}
    device.items.add([replace(films()[0], id="newer", title="Newer (2030)")])
    assert popular(device.recommend(3)) == {"people like: age 18-24"}
    assert unexplained(device.recommend(61)) < 1e-9


def test_other_tables_serve_at_once(device: Device) -> None:
    device.settings.attributes = {"age": "18-24"}
    assert set(genres(device.recommend(5))) == {"Space"}
    install(device, shift=2)
    assert set(genres(device.recommend(5))) <= {"Food", "Crime"}
    cohorts.keep(device._vault, HERE, "films", None)
    device.cohorts._installed()
    assert device.cohorts.current is None
    assert popular(device.recommend(5)) == {""}


def test_the_place_in_the_tree_is_what_a_round_reads(device: Device) -> None:
    def leaf() -> int:
        stated = cohorts.stated_here(device._vault)
        return TREE.leaf_of(stated.attributes, stated.liked_labels, stated.liked_items)

    assert leaf() == 0
    device.settings.attributes = {"age": "18-24", "sex": "unsaid"}
    assert leaf() == 1
    device.record(of_genre("Sea")[0], "pick")
    assert leaf() == 5
