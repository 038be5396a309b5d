"""The refinements of all populations of one process, and the thread that keeps them up."""

import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import final

from confidante.coordinator.config.population import EnrolmentTerms, Population
from confidante.coordinator.enrolment.enrolment import Enrolment
from confidante.coordinator.enrolment.verifiers import verifier_of
from confidante.coordinator.refinement.gateway_keys import GatewayKeys
from confidante.coordinator.refinement.offering import Offering
from confidante.coordinator.refinement.schemes import missing
from confidante.coordinator.refinement.scorer import NoScorerError, ScoringPool
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.core.errors import DataError, StoreError
from confidante.core.event_log import Seldom, log
from confidante.wire.refinement import tokens_of
from confidante.wire.tokens import LEAST_KEY_SECONDS

DAY = 86400.0
_LOOK_SECONDS = 1.0
_COUNT_SECONDS = 10.0


def check_installed(populations: Sequence[Population]) -> None:
    """Raise DataError when a population refines lists, and what that needs is not installed."""
    names = [one.name for one in populations if one.refinement is not None]
    if names and missing():
        raise DataError(f"{', '.join(names)}: [refinement] needs what is not installed: {missing()}")


def enrolments_of(
    store: Store, population: Population, *, now: Callable[[], float] = time.time
) -> dict[str, Enrolment]:
    """Return who is given tokens for questions, by `tokens_of`; nothing where questions cost none.

    Raises DataError when there is no such verifier, and StoreError.
    """
    terms, enrolling = population.refinement, population.enrolment
    if terms is None or enrolling.verifier == "open":
        return {}
    name = tokens_of(population.name)
    # The population's own verifier: an invitation to it is one to its questions.
    made = Enrolment(
        store,
        name,
        verifier_of(enrolling.verifier, store, population.name),
        EnrolmentTerms(enrolling.verifier, terms.most, terms.seconds, enrolling.rotate),
        now=now,
    )
    made.keep_up()
    return {name: made}


@final
class Refinements:
    """What questions are answered from. Begin with `start`; its thread ends with `stop`."""

    def __init__(
        self,
        store: Store,
        bodies: Bodies,
        populations: Sequence[Population],
        *,
        now: Callable[[], float] = time.time,
        died: Callable[[], None] = lambda: None,
        least: float = LEAST_KEY_SECONDS,
    ) -> None:
        """now: seconds since 1970; died: called when the thread met a bug and looks no more.

        least: seconds from one announcement of a population to the next.
        """
        self._store, self._now, self._died = store, now, died
        self.keys = GatewayKeys(store, now=now)
        self.scorer = ScoringPool()
        self.offerings: Mapping[str, Offering] = {
            one.name: Offering(
                store,
                bodies,
                one,
                one.refinement,
                lambda: self.keys.config,
                tokens=one.enrolment.verifier != "open",
                least=least,
            )
            for one in populations
            if one.refinement is not None
        }
        self._answered: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._counted = 0.0
        self._failed = Seldom("refinement refused")
        self._stopped = threading.Event()
        self.broken = False
        self._thread = threading.Thread(target=self._go, name="coordinator refinement")

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and the scoring process."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self.scorer.close()

    def answered(self, population: str) -> None:
        """Count a question. May be called from any thread."""
        with self._counting:
            self._answered[population] += 1

    def look(self) -> None:
        """Follow what changed. Raises StoreError and NoScorerError; call it again."""
        now = self._now()
        self.keys.keep_up()
        self._count(now)
        changed = [one.look(now) for one in self.offerings.values()]
        if any(changed):
            self.scorer.hold({n: v for one in self.offerings.values() for n, v in one.tables().items()})
            for name, one in self.offerings.items():
                log("refines", population=name, items=[served.query.items for served in one.served])
        else:
            self.scorer.keep_up()

    def _count(self, now: float, *, all_of_it: bool = False) -> None:
        if not all_of_it and self._counted <= now < self._counted + _COUNT_SECONDS:
            return
        self._counted = now
        with self._counting:
            counted, self._answered = self._answered, Counter()
        for name, count in counted.items():
            self._store.refinement.asked(name, int(now // DAY), count)

    def _go(self) -> None:
        try:
            while not self._stopped.is_set():
                try:
                    self.look()
                except (StoreError, NoScorerError) as error:
                    self._failed(problem=str(error))
                self._stopped.wait(_LOOK_SECONDS)
            try:
                self._count(self._now(), all_of_it=True)
            except StoreError as error:
                self._failed(problem=str(error))
        except BaseException as error:  # noqa: BLE001  (nobody else would hear of it)
            where = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
            log("refinement broken", level="error", kind=type(error).__name__, where=where[-12:])
            self.broken = True
            self._died()
