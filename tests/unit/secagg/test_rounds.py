"""Whole rounds: the sum is exact whoever drops out when, or there is none and the reason is said."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ideal_sum import ideal_sum
from secure_sum_world import Wire, client, config, drawn, person, setup, vector

from confidante.core.errors import ConfidanteError, PlanError, ProtocolError, Reject, WireError
from confidante.crypto.identity import PublicIdentity
from confidante.secagg import codec
from confidante.secagg.client import Client
from confidante.secagg.codec import Kind
from confidante.secagg.config import RoundConfig, RoundSetup
from confidante.secagg.in_memory import run_round
from confidante.secagg.phases import PHASES, Phase

COMPLETE = setup(7, 6, 3, 5)
RING = setup(14, 6, 3, 10)


@pytest.mark.parametrize("of", [COMPLETE, RING], ids=["complete", "ring"])
@pytest.mark.parametrize("phase", PHASES)
def test_the_sum_is_exact_when_clients_drop_out_in_a_phase(of: RoundSetup, phase: Phase) -> None:
    for gone in [(), (0,), (of.config.n - 1,), (2, 5)]:
        wire = Wire(of).run(drop={phase: gone})
        stayed = [i for i in range(of.config.n) if i not in gone or phase > Phase.MASK]
        assert wire.result.survivors == tuple(stayed)
        assert (wire.result.sum == wire.expected(stayed)).all()
        assert not wire.refused


def test_the_sum_is_exact_when_one_drops_out_in_each_phase() -> None:
    of = setup(11, 10, 5, 6)
    wire = Wire(of).run(drop={phase: [2 * phase] for phase in PHASES})
    assert wire.result.survivors == (1, 3, 5, 6, 7, 8, 9, 10)
    assert (wire.result.sum == wire.expected(wire.result.survivors)).all()


@pytest.mark.parametrize("bits", [8, 13, 16, 24, 31, 32])
def test_the_sum_is_exact_in_every_ring(bits: int) -> None:
    made = RoundConfig(b"r" * 32, b"g" * 32, 5, 4, 3, 3, 4, 0, 9, bits, 10, 2 ** (bits - 1) - 51)
    rng = np.random.default_rng(bits)
    data = rng.integers(-10, 11, (5, 9))
    data[3, 0] += 2 ** (bits - 1) - 52  # the whole noise may sit with one client
    done = run_round(made, lambda i: data[i], [person(i) for i in range(5)], entropy=lambda size: b"e" * size)
    assert (done.sum == data.sum(axis=0)).all()


def test_a_real_round_equals_its_ideal_and_counts_every_byte() -> None:
    made, people = config(14, 6, 3, 10), [person(i) for i in range(14)]
    of, fresh = RoundSetup(made, tuple(who.public for who in people)), iter(range(100))
    asked: list[int] = []

    def input_of(i: int) -> np.ndarray:
        asked.append(i)
        return vector(of, i)

    drop = {Phase.SHARE: {1}, Phase.MASK: {4}, Phase.REVEAL: {9}}
    done = run_round(
        made, input_of, people, entropy=lambda size: drawn(f"fresh {next(fresh)}", size), drop=drop
    )
    assert asked == [i for i in range(14) if i not in (1, 4)]  # once each, one at a time
    ideal = ideal_sum(made, lambda i: vector(of, i), done.survivors)
    assert (done.sum == ideal.sum).all()
    assert done.survivors == ideal.survivors
    inbox = int((of.graph.neighbours(0) != 1).sum())  # a receipt for each neighbour in it
    assert done.bytes_up[Phase.MASK, 0] == codec.HEADER_BYTES + 16 * inbox + 6 * 16 // 8
    assert done.bytes_up[Phase.MASK, 4] == done.bytes_up[Phase.REVEAL, 9] == 0
    assert done.bytes_up[Phase.CONFIRM, 9] == codec.HEADER_BYTES + 64
    assert done.bytes_down[Phase.ADVERTISE].sum() == 0
    assert (done.bytes_down[Phase.CONFIRM, list(done.survivors)] == codec.HEADER_BYTES + 2 + 16).all()


@pytest.mark.parametrize("phase", PHASES)
def test_too_few_clients_end_the_round_without_a_sum(phase: Phase) -> None:
    wire = Wire(COMPLETE)
    gone = range(3) if phase < Phase.REVEAL else range(5)  # revealing needs t neighbours, not the minimum
    with pytest.raises(ProtocolError) as caught:
        wire.run(drop={phase: gone})
    assert caught.value.reason is Reject.TOO_FEW
    assert wire.server.phase is Phase.FAILED
    with pytest.raises(ProtocolError) as caught:
        wire.server.advance()
    assert caught.value.reason is Reject.WRONG_PHASE
    with pytest.raises(ProtocolError):
        _ = wire.result


def test_one_wrong_share_is_got_round_and_many_are_noticed() -> None:
    for wrong, reason in ((1, None), (6, Reject.BAD_SHARE)):
        wire = Wire(COMPLETE).run(until=Phase.REVEAL)
        sent = wire.collect(Phase.REVEAL)
        for i in range(7):
            wire.server.receive(i, sent[i] if i >= wrong else sent[i][:-20] + bytes(20))
        if reason is None:
            wire.server.advance()
            assert (wire.result.sum == wire.expected(range(7))).all()
        else:
            with pytest.raises(ProtocolError) as caught:
                wire.server.advance()
            assert caught.value.reason is reason


def test_an_unfit_vector_is_refused_and_a_fit_one_still_taken() -> None:
    wire = Wire(COMPLETE).run(until=Phase.MASK)
    inbox, length = wire.incoming[0], COMPLETE.config.length
    for unfit, reason in (
        (np.zeros(length + 1, np.int64), Reject.WRONG_LENGTH),
        (np.zeros(length), Reject.WRONG_LENGTH),
        (np.zeros((length, 1), np.int64), Reject.WRONG_LENGTH),
        (np.full(length, 2**15), Reject.OUT_OF_RANGE),
        (np.full(length, -(2**15) - 1), Reject.OUT_OF_RANGE),
    ):
        with pytest.raises(ProtocolError) as caught:
            wire.clients[0].mask(inbox, unfit)
        assert caught.value.reason is reason
    wire.run()
    assert (wire.result.sum == wire.expected(range(7))).all()


@pytest.mark.parametrize(
    "change",
    [
        {"round_id": b"short"}, {"graph_seed": b""}, {"n": 2, "k": 1}, {"k": 5}, {"k": 8}, {"t": 1}, {"t": 7},
        {"min_survivors": 3}, {"min_survivors": 8}, {"max_corrupt": 3}, {"spread": 0}, {"length": 0},
        {"bits": 7}, {"bits": 33}, {"max_abs_entry": 0}, {"noise_headroom": -1},
        {"noise_headroom": 2**15 - 700},
        {"max_abs_entry": 4681, "noise_headroom": 1},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_or_wrapping_configurations_are_refused(change: dict[str, int]) -> None:
    sound = {
        "round_id": bytes(32), "graph_seed": bytes(32), "n": 7, "k": 6, "t": 3, "spread": 3,
        "min_survivors": 5, "max_corrupt": 0, "length": 4, "bits": 16, "max_abs_entry": 100,
        "noise_headroom": 2**15 - 701,
    }  # fmt: skip
    made = RoundConfig(**sound)  # type: ignore[arg-type]
    assert RoundConfig.decode(made.encode()) == made
    with pytest.raises(PlanError):
        RoundConfig(**(sound | change))  # type: ignore[arg-type]
    with pytest.raises(WireError):
        RoundConfig.decode(made.encode() + b"\0")


def test_a_plan_follows_from_dropout_and_collusion() -> None:
    common = {"round_id": bytes(32), "graph_seed": bytes(32), "length": 10, "bits": 24, "max_abs_entry": 100}
    made = RoundConfig.plan(n=200, max_dropout=0.2, max_collusion=0.1, **common)  # type: ignore[arg-type]
    assert (made.min_survivors, made.max_corrupt) == (160, 20)
    assert made.k < 199
    with pytest.raises(PlanError, match="could wrap"):
        RoundConfig.plan(n=200, noise_headroom=2**23, **common)  # type: ignore[arg-type]


def test_a_roster_must_fit_and_be_ours() -> None:
    made, keys = config(7, 6, 3, 5), tuple(person(i).public for i in range(7))
    degenerate = PublicIdentity(keys[6].signing, bytes(32))
    for roster in (keys[:6], (*keys[:6], keys[0]), (*keys[:6], degenerate)):
        with pytest.raises(PlanError):
            RoundSetup(made, roster)
    for index in (1, 7, -1):
        with pytest.raises(ProtocolError) as caught:
            Client(COMPLETE, index, person(0), bytes(128))
        assert caught.value.reason is Reject.FOREIGN


def test_secrets_do_not_show() -> None:
    who = client(COMPLETE, 0)
    assert repr(who) == "<Client 0 ADVERTISE>"
    assert "Private" not in repr(person(0))
    assert "_signing" not in repr(person(0))


# -- any order of events, any bytes -----------------------------------------------------------------------


def reason_of(step: Callable[[], object]) -> Reject | None:
    try:
        step()
    except ProtocolError as error:
        return error.reason
    return None


EVENTS = st.lists(
    st.tuples(st.sampled_from(["drop", "repeat", "late", "early", "junk", "bend"]), st.integers(0, 6)),
    max_size=5,
)


@given(st.lists(EVENTS, min_size=5, max_size=5), st.randoms(use_true_random=False), st.binary(max_size=80))
def test_any_order_of_events_gives_the_exact_sum_or_a_reason(
    events: list, random: object, junk: bytes
) -> None:
    wire = Wire(COMPLETE)
    before: dict[int, bytes] = {}
    for phase, happens in zip(PHASES, events, strict=True):
        sent = wire.collect(phase)
        order = sorted(sent)
        random.shuffle(order)  # type: ignore[attr-defined]
        for kind, i in happens:
            if kind == "drop" and i in order:
                order.remove(i)
                del wire.clients[i]
        for i in order:
            hostile = [(kind, who) for kind, who in happens if kind != "drop"]
            wire.server.receive(i, sent[i])
            for kind, who in hostile:
                bad = {"repeat": sent[i], "late": before.get(i, b""), "early": b"\1\x09" + sent[i][2:]}.get(
                    kind
                )
                if kind == "bend":
                    bad = bytearray(sent[i])
                    bad[who * len(bad) // 7] ^= 1 + who
                with pytest.raises(ConfidanteError):
                    wire.server.receive(i, junk if bad is None else bytes(bad))
        before = sent
        if (reason := reason_of(lambda: setattr(wire, "incoming", wire.server.advance()))) is not None:
            assert reason is Reject.TOO_FEW
            return
    assert (wire.result.sum == wire.expected(wire.result.survivors)).all()


@given(st.sampled_from(PHASES[1:]), st.binary(max_size=300), st.sampled_from(Kind), st.booleans())
def test_any_bytes_from_the_server_are_refused_with_our_errors(
    phase: Phase, body: bytes, kind: Kind, raw: bool
) -> None:
    who, message = AT[phase]
    bad = body if raw else codec.frame(kind, codec.SERVER, COMPLETE.config.round_id, body)
    if bad == message:
        return
    steps = {1: who.share_keys, 3: who.confirm, 4: who.reveal}
    with pytest.raises((WireError, ProtocolError)):
        who.mask(bad, vector(COMPLETE, 0)) if phase is Phase.MASK else steps[phase](bad)


def at(phase: Phase) -> tuple[Client, bytes]:
    wire = Wire(COMPLETE, "fuzz").run(until=phase)
    return wire.clients[0], wire.incoming[0]


AT = {phase: at(phase) for phase in PHASES[1:]}


@given(st.sampled_from(PHASES[1:]), st.data())
def test_one_bent_byte_from_the_server_never_gives_a_wrong_answer(phase: Phase, data: st.DataObject) -> None:
    wire = Wire(RING, "bend").run(until=phase)
    place = data.draw(st.integers(0, len(wire.incoming[0]) - 1))
    bent = bytearray(wire.incoming[0])
    bent[place] ^= data.draw(st.integers(1, 255))
    wire.incoming[0] = bytes(bent)
    if (reason := reason_of(wire.run)) is not None:
        assert reason is Reject.TOO_FEW
        return
    assert (wire.result.sum == wire.expected(wire.result.survivors)).all()


def test_every_pair_of_survivor_masks_cancels_for_every_single_dropout_pair() -> None:
    for gone in combinations(range(7), 2):
        wire = Wire(COMPLETE).run(drop={Phase.MASK: gone})
        assert (wire.result.sum == wire.expected(set(range(7)) - set(gone))).all()
