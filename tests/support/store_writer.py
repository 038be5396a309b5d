"""A process that uses a store until it is killed, for `test_store_kills.py`: says what is acknowledged.

`store_writer.py <what> <url> [seed]`; what: `write` (messages, log entries and counters, told one by one),
`claim` (claims the round that is due, tells, then hangs) or `race` (waits for a line, claims once, tells).
"""

import os
import random
import sys
import time
from itertools import count

from store_world import DIGEST, ROUND
from stores import counted, hear

from confidante.coordinator.store import Accepted, Store


def write(store: Store, seed: int) -> None:
    choice = random.Random(seed)
    for step in count():
        client = choice.randrange(4)
        match choice.choice(("message", "log", "count")):
            case "message":
                heard = hear(store, ROUND.id, "ADVERTISE", client, DIGEST, 5, f"{seed}-{step}", 3.0)
                if heard == Accepted():
                    tell("message", client, f"{seed}-{step}")
            case "log":
                tell("log", store.log.append("plan", f"{seed}-{step}".encode(), 1.0).hash.hex())
            case _:
                counted(store, "done")
                tell("count")


def tell(*words: object) -> None:
    print(*words, flush=True)


def main() -> None:
    what, url = sys.argv[1:3]
    with Store.open(url) as store:
        tell("ready")
        match what:
            case "write":
                write(store, int(sys.argv[3]))
            case "claim":
                tell(store.rounds.claim_due(10.0, "killed", 5.0) is not None)
                time.sleep(600)
            case _:
                sys.stdin.readline()
                tell(store.rounds.claim_due(10.0, f"racer {os.getpid()}", 5.0) is not None)


if __name__ == "__main__":
    main()
