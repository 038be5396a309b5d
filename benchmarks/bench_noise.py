"""Time the noise sampler, the encoder and the exact sum.

    python benchmarks/bench_noise.py [--json]

The yardstick for the sampler is the difference of two numpy Poisson draws, which is not exact and not
cryptographic, in the same run.
"""

import json
import time

import numpy as np

from _timing import milliseconds, parser
from confidante.core.values import SparseRows
from confidante.privacy.clipping import encode
from confidante.privacy.mechanisms import skellam
from confidante.privacy.plan import Cohort, plan_sum

NUMBERS = 100_000
ROWS, ENTRIES, LENGTH = 20_000, 30, 4_000


def bench_sampler(variance: int) -> dict[str, object]:
    skellam._table.cache_clear()
    start = time.perf_counter()
    skellam.sample(variance, 1, bytes(32))
    build = 1e3 * (time.perf_counter() - start)
    rng = np.random.default_rng(1)
    ours = milliseconds(lambda: skellam.sample(variance, NUMBERS, rng.bytes(32)))
    numpy = milliseconds(lambda: rng.poisson(variance / 2, NUMBERS) - rng.poisson(variance / 2, NUMBERS))
    return {
        "variance": variance,
        "numbers": NUMBERS,
        "table_ms": build,
        "sample": ours,
        "numpy_poisson_difference": numpy,
        "times_faster_than_numpy": numpy["median"] / ours["median"],
    }


def bench_encode() -> dict[str, object]:
    rng = np.random.default_rng(2)
    plan = plan_sum("bench", LENGTH, 1.0, 0.3, 4.0, Cohort(ROWS), bits=32)
    indices = np.sort(rng.permuted(np.tile(np.arange(LENGTH), (2_000, 1)), axis=1)[:, :ENTRIES], axis=1)
    rows = SparseRows(
        np.arange(ROWS + 1) * ENTRIES,
        np.tile(indices.ravel(), ROWS // 2_000),
        rng.normal(0, 1 / np.sqrt(ENTRIES), ROWS * ENTRIES),
        LENGTH,
    )
    dither = rng.integers(0, 2**64, ROWS, dtype=np.uint64)
    encoded = encode(rows, plan, dither)
    both = milliseconds(lambda: encode(rows, plan, dither).sum())
    return {
        "rows": ROWS,
        "entries_a_row": ENTRIES,
        "length": LENGTH,
        "encode": milliseconds(lambda: encode(rows, plan, dither)),
        "sum": milliseconds(encoded.sum),
        "encode_and_sum": both,
        "rows_per_second": 1e3 * ROWS / both["median"],
    }


def main() -> None:
    as_json = parser(__doc__).parse_args().json
    result = {"sampler": [bench_sampler(v) for v in (10, 2_000, 100_000, 1 << 26)], "encode": bench_encode()}
    if as_json:
        print(json.dumps(result, indent=2))
        return
    for row in result["sampler"]:
        print(
            f"skellam  variance {row['variance']:>9,}: {row['sample']['median']:6.2f} ms "
            f"[{row['sample']['quartile_1']:.2f}, {row['sample']['quartile_3']:.2f}] "
            f"for {NUMBERS:,} numbers, table {row['table_ms']:.0f} ms, "
            f"{row['times_faster_than_numpy']:.1f} times as fast as numpy's Poisson"
        )
    row = result["encode"]
    print(
        f"encode   {ROWS:,} rows of {ENTRIES}: {row['encode']['median']:.1f} ms, "
        f"sum {row['sum']['median']:.1f} ms, {row['rows_per_second']:,.0f} rows/s together "
        f"[{1e3 * ROWS / row['encode_and_sum']['quartile_3']:,.0f}, "
        f"{1e3 * ROWS / row['encode_and_sum']['quartile_1']:,.0f}]"
    )


if __name__ == "__main__":
    main()
