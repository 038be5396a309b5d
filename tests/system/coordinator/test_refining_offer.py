"""What a population offers to refine with: the file, the vectors made of it, and what the log says."""

import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from populations import OPEN, catalogue_of, write_population
from published_model import made_up_model, publish_model
from refining_world import NAME, PLAIN, population_of, refining, scored, table, write_offer

from confidante.coordinator.config.population_file import EXAMPLE, read_population
from confidante.coordinator.config.refinement import parse_offer, read_offer
from confidante.coordinator.refinement import scorer_link
from confidante.coordinator.refinement.gateway_keys import BOTH_SECONDS, GatewayKeys
from confidante.coordinator.refinement.offering import PREVIOUS_SECONDS
from confidante.coordinator.refinement.refinements import Refinements, check_installed
from confidante.coordinator.refinement.scorer import HANDS, NoScorerError, ScoringPool, Vectors
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.coordinator.store.values import GatewayRow
from confidante.core.errors import DataError, WireError
from confidante.crypto.he.bfv import BfvScheme
from confidante.crypto.oblivious_http import Sealed
from confidante.models.refinement.build import CONTENT_PART
from confidante.testing.plain_scoring import PlainScheme
from confidante.wire.refinement import GONE
from confidante.wire.tokens import LEAST_KEY_SECONDS

BFV = "confidante.crypto.he.bfv:BfvScheme"
HEAD = "item,title,labels,stock,boost\n"
TWO = "a,A,x,1,\nb,B,y,,\n"


def refinement(folder: Path, population: object, store: Store) -> Refinements:
    return Refinements(store, Bodies(f"file://{folder / 'bodies'}"), [population], least=0.0)  # type: ignore[list-item]


# --- the file


def test_stock_and_boost_may_be_left_out(tmp_path: Path) -> None:
    found = parse_offer(tmp_path, b"item,title,labels\na,A,x|y\nb,B,\n")
    assert found.catalogue.labels == (("x", "y"), ())
    assert found.there.all()
    assert not found.boost.any()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("a,A,x,2,\nb,B,y,,\n", "stock '2': give 1 or 0"),
        ("a,A,x,yes,\nb,B,y,,\n", "stock 'yes'"),
        ("a,A,x,1,much\nb,B,y,,\n", "boost 'much'"),
        ("a,A,x,1,nan\nb,B,y,,\n", "boost 'nan'"),
        ("a,A,x,1,inf\nb,B,y,,\n", "boost 'inf'"),
        ("a,A,x,1,1e7\nb,B,y,,\n", "boost '1e7'"),
        ("a,A,x,1,\na,B,y,,\n", "a"),
        ("a,A,x,1,\n", "at least 2"),
        ("a,A,x\nb,B,y\n", "has 3 fields"),
        (",A,x,1,\nb,B,y,,\n", "no item id"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_name(tmp_path: Path, rows: str, told: str) -> None:
    (tmp_path / "store.csv").write_text(HEAD + rows)
    with pytest.raises(DataError, match=told) as caught:
        read_offer(tmp_path / "store.csv")
    assert str(tmp_path / "store.csv") in str(caught.value)


@examples(2)
@given(data=st.binary(max_size=300) | st.text(max_size=200).map(lambda text: (HEAD + TWO + text).encode()))
def test_whatever_the_file_holds_is_an_offer_or_refused(data: bytes) -> None:
    try:
        found = parse_offer(Path("store.csv"), data)
    except DataError:
        return
    fresh = found.fresh(bytes(32), found.catalogue.ids, 1.0)
    points, there = fresh.read(len(found.catalogue))
    assert np.isfinite(points).all()
    assert (there == found.there).all()


def test_boosts_are_kept_to_a_part_in_254_of_the_largest(tmp_path: Path) -> None:
    rows = "".join(f"{i},T{i},x,1,{b}\n" for i, b in enumerate([0.0, 0.5, -3.0, 2.99, 1e-9]))
    found = parse_offer(tmp_path, (HEAD + rows).encode())
    fresh = found.fresh(bytes(32), ("0", "1", "2", "3", "4", "gone"), 1.0)
    points, there = fresh.read(6)
    assert np.abs(points[:5] - [0.0, 0.5, -3.0, 2.99, 1e-9]).max() <= 3.0 / 254 + 1e-12
    assert there.tolist() == [True] * 5 + [False]
    assert fresh.points[5] == GONE + 256


# --- the population's file


def test_the_example_that_init_writes_may_be_uncommented(tmp_path: Path) -> None:
    start = EXAMPLE.index("# [refinement]")
    lines = EXAMPLE[start:].splitlines()
    text = EXAMPLE[:start] + "\n".join(line.removeprefix("# ") for line in lines)
    (tmp_path / "films.toml").write_text(text)
    (tmp_path / "items.csv").write_text(HEAD + TWO)
    found = read_population(tmp_path / "films.toml").refinement
    assert found is not None
    assert (found.items, found.dimensions, found.secret, found.most) == (
        tmp_path / "store.csv",
        64,
        False,
        32,
    )
    assert read_population(write_population(tmp_path / "other")).refinement is None


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({"dimensions": 0}, "refinement.dimensions"),
        ({"dimensions": 257}, "refinement.dimensions"),
        ({"tokens": 0}, "refinement.tokens"),
        ({"schemes": []}, "refinement.schemes"),
        ({"schemes": ["rot13"]}, "refinement.schemes has 'rot13'"),
        ({"schemes": [PLAIN, PLAIN]}, "twice"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_terms_that_are_wrong_are_refused_by_name(tmp_path: Path, terms: dict, told: str) -> None:
    file = write_population(tmp_path, more=OPEN + table(**terms))
    with pytest.raises(DataError, match=told):
        read_population(file)


def test_a_scheme_that_is_not_there_is_refused_at_the_start(tmp_path: Path) -> None:
    population = population_of(tmp_path, schemes=["confidante.nowhere:Scheme"])
    with Store.open(f"sqlite:///{tmp_path / 's.db'}") as store:
        store.migrate()
        with pytest.raises(DataError, match="cannot be used"):
            refinement(tmp_path, population, store)


def test_what_is_not_installed_is_said_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    population = population_of(tmp_path)
    check_installed([population])
    monkeypatch.setattr("confidante.coordinator.refinement.schemes.find_spec", lambda _name: None)
    with pytest.raises(DataError, match=r"pip install 'confidante\[he\]'"):
        check_installed([population])
    check_installed([read_population(write_population(tmp_path / "other"))])


# --- what is announced


def test_nothing_is_announced_before_a_model_and_once_after_it(tmp_path: Path) -> None:
    population = population_of(tmp_path)
    with Store.open(f"sqlite:///{tmp_path / 's.db'}") as store:
        store.migrate()
        found = refinement(tmp_path, population, store)
        try:
            for _ in range(2):
                found.look()
            assert store.log.entries(0, 10) == []
            assert "no model" in store.refinement.standing(NAME).problem
            bodies = Bodies(f"file://{tmp_path / 'bodies'}")
            publish_model(store, bodies, NAME, made_up_model(catalogue_of(20), 8), time.time())
            for _ in range(3):
                found.look()
            assert [one.kind for one in store.log.entries(0, 10)] == ["model", "refinement"]
            row = store.refinement.standing(NAME)
            assert (row.problem, row.items) == ("", 30)
        finally:
            found.stop()


def test_new_items_make_new_vectors_and_old_questions_are_answered_for_a_day(tmp_path: Path) -> None:
    with refining(tmp_path) as world:
        before, _, _ = world.question()
        write_offer(tmp_path, 31)
        world.look()
        assert len(world.offered()) == 2
        side, _ = world.sides()
        assert side.items == 31
        old = scored(world.ask(before))
        assert len(old.fresh.points) == 30
        assert len(scored(world.ask(world.question()[0])).fresh.points) == 31
        world.refinements._now = lambda: time.time() + PREVIOUS_SECONDS + 1
        world.look()
        assert world.ask(before).status == 409
        assert world.ask(world.question()[0]).status == 200


def test_a_new_model_makes_new_vectors(tmp_path: Path) -> None:
    with refining(tmp_path) as world:
        publish_model(world.store, world.bodies, NAME, made_up_model(catalogue_of(20), 8, 1), time.time())
        world.look()
        first, second = world.offered()
        assert first.model != second.model
        assert first.key == second.key


def test_vectors_of_ones_own_are_part_of_what_is_asked(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    np.save(tmp_path / "store.npy", rng.standard_normal((30, 5)))
    with refining(tmp_path, vectors="store.npy", dimensions=13) as world:
        side, _ = world.sides()
        assert [part.name for part in side.parts][-1] == CONTENT_PART
        np.save(tmp_path / "store.npy", rng.standard_normal((30, 5)))
        world.look()
        assert len(world.offered()) == 2
        np.save(tmp_path / "store.npy", rng.standard_normal((29, 5)))
        world.look()
        assert "29 rows" in world.store.refinement.standing(NAME).problem
        assert len(world.offered()) == 2


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.ones(30), "a table of floating-point"),
        (np.ones((30, 2), dtype=np.int64), "a table of floating-point"),
        (np.full((30, 2), np.nan), "not finite"),
        (np.ones((30, 0)), "30 rows of 0 numbers"),
        (np.array([{}], dtype=object), "not an array saved by NumPy"),
        (None, "not an array saved by NumPy"),
    ],
)
def test_vectors_that_cannot_be_used_are_refused_by_name(tmp_path: Path, array: object, told: str) -> None:
    write_offer(tmp_path, 30)
    path = tmp_path / "store.npy"
    path.write_bytes(b"x") if array is None else np.save(path, array, allow_pickle=True)
    with pytest.raises(DataError, match=told) as refused:
        read_offer(tmp_path / "store.csv", path)
    assert "store.npy" in str(refused.value)


def test_a_bad_file_keeps_what_was_read_and_says_so(tmp_path: Path) -> None:
    with refining(tmp_path) as world:
        write_offer(tmp_path, 30, gone=(2,))
        world.look()
        (tmp_path / "store.csv").write_text("half a fi")
        world.look()
        problem = world.store.refinement.standing(NAME).problem
        assert "store.csv" in problem
        assert "goes on" in problem
        assert not scored(world.ask(world.question()[0])).fresh.read(30)[1][2]
        (tmp_path / "store.csv").unlink()
        world.look()
        assert "cannot be read" in world.store.refinement.standing(NAME).problem
        write_offer(tmp_path, 30)
        world.look()
        assert world.store.refinement.standing(NAME).problem == ""
        assert scored(world.ask(world.question()[0])).fresh.read(30)[1].all()
        assert len(world.offered()) == 1


def test_what_cannot_be_made_is_said_and_not_tried_again_and_again(tmp_path: Path) -> None:
    with refining(tmp_path, buckets=25) as world:
        write_offer(tmp_path, 20)
        world.look()
        world.look()
        assert "not 25" in world.store.refinement.standing(NAME).problem
        assert len(world.offered()) == 1
        scored(world.ask(world.question()[0]))


def test_another_worker_takes_what_the_first_made(tmp_path: Path) -> None:
    with refining(tmp_path) as world, Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        other = refinement(tmp_path, world.population, store)
        try:
            for _ in range(2):
                other.look()
            assert len(world.offered()) == 1
            served = other.offerings[NAME].served[0]
            question, asking, query = world.question()
            answer = other.scorer.answer(served.table(PlainScheme.name, -1), question.ciphertext)
            assert (asking.read(answer, 30) == served.items.vectors.astype(int) @ query).all()
            write_offer(tmp_path, 33)
            for _ in range(2):
                other.look()
            world.look()
            assert [one.model for one in world.offered()] == [
                served.offered.model,
                world.refinements.offerings[NAME].served[0].offered.model,
            ]
        finally:
            other.stop()


def test_the_answered_questions_of_a_day_are_counted(tmp_path: Path) -> None:
    with refining(tmp_path) as world:
        for _ in range(3):
            scored(world.ask(world.question()[0]))
        world.refinements._count(time.time(), all_of_it=True)
        row = world.store.refinement.standing(NAME)
        assert (row.day, row.asked) == (int(time.time() // 86400), 3)
        world.store.refinement.asked(NAME, row.day, 2)
        world.store.refinement.asked(NAME, row.day + 1, 1)
        assert world.store.refinement.standing(NAME).asked == 1


# --- the gateway's key


def test_the_key_is_replaced_seldom_and_the_one_before_goes_on_for_a_day(tmp_path: Path) -> None:
    at = 1e9
    with Store.open(f"sqlite:///{tmp_path / 's.db'}") as store:
        store.migrate()
        keys = GatewayKeys(store, now=lambda: at, seconds=1.0)
        first = keys.config
        at += LEAST_KEY_SECONDS - 1
        assert keys.config == first
        at += 31
        second = keys.config
        assert second != first
        other = GatewayKeys(store, now=lambda: at)
        for config in (first, second):
            assert other.open(Sealed(b"a question", config).data)[0] == b"a question"
        for fresh in (GatewayRow(2, bytes(32), at), GatewayRow(1, bytes(32), at)):
            assert not store.refinement.add_key(fresh)
        at += BOTH_SECONDS
        late = GatewayKeys(store, now=lambda: at)
        with pytest.raises(WireError, match="another key"):
            late.open(Sealed(b"a question", first).data)
        assert "secret=" not in repr(store.refinement.keys()[0])


# --- the process that scores


def test_the_scorer_says_no_until_it_has_tables_and_after_it_is_closed(tmp_path: Path) -> None:
    scorer = ScoringPool()
    with pytest.raises(NoScorerError):
        scorer.answer("a", b"")
    rows = np.arange(12, dtype=np.int8).reshape(4, 3)
    asking = PlainScheme().ask(np.array([1, 2, 3]))
    try:
        scorer.hold({"a": Vectors(PLAIN, rows)})
        assert (asking.read(scorer.answer("a", asking.request), 4) == rows.astype(int) @ [1, 2, 3]).all()
        scorer.hold({"b": Vectors(PLAIN, rows[:2])})
        with pytest.raises(NoScorerError):
            scorer.answer("a", asking.request)
        assert len(asking.read(scorer.answer("b", asking.request), 2)) == 2
    finally:
        scorer.close()
    with pytest.raises(NoScorerError):
        scorer.answer("b", asking.request)


def test_who_waits_for_a_process_of_before_gets_one_of_after(tmp_path: Path) -> None:
    scorer, said = ScoringPool(), list[bytes]()
    rows = np.arange(12, dtype=np.int8).reshape(4, 3)
    asking = PlainScheme().ask(np.array([1, 2, 3]))
    try:
        scorer.hold({"a": Vectors(PLAIN, rows)})
        old = scorer._team
        assert old is not None
        with old._turn:
            taken, old._free = old._free, []  # all are at work
        waits = threading.Thread(target=lambda: said.append(scorer.answer("a", asking.request)))
        waits.start()
        time.sleep(0.2)
        began = time.monotonic()
        scorer.hold({"a": Vectors(PLAIN, rows)})
        waits.join()
        assert time.monotonic() - began < 10  # and not the 20 s that an answer may take
        assert len(taken) == HANDS
        assert (asking.read(said[0], 4) == rows.astype(int) @ [1, 2, 3]).all()
    finally:
        scorer.close()


def test_the_scorer_knows_how_large_questions_are() -> None:
    scorer = ScoringPool()
    assert scorer.question_bytes == 0
    try:
        scorer.hold(
            {
                "a": Vectors(PLAIN, np.ones((4, 3), dtype=np.int8)),
                "b": Vectors(BFV, np.ones((9, 2), dtype=np.int8)),
            }
        )
        assert scorer.question_bytes == len(BfvScheme().ask(np.array([1, 2])).request)
        scorer.hold({"a": Vectors(PLAIN, np.ones((4, 3), dtype=np.int8))})
        assert scorer.question_bytes == len(PlainScheme().ask(np.array([1, 2, 3])).request)
    finally:
        scorer.close()


@pytest.mark.parametrize(
    "head",
    [(scorer_link.DONE, 1 << 40), (scorer_link.ASK, (12 << 20) + 1), (scorer_link.REFUSED, 1 << 17), (9, 4)],
)
def test_a_frame_without_bounds_ends_the_link(head: tuple[int, int]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(scorer_link._HEAD.pack(head[0], 0, head[1]))
        with pytest.raises(scorer_link.LinkError, match="not valid here"):
            scorer_link.receive(ours)


def test_the_scoring_process_ends_with_its_parent() -> None:
    scorer = ScoringPool()
    scorer.hold({"a": Vectors(PLAIN, np.ones((2, 3), dtype=np.int8))})
    assert scorer._team is not None
    for process in scorer._team._all:
        process._link.close()  # as when the parent is killed
        assert process._process.wait(20) == 0
    scorer.close()


def test_tables_that_cannot_be_made_are_told(tmp_path: Path) -> None:
    scorer = ScoringPool()
    with pytest.raises(NoScorerError, match="cannot be made"):
        scorer.hold({"a": Vectors("confidante.nowhere:Scheme", np.ones((2, 3), dtype=np.int8))})
    with pytest.raises(NoScorerError):
        scorer.keep_up()
    scorer.close()
