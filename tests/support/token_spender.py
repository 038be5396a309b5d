"""A process that spends one token for an identity of its own, for the race of `test_enrolment.py`.

`token_spender.py <url> <number>`: says `ready`, waits for a line, then tells whether it was admitted.
"""

import sys

from stores import spend

from confidante.coordinator.store import Store
from confidante.coordinator.store.values import Spending, Waiting
from confidante.wire.tokens import bound_to


def main() -> None:
    url, number = sys.argv[1], int(sys.argv[2])
    identity, seat = bytes([number]) * 64, bytes([number]) * 32
    with Store.open(url) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        spending = Spending(b"k" * 32, b"n" * 32, bound_to(identity, seat))
        found = spend(store, "films", identity, seat, spending, 5.0)
        print(isinstance(found, Waiting), flush=True)


if __name__ == "__main__":
    main()
