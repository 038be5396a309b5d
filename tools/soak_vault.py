"""Kill a vault's writer many times over: `python tools/soak_vault.py --kills 10000 [--seed 1]`.

Exits with 1, and says what happened, when a vault lost or revived anything.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from vault_kills import Killer, WrongVaultError

ROUND = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    print(f"seed {given.seed}")
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as made, Killer(Path(made), given.seed) as killer:
        for done in range(0, given.kills, ROUND):
            killer.folder = Path(made) / str(done)
            try:
                killer.kill(min(ROUND, given.kills - done))
            except WrongVaultError as wrong:
                sys.exit(f"after {killer.found['kills']:,} kills, seed {given.seed}: {wrong}")
            seconds = time.monotonic() - start
            print(f"\r{killer.found['kills']:,} kills, nothing lost, {seconds:,.0f} s", end="", flush=True)
    print()
    for what, times in killer.found.most_common():
        print(f"{times:>8,}  {what}")


if __name__ == "__main__":
    main()
