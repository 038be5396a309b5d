"""What a lying server or a stranger tries, and what it gets: nothing."""

from collections.abc import Callable

import numpy as np
import pytest
from secure_sum_world import Wire, client, config, drawn, person, setup, vector

from confidante.core.errors import ProtocolError, Reject
from confidante.crypto.identity import Identity
from confidante.secagg import codec
from confidante.secagg.client import exclusive_or, sample
from confidante.secagg.codec import HEADER_BYTES, Kind
from confidante.secagg.config import RoundConfig, RoundSetup
from confidante.secagg.packing import pack_flags, unpack, unpack_flags
from confidante.secagg.phases import Phase
from confidante.secagg.server import Server

OF = setup(7, 6, 3, 5)
Tamper = Callable[[Phase, int, bytes], bytes]


def reasons(wire: Wire) -> dict[int, Reject]:
    return {i: error.reason for i, error in wire.refused.items() if isinstance(error, ProtocolError)}


def flags(*present: int, n: int = 7) -> np.ndarray:
    return np.isin(np.arange(n), present)


def hand_in(wire: Wire, tamper: Tamper = lambda phase, i, message: message) -> dict[int, dict[int, bytes]]:
    """Let everybody mask; return what receipts the server holds: from whom, for whom."""
    held = {}
    for i, message in wire.collect(Phase.MASK, tamper).items():
        told = tamper(Phase.MASK, i, wire.incoming[i])[HEADER_BYTES:]
        n = wire.setup.config.n
        sharers, near = unpack_flags(told[: (n + 7) // 8], n), wire.setup.graph.neighbours(i)
        peers = near[sharers[near]].tolist()
        held[i] = {peer: message[HEADER_BYTES + 16 * s :][:16] for s, peer in enumerate(peers)}
    return held


def survivors(of: RoundSetup, i: int, story: np.ndarray, held: dict[int, dict[int, bytes]]) -> bytes:
    """What a lying server tells client i, with all the receipts it has."""
    near = [peer for peer in of.graph.neighbours(i).tolist() if story[peer]]
    body = pack_flags(story) + exclusive_or([held[peer][i] for peer in near if i in held[peer]])
    return codec.frame(Kind.SURVIVORS, codec.SERVER, of.config.round_id, body)


def chi_squared_of_bytes(data: bytes) -> float:
    counts = np.bincount(np.frombuffer(data, dtype=np.uint8), minlength=256)
    return float(((counts - len(data) / 256) ** 2).sum() / (len(data) / 256))


# The statistic has 255 degrees of freedom; a uniform upload exceeds 380 about once in a million.
UNIFORM = 380.0


def test_an_upload_looks_uniform_and_without_masks_it_would_not() -> None:
    of = setup(5, 4, 3, 4, length=20_000, bits=24)
    wire = Wire(of).run(until=Phase.MASK)
    upload = wire.collect(Phase.MASK)[0][HEADER_BYTES:]
    assert chi_squared_of_bytes(upload) < UNIFORM
    plain = vector(of, 0).astype("<u4").reshape(-1, 1).view(np.uint8)[:, :3].tobytes()
    assert chi_squared_of_bytes(plain) > 100 * UNIFORM


def test_the_self_mask_alone_hides_a_client_whose_neighbours_are_all_corrupt_until_it_is_revealed() -> None:
    # The server, with every pair key in hand, still sees a keystream: two rounds' uploads do not correlate.
    of = setup(5, 4, 3, 4, length=20_000, bits=32)
    uploads = [
        unpack(Wire(of, label).run(until=Phase.MASK).collect(Phase.MASK)[0][-80_000:], 20_000, 32)
        for label in "ab"
    ]
    apart = (uploads[0] - uploads[1]).tobytes()
    assert chi_squared_of_bytes(apart) < UNIFORM


def test_both_secrets_of_one_peer_cannot_be_asked_for() -> None:
    wire = Wire(OF).run(drop={Phase.MASK: [6]})
    who = wire.clients[0]
    assert who.phase is Phase.DONE
    for kind, body in (
        (Kind.SURVIVORS, pack_flags(flags(0, 1, 2, 3, 4)) + bytes(16)),
        (Kind.CONFIRMATIONS, bytes(449)),
    ):
        request = codec.frame(kind, codec.SERVER, OF.config.round_id, body)
        for ask in (who.confirm, who.reveal):
            with pytest.raises(ProtocolError) as caught:
                ask(request)
            assert caught.value.reason is Reject.BOTH_SECRETS


def test_a_server_that_tells_two_stories_gets_no_share_from_either_side() -> None:
    """Half are told that client 6 survived, half that it dropped out: one secret from each half."""
    story = {True: flags(*range(7)), False: flags(*range(6))}

    def split(phase: Phase, i: int, message: bytes) -> bytes:
        if phase is not Phase.CONFIRM or i == 6:
            return message
        return survivors(OF, i, story[i % 2 == 0], held)

    wire = Wire(OF).run(until=Phase.MASK)
    held = hand_in(wire)
    sent = wire.collect(Phase.CONFIRM, split)
    told = {i: i % 2 == 0 for i in range(7)}
    # The server now tries every list of signatures that could convince client 0, and client 1.
    for who in (0, 1):
        agreeing = [i for i in sent if told[i] == told[who]]
        for signers in (agreeing, sorted(sent), [i for i in sent if i != 6 or told[who]]):
            rows = np.stack([np.frombuffer(sent[i][HEADER_BYTES:], np.uint8) for i in signers])
            body = codec.flagged(flags(*signers), rows)
            fresh = Wire(OF).run(until=Phase.MASK)
            assert hand_in(fresh) == held
            fresh.collect(Phase.CONFIRM, split)
            with pytest.raises(ProtocolError) as caught:
                fresh.clients[who].reveal(
                    codec.frame(Kind.CONFIRMATIONS, codec.SERVER, OF.config.round_id, body)
                )
            assert caught.value.reason in (Reject.INCONSISTENT, Reject.TOO_FEW)
            assert fresh.clients[who].phase is Phase.FAILED


def test_a_refusal_is_final_so_the_server_cannot_try_again() -> None:
    wire = Wire(OF).run(until=Phase.REVEAL)
    good, who = wire.incoming[0], wire.clients[0]
    with pytest.raises(ProtocolError):
        who.reveal(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(ProtocolError) as caught:
        who.reveal(good)
    assert caught.value.reason is Reject.WRONG_PHASE


def test_a_few_clients_cannot_be_cut_off_from_the_ring() -> None:
    of = setup(40, 8, 4, 26)
    order = of.graph.order.tolist()
    wire = Wire(of).run(until=Phase.MASK)
    held = hand_in(wire)
    gap = of.config.k // 2
    alive = set(range(40)) - set(order[:gap]) - set(order[gap + 6 : 2 * gap + 6])  # six left in between
    for i in sorted(alive):
        with pytest.raises(ProtocolError) as caught:
            wire.clients[i].confirm(survivors(of, i, flags(*alive, n=40), held))
        assert caught.value.reason is Reject.BAD_GRAPH


def test_a_neighbour_left_out_of_an_inbox_may_not_count_as_survivor() -> None:
    def hide(phase: Phase, i: int, message: bytes) -> bytes:
        if phase is not Phase.MASK or i != 0:
            return message
        return message[:HEADER_BYTES] + b"\x7d" + message[HEADER_BYTES + 1 + 80 :]  # without neighbour 1

    wire = Wire(OF).run(until=Phase.MASK)
    held = hand_in(wire, hide)
    everybody = flags(*range(7))
    for i, who in wire.clients.items():
        with pytest.raises(ProtocolError) as caught:
            who.confirm(survivors(OF, i, everybody, held))
        assert caught.value.reason is Reject.INCONSISTENT
        assert who.phase is Phase.FAILED


@pytest.mark.parametrize("lied_to", [1, 8])
def test_a_client_that_masked_with_the_dead_only_is_not_opened(lied_to: int) -> None:
    """The server tells some that only t of their neighbours sent shares, and everybody that those t died.

    It never asks who was lied to, and rebuilds the masks of the dead: the rest of such a client's masks would
    be its self mask alone, whose seed the neighbours reveal unless they notice.
    """
    made = RoundConfig.plan(
        round_id=drawn("r", 32), graph_seed=drawn("g", 32), n=100, length=6, bits=16, max_abs_entry=100
    )
    of = RoundSetup(made, tuple(person(i).public for i in range(100)))
    victims = of.graph.order[:lied_to].tolist()
    near = [i for i in of.graph.neighbours(victims[0]).tolist() if i not in victims]
    dead = near[: made.t]
    believed = flags(*victims, *(i for i in range(100) if i not in near[made.t :]), n=100)

    def hide(phase: Phase, i: int, message: bytes) -> bytes:
        if i not in victims:
            return message
        sharers, rows = codec.open_inbox(memoryview(message)[HEADER_BYTES:], 100, of.graph.neighbours(i))
        kept = believed[of.graph.neighbours(i)][sharers[of.graph.neighbours(i)]]
        return message[:HEADER_BYTES] + pack_flags(believed) + rows[kept].tobytes()

    wire = Wire(of).run(until=Phase.MASK)
    held = hand_in(wire, hide)
    assert set(victims) <= set(held)
    alive = flags(*(i for i in range(100) if i not in dead), n=100)
    assert alive.sum() >= made.min_survivors
    noticed = {}
    for i in set(np.flatnonzero(alive).tolist()) - set(victims):
        try:
            wire.clients[i].confirm(survivors(of, i, alive, held))
        except ProtocolError as error:
            noticed[i] = error.reason
    beside = {j for v in victims for j in of.graph.neighbours(v).tolist()} - set(victims) - set(dead)
    assert set(noticed.values()) == {Reject.INCONSISTENT}
    assert (
        set(noticed) == beside
    )  # every living neighbour leaves: no share of a victim's seed is ever revealed


def test_a_mask_key_that_the_server_exchanged_is_noticed_by_both_ends() -> None:
    evil = client(OF, 3, "evil")
    forged = evil.advertise()[HEADER_BYTES : HEADER_BYTES + 32]

    def exchange(phase: Phase, i: int, message: bytes) -> bytes:
        if phase is not Phase.SHARE or i != 0:
            return message
        at = HEADER_BYTES + 1 + 32 * 2  # client 3 is neighbour number 2 of client 0
        return message[:at] + forged + message[at + 32 :]

    wire = Wire(OF).run(until=Phase.SHARE)
    for i, message in wire.collect(Phase.SHARE, exchange).items():
        wire.server.receive(i, message)
    wire.incoming = wire.server.advance()
    wire.collect(Phase.MASK)
    assert reasons(wire) == {0: Reject.BAD_SHARE, 3: Reject.BAD_SHARE}


@pytest.mark.parametrize("differs", ["roster", "graph", "round", "threshold"])
def test_clients_that_were_told_another_setup_are_left_out(differs: str) -> None:
    made = {
        "roster": OF.config,
        "graph": config(7, 6, 3, 5, name="other"),
        "round": config(7, 6, 3, 5, name="other"),
        "threshold": config(7, 6, 4, 5),
    }[differs]
    roster = [person(i).public for i in range(7)]
    if differs == "roster":
        roster[6] = Identity.from_seed(drawn("stranger", 32)).public
    other = client(RoundSetup(made, tuple(roster)), 0)
    server = Server(OF)
    with pytest.raises(ProtocolError) as caught:
        server.receive(0, other.advertise())
    expected = Reject.WRONG_ROUND if differs in ("graph", "round") else Reject.BAD_SIGNATURE
    assert caught.value.reason is expected


def test_a_stranger_a_degenerate_key_and_another_round_are_refused() -> None:
    server, who = Server(OF), client(OF, 0)
    advert = who.advertise()
    statement = codec.advert_statement(OF.digest, 0, bytes(32), bytes(32))
    degenerate = bytes(64) + person(0).sign(statement)
    for sender, message, reason in (
        (7, codec.frame(Kind.ADVERT, 7, OF.config.round_id, advert[HEADER_BYTES:]), Reject.FOREIGN),
        (1, codec.frame(Kind.ADVERT, 1, OF.config.round_id, advert[HEADER_BYTES:]), Reject.BAD_SIGNATURE),
        (0, codec.frame(Kind.ADVERT, 0, OF.config.round_id, degenerate), Reject.BAD_KEY),
        (0, codec.frame(Kind.ADVERT, 0, bytes(32), advert[HEADER_BYTES:]), Reject.WRONG_ROUND),
    ):
        with pytest.raises(ProtocolError) as caught:
            server.receive(sender, message)
        assert caught.value.reason is reason
    server.receive(0, advert)


def test_the_confirmations_a_client_checks_are_distinct_and_its_own_secret() -> None:
    one, other = sample(b"a" * 32, 900, 32), sample(b"b" * 32, 900, 32)
    assert len(set(one)) == 32
    assert one != other
    assert sample(b"a" * 32, 20, 32) == list(range(20))


def test_a_large_round_checks_a_sample_and_catches_false_confirmations() -> None:
    """A false story has at most .7 genuine signatures here, 16 are checked: missed with .7^16 < 2^-8.

    At most one of 70 misses; that 2 or more do has P < .04, and the seeds here are fixed.
    """
    of = setup(70, 8, 2, 50)
    wire = Wire(of).run(until=Phase.REVEAL)
    message = wire.incoming[0]
    start, forged = HEADER_BYTES + 9, 21  # of 70
    false = message[:start] + bytes(forged * 64) + message[start + forged * 64 :]
    wire.incoming = dict.fromkeys(wire.incoming, false)
    assert len(wire.collect(Phase.REVEAL)) <= 1
    assert len(wire.refused) >= 69
    assert set(reasons(wire).values()) == {Reject.INCONSISTENT}
