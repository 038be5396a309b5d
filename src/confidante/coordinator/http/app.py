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

from confidante.coordinator.http.app_state import AppState, HttpSettings
from confidante.coordinator.http.check_in import CheckInRoutes
from confidante.coordinator.http.gateway import GatewayRoutes
from confidante.coordinator.http.operator_routes import OperatorRoutes
from confidante.coordinator.http.public_routes import PublicRoutes
from confidante.coordinator.http.round_routes import RoundRoutes
from confidante.coordinator.operator.view import PageSettings
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
        serving: HttpSettings,
        metrics: Metrics | None = None,
        *,
        lifespan: Lifespan | None = None,
        page_settings: PageSettings | None = None,
        now: Callable[[], float] = time.time,
        wake: Callable[[], None] = lambda: None,
        refinements: Refinements | None = None,
    ) -> None:
        """page_settings: what the operator's page shows; wake: called when a worker may have something to do.

        refinements: what sealed questions are answered from, None where no list is refined.
        """
        self.metrics = metrics or Metrics()
        self._app = app_state = AppState(store, bodies, serving, self.metrics, now, wake)
        self._operator = OperatorRoutes(app_state, page_settings or PageSettings())
        refining = () if refinements is None else (GatewayRoutes(app_state, refinements),)
        rooms = (
            CheckInRoutes(app_state),
            RoundRoutes(app_state),
            PublicRoutes(app_state),
            *refining,
            self._operator,
        )
        self.app = Starlette(
            routes=[
                Route(path, app_state.answering(method, path, answer), methods=[method])
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
        self._app.watch.nudge()
        self._app.seats.nudge()

    def close(self) -> None:
        """Let all long polls go on at once, so that the process can end."""
        self._app.watch.close()
        self._app.seats.close()
