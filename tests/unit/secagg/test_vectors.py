"""The vectors on disk are what the code does: replayed, and compared with what the generator writes."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from confidante.core.errors import ConfidanteError
from confidante.crypto import shamir
from confidante.crypto.identity import Identity
from confidante.crypto.masks import expand_mask
from confidante.secagg.client import Client
from confidante.secagg.config import RoundConfig, RoundSetup
from confidante.secagg.graph import Graph
from confidante.secagg.packing import centred, pack, unpack
from confidante.secagg.phases import PHASES, Phase
from confidante.secagg.server import Server

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "vectors" / "secure-sum"


def load(name: str) -> Any:
    content = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert content["version"] == 3
    return content["cases"]


spec = importlib.util.spec_from_file_location("make_vectors", ROOT / "tools" / "make_vectors.py")
assert spec is not None
assert spec.loader is not None
make_vectors = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_vectors)


def test_the_files_have_not_drifted() -> None:
    made = make_vectors.vectors()
    assert {path.stem for path in FOLDER.glob("*.json")} == set(made)
    for name, cases in made.items():
        on_disk = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
        assert on_disk == make_vectors.render(name, cases), (
            f"run tools/make_vectors.py and review {name}.json"
        )


def test_shares_combine() -> None:
    for case in load("shamir"):
        shares = [int.from_bytes(bytes.fromhex(share), "little") for share in case["shares"]]
        points = range(len(shares) - case["threshold"] + 1, len(shares) + 1)
        assert shamir.combine(list(points), shares[-case["threshold"] :]) == bytes.fromhex(case["secret"])


def test_masks_expand() -> None:
    for case in load("masks"):
        assert expand_mask(bytes.fromhex(case["key"]), 9).tolist() == case["entries"]


def test_packings_pack() -> None:
    for case in load("packing"):
        values = np.array(case["values"], dtype=np.uint32)
        assert pack(values, case["bits"]).hex() == case["packed"]
        assert (unpack(bytes.fromhex(case["packed"]), len(values), case["bits"]) == values).all()
        assert centred(values, case["bits"]).tolist() == case["centred"]


def test_graphs_have_these_neighbours() -> None:
    for case in load("graph")["graphs"]:
        graph = Graph(bytes.fromhex(case["seed"]), case["n"], case["k"])
        assert [graph.neighbours(i).tolist() for i in range(case["n"])] == case["neighbours"]


ROUNDS = {case["name"]: case for case in load("rounds")}


def world(case: dict[str, Any]) -> tuple[RoundSetup, dict[int, Client]]:
    people = [Identity.from_seed(bytes.fromhex(seed)) for seed in case["identity_seeds"]]
    setup = RoundSetup(RoundConfig.decode(bytes.fromhex(case["config"])), tuple(p.public for p in people))
    return setup, {
        i: Client(setup, i, who, bytes.fromhex(case["randomness"][i])) for i, who in enumerate(people)
    }


def step(client: Client, phase: Phase, message: bytes, case: dict[str, Any]) -> bytes:
    return make_vectors.step(client, phase, message, np.array(case["inputs"][client.index], dtype=np.int64))


@pytest.mark.parametrize("name", ROUNDS)
def test_a_round_replays_byte_for_byte(name: str) -> None:
    case = ROUNDS[name]
    setup, clients = world(case)
    assert setup.digest.hex() == case["digest"]
    server = Server(setup)
    out: dict[int, bytes] = {}
    for phase, record in zip(PHASES, case["phases"], strict=True):
        assert record["phase"] == phase.name
        for i, message in record["down"].items():
            assert out[int(i)].hex() == message
        for i, message in record["up"].items():
            incoming = bytes.fromhex(record["down"].get(i, ""))
            assert step(clients[int(i)], phase, incoming, case).hex() == message
            server.receive(int(i), bytes.fromhex(message))
        out = server.advance()
    assert list(server.result.survivors) == case["survivors"]
    assert server.result.sum.tolist() == case["sum"]
    assert case["sum"] == np.sum([case["inputs"][i] for i in case["survivors"]], axis=0).tolist()


FAILURES = load("failures")


@pytest.mark.parametrize("failure", FAILURES["cases"], ids=lambda case: case["name"])
def test_a_bad_message_is_refused_for_this_reason(failure: dict[str, Any]) -> None:
    case = ROUNDS[FAILURES["round"]]
    setup, clients = world(case)
    message = bytes.fromhex(failure["message"])
    if failure["to"] == "server":
        server = Server(setup)
        for record in case["phases"][: Phase[failure["phase"]]]:
            for i, sent in record["up"].items():
                server.receive(int(i), bytes.fromhex(sent))
            server.advance()
        record = case["phases"][Phase[failure["phase"]]]["up"]
        for i in failure["after"]:
            server.receive(i, bytes.fromhex(record[str(i)]))
        with pytest.raises(ConfidanteError) as caught:
            server.receive(failure["sender"], message)
        # Nothing changed: the round ends as if the message had never come.
        for i in set(map(int, record)) - set(failure["after"]):
            server.receive(i, bytes.fromhex(record[str(i)]))
        server.advance()
        for later in case["phases"][Phase[failure["phase"]] + 1 :]:
            for i, sent in later["up"].items():
                server.receive(int(i), bytes.fromhex(sent))
            server.advance()
        assert server.result.sum.tolist() == case["sum"]
    else:
        client = clients[failure["to"]]
        stop = len(PHASES) if failure["phase"] == "AFTER" else Phase[failure["phase"]]
        for record in case["phases"][:stop]:
            incoming = bytes.fromhex(record["down"].get(str(client.index), ""))
            step(client, Phase[record["phase"]], incoming, case)
        with pytest.raises(ConfidanteError) as caught:
            step(client, Phase(min(stop, Phase.REVEAL)), message, case)
    assert make_vectors.reason(caught.value) == failure["expect"]
