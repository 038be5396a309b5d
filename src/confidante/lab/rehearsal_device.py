"""One real device as a process of its own: in one round after the other until it is ended.

`python -m confidante.lab.rehearsal_device FOLDER URL POPULATION` says in one line of JSON what came of each.
"""

import json
import sys
from pathlib import Path

from confidante.core.errors import EgressError
from confidante.device.device import Device
from confidante.device.federation.policy import ParticipationPolicy
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.lab.memory import peak_bytes

_PATIENCE = 3600.0


def main(folder: str, url: str, population: str) -> None:
    """Take part in rounds for ever."""
    # The people here are data: what a rehearsal is of decides how large and how safe its rounds are.
    terms = ParticipationPolicy(
        least_noise=0.0,
        least_devices=2,
        most_bytes=1 << 30,
        most_fetched=1 << 30,
        least_dropout=0.0,
        least_collusion=0.0,
    )
    with Device(Path(folder), InsecurePlaintextKey(), create=False) as device:
        while True:
            try:
                outcome = device.federation.participate(url, population, terms, patience=_PATIENCE)
            except EgressError as error:  # the coordinator may come back
                _say(state="unreachable", why=str(error))
                continue
            _say(state=outcome.state, why=outcome.why)


def _say(**fields: str) -> None:
    sys.stdout.write(json.dumps({**fields, "peak_bytes": peak_bytes() or 0}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
