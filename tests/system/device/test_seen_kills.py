"""An import that is killed anywhere leaves all that it brings, or nothing: events and what was had alike."""

import random
import subprocess
import sys
import time
from pathlib import Path

from confidante import Device, InsecurePlaintextKey, Item

ROWS, TITLES, KILLS = 20_000, 1500, 12
IMPORT = """
import sys
from confidante import Device, InsecurePlaintextKey
with Device(sys.argv[1], InsecurePlaintextKey()) as device:
    print("ready", flush=True)
    device.import_history(sys.argv[2])
    print("done", flush=True)
"""


def test_a_killed_import_marks_all_or_nothing(tmp_path: Path) -> None:
    path, dice = tmp_path / "watched.csv", random.Random(4)
    rows = (f"s{k % TITLES},Watched title {k % TITLES},{1_500_000_000 + 60 * k}" for k in range(ROWS))
    path.write_text("item,title,time\n" + "\n".join(rows) + "\n")
    whole, took = (500, TITLES), 0.0
    for kill in range(KILLS):
        profile = tmp_path / f"profile-{kill}"
        with Device(profile, InsecurePlaintextKey()) as device:
            device.items.add(Item(f"s{k}", f"Watched title {k}") for k in range(TITLES))
        command = [sys.executable, "-c", IMPORT, str(profile), str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            begun = time.monotonic()
            if kill:
                time.sleep(took * dice.uniform(0.3, 1.1))
                child.kill()
            acknowledged = child.stdout.readline() == "done\n"
            took = took or time.monotonic() - begun
        with Device(profile, InsecurePlaintextKey()) as device:
            found = device.history.count, device.history.seen.count
            assert found in ((0, 0), whole)
            assert found == whole or not acknowledged
            device.import_history(path)
            assert (device.history.count, device.history.seen.count) == whole
