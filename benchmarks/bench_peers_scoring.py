"""Scoring in secret beside TenSEAL 0.3.18, on the same 4,096 vectors of 64 numbers and the same query.

Theirs is one CKKS ciphertext of the query times a plain matrix (`mm`: the diagonal method of Halevi and Shoup
2014), with Galois keys made for the one question and sent with it. 4,096 items are all that one of its
ciphertexts holds. Parameters: N = 8192 and moduli of 60, 40 and 60 bits, below the 218 bits that the
Homomorphic Encryption Standard (2018, table 1) gives 128 bits of security. Products are rounded and have to
be exact. Ours is `crypto.he.bfv`. Times are those of the server; up is what a question takes.

TenSEAL runs in an environment of its own (`.venv-peers`, requirements/peers.txt), started by this program;
ours needs the extra `he`.
"""

import json
import statistics
from typing import Any

import numpy as np

from _timing import in_peers, parser, seconds_of, verdict

ITEMS, COLUMNS, LARGEST = 4096, 64, 127
OURS, THEIRS = 21, 5  # repeats
TARGET = 20.0  # times as fast


def drawn() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    vectors = rng.integers(-LARGEST, LARGEST + 1, (ITEMS, COLUMNS))
    return vectors, rng.integers(-LARGEST, LARGEST + 1, COLUMNS)


def result(seconds: list[float], up: int) -> dict[str, float]:
    return {"median_ms": 1e3 * statistics.median(seconds), "up_mb": up / 1e6}


def theirs() -> dict[str, float]:
    """Run in the peers' environment."""
    import tenseal

    vectors, query = drawn()
    context = tenseal.context(
        tenseal.SCHEME_TYPE.CKKS, poly_modulus_degree=8192, coeff_mod_bit_sizes=[60, 40, 60]
    )
    context.global_scale = 2.0**30
    context.auto_rescale = context.auto_mod_switch = context.auto_relin = False  # one product and no more
    context.generate_galois_keys()
    asked = tenseal.ckks_vector(context, query.tolist())
    matrix = tenseal.plain_tensor(vectors.T.astype(np.float64))
    if not np.array_equal(np.rint(asked.mm(matrix).decrypt()), vectors @ query):
        raise RuntimeError("TenSEAL's products are not exact: this benchmark no longer uses it rightly")
    keys = context.serialize(save_secret_key=False, save_relin_keys=False)
    return result(seconds_of(lambda: asked.mm(matrix), THEIRS), len(keys) + len(asked.serialize()))


def ours() -> dict[str, float]:
    from confidante.crypto.he.bfv import BfvScheme

    vectors, query = drawn()
    table, asking = BfvScheme().table(vectors), BfvScheme().ask(query)
    if not np.array_equal(asking.read(table.answer(asking.request), ITEMS), vectors @ query):
        raise RuntimeError("the products are not exact")
    return result(seconds_of(lambda: table.answer(asking.request), OURS), len(asking.request))


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--peer", action="store_true", help="the part run with TenSEAL")
    given = options.parse_args()
    if given.peer:
        print(json.dumps(theirs()))
        return
    out: dict[str, Any] = {"items": ITEMS, "bfv": ours(), "tenseal": in_peers(__file__, "--peer")}
    out["times_faster"] = out["tenseal"]["median_ms"] / out["bfv"]["median_ms"]
    if given.json:
        print(json.dumps(out))
        return
    for name in ("bfv", "tenseal"):
        print(f"{name:8} {ITEMS:,} items: {out[name]['median_ms']:8.1f} ms, {out[name]['up_mb']:.1f} MB up")
    print(f"{out['times_faster']:.0f} times as fast as TenSEAL; {verdict(out['times_faster'] / TARGET)}")


if __name__ == "__main__":
    main()
