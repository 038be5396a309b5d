"""Write the language-neutral test vectors of the secure sum: `python tools/make_vectors.py`.

Every random byte comes from SHAKE-256 of a label, so the files are the same on every machine. A test fails
when they differ from what this program would write.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from confidante.core.errors import ConfidanteError, ProtocolError
from confidante.crypto import shamir
from confidante.crypto.identity import Identity
from confidante.crypto.masks import expand_mask, pair_mask_key, self_mask_key
from confidante.secagg import codec
from confidante.secagg.client import RANDOM_BYTES, Client
from confidante.secagg.config import RoundConfig, RoundSetup
from confidante.secagg.graph import Graph, graph_size
from confidante.secagg.in_memory import PHASES
from confidante.secagg.packing import centred, pack
from confidante.secagg.server import Phase, Server

TARGET = Path(__file__).parent.parent / "vectors" / "secure-sum"
HEAD = codec.HEADER_BYTES


def drawn(label: str, size: int) -> bytes:
    return hashlib.shake_256(label.encode()).digest(size)


def make_shamir() -> list[dict[str, Any]]:
    cases = []
    for t, holders in ((2, 3), (3, 5), (7, 12)):
        secret = bytes([*drawn(f"secret {t}", 31), 0x41])
        seed = drawn(f"sharing {t}", 32)
        shares = shamir.split(secret, t, holders, seed, b"label")
        cases.append(
            {
                "secret": secret.hex(),
                "threshold": t,
                "seed": seed.hex(),
                "label": b"label".hex(),
                "shares": [shamir.encode_share(share).hex() for share in shares],
            }
        )
    return cases


def make_masks() -> list[dict[str, Any]]:
    digest, secret = drawn("digest", 32), drawn("agreed", 32)
    keys = {"pair 3 8": pair_mask_key(digest, secret, 3, 8), "self 3": self_mask_key(digest, secret, 3)}
    return [
        {
            "digest": digest.hex(),
            "secret": secret.hex(),
            "mask": name,
            "key": key.hex(),
            "entries": expand_mask(key, 9).tolist(),
        }
        for name, key in keys.items()
    ]


def make_packing() -> list[dict[str, Any]]:
    cases = []
    for bits, length in ((8, 3), (11, 7), (16, 2), (20, 33), (24, 5), (31, 9), (32, 3)):
        raw = np.frombuffer(drawn(f"packing {bits}", 4 * length), dtype="<u4") & ((1 << bits) - 1)
        values = raw.astype(np.uint32)
        cases.append(
            {
                "bits": bits,
                "values": values.tolist(),
                "packed": pack(values, bits).hex(),
                "centred": centred(values, bits).tolist(),
            }
        )
    return cases


def make_graph() -> dict[str, Any]:
    graphs = []
    for n, k in ((5, 4), (9, 4), (20, 6)):
        seed = drawn(f"graph {n}", 32)
        graph = Graph(seed, n, k)
        graphs.append(
            {
                "seed": seed.hex(),
                "n": n,
                "k": k,
                "circle": graph.order.tolist(),
                "neighbours": [graph.neighbours(i).tolist() for i in range(n)],
            }
        )
    sizes = [
        {"n": n, "max_dropout": d, "max_collusion": c, "security_bits": 40} | graph_size(n, d, c)._asdict()
        for n, d, c in ((3, 0.0, 0.0), (10, 0.3, 0.1), (64, 0.3, 0.1), (100, 0.2, 0.1), (1000, 0.1, 0.1))
    ]
    return {"graphs": graphs, "sizes": sizes}


def world(name: str, n: int, k: int, t: int, least: int) -> tuple[RoundSetup, list[Identity], list[bytes]]:
    config = RoundConfig(
        round_id=drawn(f"{name} round", 32),
        graph_seed=drawn(f"{name} graph", 32),
        n=n,
        k=k,
        t=t,
        spread=2,
        min_survivors=least,
        max_corrupt=0,
        length=5,
        bits=13,
        max_abs_entry=300,
        noise_headroom=100,
    )
    seeds = [drawn(f"{name} identity {i}", 32) for i in range(n)]
    people = [Identity.from_seed(seed) for seed in seeds]
    return RoundSetup(config, tuple(who.public for who in people)), people, seeds


def play(name: str, n: int, k: int, t: int, least: int, drop: dict[Phase, int]) -> dict[str, Any]:
    """Run a round and record every message of it."""
    setup, people, seeds = world(name, n, k, t, least)
    randomness = [drawn(f"{name} randomness {i}", RANDOM_BYTES) for i in range(n)]
    inputs = [
        (np.frombuffer(drawn(f"{name} input {i}", 10), dtype="<u2").astype(np.int64) % 601) - 300
        for i in range(n)
    ]
    clients = {i: Client(setup, i, people[i], randomness[i]) for i in range(n)}
    server, incoming, record = Server(setup), dict.fromkeys(range(n), b""), []
    for phase in PHASES:
        clients.pop(drop.get(phase, -1), None)
        sent = {i: step(clients[i], phase, incoming[i], inputs[i]) for i in clients}
        for i, message in sent.items():
            server.receive(i, message)
        record.append(
            {
                "phase": phase.name,
                "down": {str(i): incoming[i].hex() for i in clients if phase},
                "up": {str(i): message.hex() for i, message in sent.items()},
            }
        )
        incoming = server.advance()
    return {
        "name": name,
        "config": setup.config.encode().hex(),
        "digest": setup.digest.hex(),
        "identity_seeds": [seed.hex() for seed in seeds],
        "roster": [who.public.encode().hex() for who in people],
        "randomness": [piece.hex() for piece in randomness],
        "inputs": [vector.tolist() for vector in inputs],
        "dropped": {phase.name: client for phase, client in drop.items()},
        "phases": record,
        "survivors": list(server.result.survivors),
        "sum": server.result.sum.tolist(),
    }


def step(client: Client, phase: Phase, message: bytes, vector: np.ndarray) -> bytes:
    steps: list[Callable[[], bytes]] = [
        client.advertise,
        lambda: client.share_keys(message),
        lambda: client.mask(message, vector),
        lambda: client.confirm(message),
        lambda: client.reveal(message),
    ]
    return steps[phase]()


def changed(message: bytes, at: int, by: int = 1) -> bytes:
    body = bytearray(message)
    body[at] ^= by
    return bytes(body)


def make_failures(base: dict[str, Any]) -> list[dict[str, Any]]:
    """Messages that must be refused in the first recorded round, each with the reason.

    `to` is "server" (then `sender` hands it in during `phase`, after the senders in `after` did) or the index
    of a client, which has answered everything before `phase` (or all of it, when phase is "AFTER").
    """
    up = {p["phase"]: {int(i): bytes.fromhex(m) for i, m in p["up"].items()} for p in base["phases"]}
    down = {p["phase"]: {int(i): bytes.fromhex(m) for i, m in p["down"].items()} for p in base["phases"]}
    setup, people, _ = world(base["name"], 5, 4, 2, 3)
    other = people[1].sign(codec.survivors_statement(setup.digest, np.arange(5) < 4, np.arange(5) != 3))
    confirm = up["CONFIRM"][1]
    masked = up["MASK"][1]
    survivors, story = down["CONFIRM"][0], down["REVEAL"][0]
    adverts, inbox = down["SHARE"][0], down["MASK"][0]
    zero_key = adverts[: HEAD + 1] + bytes(32) + adverts[HEAD + 33 :]
    at_server = [
        ("a message of another version", "ADVERTISE", 1, changed(up["ADVERTISE"][1], 0, 3), [], "wire"),
        ("an unknown type", "ADVERTISE", 1, changed(up["ADVERTISE"][1], 1, 0x40), [], "wire"),
        ("a header cut short", "ADVERTISE", 1, up["ADVERTISE"][1][: HEAD - 1], [], "wire"),
        ("a byte left over", "ADVERTISE", 1, up["ADVERTISE"][1] + b"\0", [], "wire"),
        ("another round", "ADVERTISE", 1, changed(up["ADVERTISE"][1], 6), [], "wrong_round"),
        ("somebody else's message", "ADVERTISE", 2, up["ADVERTISE"][1], [], "foreign"),
        ("an unsigned mask key", "ADVERTISE", 1, changed(up["ADVERTISE"][1], HEAD), [], "bad_signature"),
        ("an advert twice", "ADVERTISE", 1, up["ADVERTISE"][1], [1], "repeated"),
        ("shares before their phase", "ADVERTISE", 1, up["SHARE"][1], [], "wrong_phase"),
        ("one share too few", "SHARE", 1, up["SHARE"][1][:-80], [], "wire"),
        ("an advert after its phase", "SHARE", 1, up["ADVERTISE"][1], [], "wrong_phase"),
        ("a receipt too few", "MASK", 1, masked[:HEAD] + masked[HEAD + 16 :], [], "wire"),
        ("a vector too long", "MASK", 1, masked + b"\0", [], "wire"),
        ("a set padding bit", "MASK", 1, changed(masked, -1, 0x80), [], "wire"),
        ("a vector twice", "MASK", 1, masked, [1], "repeated"),
        ("a client that dropped out", "CONFIRM", 4, codec.frame(
            codec.Kind.CONFIRMATION, 4, setup.config.round_id, confirm[HEAD:]), [], "dropped"),
        ("other survivors confirmed", "CONFIRM", 1, confirm[:HEAD] + other, [], "bad_signature"),
    ]  # fmt: skip
    at_client = [
        ("a degenerate mask key", 0, "SHARE", zero_key, "bad_key"),
        ("too few adverts", 0, "SHARE", adverts[:HEAD] + b"\x01" + adverts[HEAD + 1 : HEAD + 33], "too_few"),
        ("a server message of another round", 0, "SHARE", changed(adverts, 6), "wrong_round"),
        ("a client posing as the server", 0, "SHARE", changed(adverts, 2), "foreign"),
        ("a flag beyond the neighbours", 0, "SHARE", changed(adverts, HEAD, 0x80), "wire"),
        ("an inbox without us", 0, "MASK", changed(inbox, HEAD, 1), "inconsistent"),
        ("an inbox of too few", 0, "MASK", changed(inbox, HEAD, 12)[: HEAD + 1 + 80], "too_few"),
        ("a survivor without a receipt", 0, "CONFIRM", changed(survivors, -1), "inconsistent"),
        ("a share that does not open", 0, "MASK", changed(inbox, HEAD + 1), "bad_share"),
        ("survivors without us", 0, "CONFIRM", changed(survivors, HEAD, 1), "inconsistent"),
        ("survivors below the minimum", 0, "CONFIRM", changed(survivors, HEAD, 6), "too_few"),
        ("a survivor without our mask", 0, "CONFIRM", changed(survivors, HEAD, 16), "inconsistent"),
        ("a forged confirmation", 0, "REVEAL", changed(story, HEAD + 1), "inconsistent"),
        ("a confirmation of other survivors", 0, "REVEAL",
         story[: HEAD + 1 + 64] + other + story[HEAD + 1 + 128 :], "inconsistent"),
        ("a confirmation of a non-survivor", 0, "REVEAL", changed(story, HEAD, 16) + other, "inconsistent"),
        ("too few confirmations", 0, "REVEAL", changed(story, HEAD, 12)[: HEAD + 1 + 128], "too_few"),
        ("asked to reveal twice", 0, "AFTER", story, "both_secrets"),
        ("other survivors after the reveal", 0, "AFTER", survivors, "both_secrets"),
    ]  # fmt: skip
    cases = [
        {"name": n, "to": "server", "phase": p, "sender": s, "after": a, "message": m.hex(), "expect": e}
        for n, p, s, m, a, e in at_server
    ]
    return cases + [
        {"name": n, "to": i, "phase": p, "message": m.hex(), "expect": e} for n, i, p, m, e in at_client
    ]


def reason(error: ConfidanteError) -> str:
    return error.reason.value if isinstance(error, ProtocolError) else "wire"


def vectors() -> dict[str, Any]:
    """Return the content of every file, by name."""
    few = play("five clients, one never shares", 5, 4, 2, 3, {Phase.SHARE: 4})
    rounds = [
        few,
        play("eleven clients, one drops in each phase", 11, 10, 5, 6, {phase: 2 * phase for phase in PHASES}),
        play("nine clients on a ring of degree six", 9, 6, 3, 6, {Phase.MASK: 2, Phase.REVEAL: 7}),
    ]
    return {
        "shamir": make_shamir(),
        "masks": make_masks(),
        "packing": make_packing(),
        "graph": make_graph(),
        "rounds": rounds,
        "failures": {"round": few["name"], "cases": make_failures(few)},
    }


def render(name: str, cases: Any) -> str:
    return (
        json.dumps({"format": f"confidante secure sum {name}", "version": 3, "cases": cases}, indent=1) + "\n"
    )


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, cases in vectors().items():
        (TARGET / f"{name}.json").write_text(render(name, cases), encoding="utf-8")
        print(f"wrote {name}.json")


if __name__ == "__main__":
    main()
