"""One real, complete secure sum among 1,000 devices of 100,000 entries, a tenth of which drop out.

Every device runs the production client and the server unmasks for real; the sum is compared with the plain
one. A device's work is everything it computes in all five phases, its own setup (digest, graph) included;
it is measured on every SAMPLE-th device, the others share one setup object. The server's work is receiving
every message and advancing every phase. Six tenths of the dropouts leave after they shared keys and
before they upload, which is what costs the server; the others leave in the other four phases.

The round is planned for exactly the dropout that happens. A device is measured cold: no key agreement
or signature of an earlier round is kept.

Two clocks are shown: wall, and the process's own CPU time, which other programs on the machine disturb less.
Python's cycle collector is off during the round: it would search a thousand devices' objects for one.
"""

import argparse
import gc
import json
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from confidante.core.entropy import SystemEntropy
from confidante.crypto.identity import Identity
from confidante.secagg.client import RANDOM_BYTES, Client
from confidante.secagg.config import RoundConfig, RoundSetup
from confidante.secagg.phases import PHASES, Phase
from confidante.secagg.server import Server

SAMPLE = 10
TARGET_CLIENT_MS, TARGET_SERVER_S = 15.0, 1.5


@dataclass
class Clock:
    """Seconds spent inside `with clock:`, by wall and by CPU."""

    wall: float = 0.0
    cpu: float = 0.0
    _began: tuple[float, float] = field(default=(0.0, 0.0), repr=False)

    def __enter__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter() - self._began[0]
        self.cpu += time.process_time() - self._began[1]


def measure(
    devices: int,
    length: int,
    dropout: float,
    collusion: float,
    bits: int = 24,
    sample: int = SAMPLE,
    only_masking: bool = False,
) -> dict[str, Any]:
    """Run one round and return its figures; with `only_masking` all dropouts leave before they upload."""
    draw = SystemEntropy().draw
    people = [Identity.from_seed(draw(32)) for _ in range(devices)]
    roster = tuple(who.public for who in people)
    config = RoundConfig.plan(
        round_id=draw(32), graph_seed=draw(32), n=devices, length=length, bits=bits, max_abs_entry=1000,
        max_dropout=dropout, max_collusion=collusion,
    )  # fmt: skip
    rng = np.random.default_rng(1)
    gone = rng.permutation(devices)[: int(dropout * devices)]
    drop = dict(
        zip(PHASES, np.split(gone, (len(gone) * np.array([0.1, 0.2, 0.8, 0.9])).astype(int)), strict=True)
    )
    if only_masking:
        drop = dict.fromkeys(PHASES, gone[:0]) | {Phase.MASK: gone}
    plain = np.zeros(length, dtype=np.int64)
    gc.disable()  # one device has no heap of a thousand to search
    server_clock, clocks = Clock(), {i: Clock() for i in range(0, devices, sample)}
    setup = RoundSetup(config, roster)
    clients: dict[int, Client] = {}
    for i, who in enumerate(people):
        with clocks.get(i) or Clock():
            own = RoundSetup(config, roster) if i in clocks else setup
            clients[i] = Client(own, i, who, draw(RANDOM_BYTES))
    with server_clock:
        server = Server(RoundSetup(config, roster))
    up, incoming = dict.fromkeys(clocks, 0), dict.fromkeys(clients, b"")
    down = dict.fromkeys(clocks, 0)
    for phase in PHASES:
        for i in drop[phase].tolist():
            del clients[i]
        for i, client in clients.items():
            vector = rng.integers(-1000, 1001, length) if phase is Phase.MASK else plain[:0]
            if phase is Phase.MASK:
                plain += vector
            with clocks.get(i) or Clock():
                message = step(client, phase, incoming[i], vector)
            if i in clocks:
                up[i] += len(message)
                down[i] += len(incoming[i])
            with server_clock:
                server.receive(i, message)
        with server_clock:
            incoming = server.advance()
    if (server.result.sum != plain).any():
        sys.exit("the secure sum is not the plain sum")
    gc.enable()
    done = [i for i in clocks if i in clients]  # only devices that worked through all phases
    walls, cpus = ([getattr(clocks[i], kind) * 1e3 for i in done] for kind in ("wall", "cpu"))
    return {
        "devices": devices,
        "entries": length,
        "bits": bits,
        "dropped": len(gone),
        "survivors": len(server.result.survivors),
        "max_dropout": dropout,
        "max_collusion": collusion,
        "degree": config.k,
        "threshold": config.t,
        "devices_measured": len(done),
        "client_ms": statistics.median(walls),
        "client_ms_quartiles": statistics.quantiles(walls, n=4),
        "client_cpu_ms": statistics.median(cpus),
        "clients_s": sum(clock.wall for clock in clocks.values()),  # of the measured ones
        "server_s": server_clock.wall,
        "server_cpu_s": server_clock.cpu,
        "bytes_up": statistics.median(up[i] for i in done),
        "bytes_down": statistics.median(down[i] for i in done),
    }


def step(client: Client, phase: Phase, message: bytes, vector: np.ndarray) -> bytes:
    match phase:
        case Phase.ADVERTISE:
            return client.advertise()
        case Phase.SHARE:
            return client.share_keys(message)
        case Phase.MASK:
            return client.mask(message, vector)
        case Phase.CONFIRM:
            return client.confirm(message)
        case _:
            return client.reveal(message)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--collusion", type=float, default=0.1)
    given = parser.parse_args()
    out = measure(given.devices, given.entries, given.dropout, given.collusion)
    out |= {
        "client_target_ms": TARGET_CLIENT_MS,
        "server_target_s": TARGET_SERVER_S,
        "client_ratio": out["client_ms"] / TARGET_CLIENT_MS,
        "server_ratio": out["server_s"] / TARGET_SERVER_S,
    }
    if given.json:
        json.dump(out, sys.stdout)
        print()
        return
    low, _, high = out["client_ms_quartiles"]
    print(
        f"{out['devices']} devices x {out['entries']} entries of {out['bits']} bits, {out['dropped']} gone; "
        f"degree {out['degree']}, threshold {out['threshold']} (planned dropout "
        f"{out['max_dropout']}, collusion {out['max_collusion']}, 2^-40)\n"
        f"client  median {out['client_ms']:.1f} ms (quartiles {low:.1f} to {high:.1f}; CPU "
        f"{out['client_cpu_ms']:.1f}) on {out['devices_measured']} devices; target {TARGET_CLIENT_MS:.0f}, "
        f"ratio {out['client_ratio']:.2f}\n"
        f"server  {out['server_s']:.2f} s (CPU {out['server_cpu_s']:.2f}); target {TARGET_SERVER_S}, "
        f"ratio {out['server_ratio']:.2f}\n"
        f"a device sends {out['bytes_up']:,.0f} bytes and receives {out['bytes_down']:,.0f}"
    )


if __name__ == "__main__":
    main()
