"""A worker that gets SIGKILL right before or after a call: folder, now, name of the call, "after" or ""."""

import os
import signal
import sys
from pathlib import Path

from engine_world import Devices, World, crowd, population


class Deadly:
    def __init__(self, real, name, after):
        self._real, self._name, self._after = real, name, after

    def __getattr__(self, name):
        method = getattr(self._real, name)
        if not callable(method):  # a repository of the store
            return Deadly(method, self._name, self._after)
        if name != self._name:
            return method

        def called(*args, **more):
            if self._after:
                method(*args, **more)
            os.kill(os.getpid(), signal.SIGKILL)

        return called


if __name__ == "__main__":
    folder, now, name, after = sys.argv[1:]
    world = World(Path(folder), population(5), Devices(crowd(5)))
    stores = Deadly(world.store, name, after), Deadly(world.bodies, name, after)
    world.fresh(*stores).step(float(now))
