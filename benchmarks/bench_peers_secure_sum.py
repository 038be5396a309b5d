"""One secure sum of 100 devices x 100,000 entries: ours beside Flower 1.42's SecAgg+, in the same run.

Same number of neighbours, threshold, ring (32 bits), and the same ten devices gone after they shared keys.
Ours is the whole production round: signatures, authenticated channels, consistency round, checks, packing.
Theirs is the cryptographic work of `secaggplus_mod` and `SecAggPlusWorkflow` done with Flower's own
functions in the order in which those call them: key pairs, agreement, shares, encryption, masks, unmasking.
Its quantisation, message records and network are left out, which favours it. It has no signatures and no
consistency round, and its masks come from a 32-bit seed, so it does less than ours.

Flower runs in an environment of its own (`.venv-peers`, requirements/peers.txt), started by this program.
"""

import argparse
import json
import os
import statistics
import sys
import time
from typing import Any

import numpy as np

from _timing import in_peers, parser

DEVICES, ENTRIES, GONE, BITS = 100, 100_000, 10, 32


def ours(repeats: int) -> dict[str, Any]:
    from bench_secure_sum import measure

    runs = [
        measure(DEVICES, ENTRIES, GONE / DEVICES, 0.1, BITS, sample=1, only_masking=True)
        for _ in range(repeats)
    ]
    totals = [run["clients_s"] + run["server_s"] for run in runs]
    return {
        "neighbours": runs[0]["degree"],
        "threshold": runs[0]["threshold"],
        "total_s": statistics.median(totals),
        "total_s_all": totals,
        "client_ms": statistics.median(run["client_ms"] for run in runs),
        "server_s": statistics.median(run["server_s"] for run in runs),
    }


def theirs(neighbours: int, threshold: int) -> dict[str, Any]:
    """Run in the peers' environment."""
    from flwr.common.secure_aggregation.crypto.shamir import combine_shares, create_shares
    from flwr.common.secure_aggregation.crypto.symmetric_encryption import (
        decrypt,
        encrypt,
        generate_shared_key,
    )
    from flwr.common.secure_aggregation.ndarrays_arithmetic import (
        parameters_addition,
        parameters_mod,
        parameters_subtraction,
    )
    from flwr.common.secure_aggregation.secaggplus_utils import (
        pseudo_rand_gen,
        share_keys_plaintext_concat,
        share_keys_plaintext_separate,
    )
    from flwr.supercore.primitives.asymmetric import (
        bytes_to_private_key,
        bytes_to_public_key,
        generate_key_pairs,
        private_key_to_bytes,
        public_key_to_bytes,
    )

    modulus, shape, half = 1 << BITS, [(ENTRIES,)], neighbours // 2
    spent = [0.0] * DEVICES
    rng = np.random.default_rng(1)
    vectors = [rng.integers(-1000, 1001, ENTRIES) for _ in range(DEVICES)]
    around = {i: [(i + d) % DEVICES for d in range(-half, half + 1)] for i in range(DEVICES)}  # itself too

    secret, public = [], []
    for i in range(DEVICES):
        began = time.perf_counter()
        pairs = [generate_key_pairs() for _ in range(2)]
        secret.append([private_key_to_bytes(pair[0]) for pair in pairs])
        public.append([public_key_to_bytes(pair[1]) for pair in pairs])
        spent[i] += time.perf_counter() - began

    seeds, channel = [], [{} for _ in range(DEVICES)]
    held: list[dict[int, tuple[bytes, bytes]]] = [{} for _ in range(DEVICES)]
    mail: list[dict[int, bytes]] = [{} for _ in range(DEVICES)]
    for i in range(DEVICES):
        began = time.perf_counter()
        seeds.append(os.urandom(32))
        of_seed = create_shares(seeds[i], threshold, neighbours + 1)
        of_key = create_shares(secret[i][0], threshold, neighbours + 1)
        for slot, j in enumerate(around[i]):
            if i == j:
                held[i][i] = of_seed[slot], of_key[slot]
                continue
            key = generate_shared_key(bytes_to_private_key(secret[i][1]), bytes_to_public_key(public[j][1]))
            channel[i][j] = key
            mail[j][i] = encrypt(key, share_keys_plaintext_concat(i, j, of_seed[slot], of_key[slot]))
        spent[i] += time.perf_counter() - began

    alive, dead = list(range(GONE, DEVICES)), list(range(GONE))
    server = 0.0
    total = [np.zeros(ENTRIES, dtype=np.int64)]
    for i in alive:
        began = time.perf_counter()
        for j, sealed in mail[i].items():
            held[i][j] = share_keys_plaintext_separate(decrypt(channel[i][j], sealed))[2:]
        masked = parameters_addition([vectors[i]], pseudo_rand_gen(seeds[i], modulus, shape))
        for j in mail[i]:
            key = generate_shared_key(bytes_to_private_key(secret[i][0]), bytes_to_public_key(public[j][0]))
            combine = parameters_addition if i > j else parameters_subtraction
            masked = combine(masked, pseudo_rand_gen(key, modulus, shape))
        masked = parameters_mod(masked, modulus)
        spent[i] += time.perf_counter() - began
        began = time.perf_counter()
        total = parameters_mod(parameters_addition(total, masked), modulus)
        server += time.perf_counter() - began

    began = time.perf_counter()
    for i in range(DEVICES):
        which = 1 if i in dead else 0
        secret_back = combine_shares([held[j][i][which] for j in around[i] if j not in dead])
        if which == 0:
            total = parameters_subtraction(total, pseudo_rand_gen(secret_back, modulus, shape))
            continue
        for j in around[i]:
            if j != i:
                key = generate_shared_key(
                    bytes_to_private_key(secret_back), bytes_to_public_key(public[j][0])
                )
                combine = parameters_addition if i > j else parameters_subtraction
                total = combine(total, pseudo_rand_gen(key, modulus, shape))
    total = parameters_mod(total, modulus)
    server += time.perf_counter() - began
    plain = sum(vectors[i] for i in alive) % modulus
    if (total[0] != plain).any():
        sys.exit("Flower's sum is not the plain sum: this benchmark no longer uses its functions rightly")
    return {
        "total_s": sum(spent) + server,
        "client_ms": statistics.median(spent[i] for i in alive) * 1e3,
        "server_s": server,
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument(
        "--peer", nargs=2, type=int, metavar=("NEIGHBOURS", "THRESHOLD"), help=argparse.SUPPRESS
    )
    given = options.parse_args()
    if given.peer:
        print(json.dumps(theirs(*given.peer)))
        return
    mine = ours(given.repeats)
    peer = in_peers(__file__, "--peer", mine["neighbours"], mine["threshold"])
    out = {
        "devices": DEVICES,
        "entries": ENTRIES,
        "dropped": GONE,
        "ours": mine,
        "flower": peer,
        "ratio": peer["total_s"] / mine["total_s"],
        "ratio_wanted": 10,
    }
    if given.json:
        print(json.dumps(out))
        return
    print(
        f"{DEVICES} devices x {ENTRIES} entries, {GONE} gone after sharing keys, "
        f"{mine['neighbours']} neighbours, threshold {mine['threshold']}"
    )
    for name, part in (("ours", mine), ("Flower", peer)):
        print(
            f"{name:7} all {part['total_s']:7.2f} s   client median {part['client_ms']:8.1f} ms   "
            f"server {part['server_s']:6.2f} s"
        )
    low, high = min(mine["total_s_all"]), max(mine["total_s_all"])
    print(f"ratio   {out['ratio']:.1f} (wanted 10); ours: {given.repeats} rounds, {low:.2f} to {high:.2f} s")


if __name__ == "__main__":
    main()
