"""What a coordinator answers over HTTP. It keeps nothing: any process of any host answers any request.

Nothing is logged of a request. A seat is shown once a round and belongs to that round alone, so what comes
in for one round says nothing of another; `confidante.wire.rounds` has the shapes.
"""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import final

from starlette.applications import Starlette
from starlette.routing import Route

from confidante.coordinator.http.app_state import AppState, Serving
from confidante.coordinator.http.check_in import Entry
from confidante.coordinator.http.gateway import Refining
from confidante.coordinator.http.operator_routes import Operator
from confidante.coordinator.http.public_routes import Public
from confidante.coordinator.http.round_routes import Rounds
from confidante.coordinator.operator.view import Desk
from confidante.coordinator.refinement.refinements import Refinements
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.coordinator.telemetry.metrics import Metrics

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


@final
class Coordinator:
    """The answers of one process. `app` is to be served; `close` lets its long polls go."""

    def __init__(
        self,
        store: Store,
        bodies: Bodies,
        serving: Serving,
        metrics: Metrics | None = None,
        *,
        lifespan: Lifespan | None = None,
        desk: Desk | None = None,
        now: Callable[[], float] = time.time,
        wake: Callable[[], None] = lambda: None,
        refinements: Refinements | None = None,
    ) -> None:
        """desk: what the operator's page shows; wake: called when a worker may have something to do.

        refinements: what sealed questions are answered from, None where no list is refined.
        """
        self.metrics = metrics or Metrics()
        self._office = office = AppState(store, bodies, serving, self.metrics, now, wake)
        self._operator = Operator(office, desk or Desk())
        refining = () if refinements is None else (Refining(office, refinements),)
        rooms = (Entry(office), Rounds(office), Public(office), *refining, self._operator)
        self.app = Starlette(
            routes=[
                Route(path, office.answering(method, path, answer), methods=[method])
                for room in rooms
                for method, path, answer in room.routes
            ],
            lifespan=lifespan,
        )

    def leave(self) -> None:
        """Say from now on that this process is not ready, so that a balancer takes it out."""
        self._operator.leaving = True

    def nudge(self) -> None:
        """Have long polls look again at once: this process changed a round. May be called from any thread."""
        self._office.watch.nudge()
        self._office.seats.nudge()

    def close(self) -> None:
        """Let all long polls go on at once, so that the process can end."""
        self._office.watch.close()
        self._office.seats.close()
