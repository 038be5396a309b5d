"""A device process that gets SIGKILL in a round: folder, URL, phase, "written" or "sent" ("" for neither).

"written": when the message of that phase is in the ledger and no byte of it left; "sent": when it was taken.
The seconds that its clock is off by may follow. Prints the outcome, if it lives to its end.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from confidante.device.device import Device
from confidante.device.federation.policy import ParticipationPolicy
from confidante.device.privacy.egress import Egress
from confidante.device.storage.keys import InsecurePlaintextKey


def die_at(phase: str, moment: str) -> None:
    deliver = Egress.deliver

    def deadly(self, number, request):
        mine = request.method == "PUT" and request.data.split(b" ")[1].endswith(phase.encode())
        if mine and moment == "written":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = deliver(self, number, request)
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    Egress.deliver = deadly


if __name__ == "__main__":
    folder, url, phase, moment, *skew = sys.argv[1:]
    if phase:
        die_at(phase, moment)
    off = float(skew[0]) if skew else 0.0
    with Device(Path(folder), InsecurePlaintextKey(), clock=lambda: time.time() + off) as device:
        terms = ParticipationPolicy(least_noise=0.1, least_devices=2, least_collusion=0.0)
        outcome = device.federation.participate(url, "films", terms, patience=90.0)
        print(json.dumps([outcome.state, outcome.why]))
