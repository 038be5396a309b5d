"""What the operator's page shows, gathered from the store. Nothing of it is about one device."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, final

import msgspec

from confidante.coordinator.config.population import Population
from confidante.coordinator.diagnostics.check import Check, guarded
from confidante.coordinator.diagnostics.doctor import check_budget, check_clock, check_disk
from confidante.coordinator.diagnostics.doctor_population import check_announced
from confidante.coordinator.operator.charts import ChartPoint, bars, curve
from confidante.coordinator.reports.overview import Overview, overview
from confidante.coordinator.reports.results import CurvePoint, newest_found, quality_curve
from confidante.coordinator.store import LogEntry, Store
from confidante.coordinator.store.bodies import Bodies
from confidante.secagg.phases import PHASES
from confidante.tasks.base import Rows

LOG_SHOWN = 12
ROUNDS_SHOWN = 30
GRADES_SHOWN = 50
_MISSING = "missing at "
_NAMED = (("population", "{}"), ("task", "{}"), ("training", "training {}"), ("survivors", "{} devices"))
_CHECKED_FOR = 60.0  # seconds; the whole log is read
_SEEN_FOR = 1.0


@final
@dataclass(frozen=True, slots=True)
class LogLine:
    """An entry of the public log, in words."""

    number: int
    kind: str
    at: float
    said: str
    hash: str


@final
@dataclass(frozen=True, slots=True)
class PopulationView:
    """A population as the page shows it.

    says: what its worker waits for; cohorts, quality_curve: pictures, as SVG; quality: the newest first.
    found: what each measure found last, by its name.
    """

    overview: Overview
    says: str
    cohorts: str
    quality: tuple[CurvePoint, ...] = ()
    quality_curve: str = ""
    found: Mapping[str, Rows] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class View:
    """The page at one moment. dropouts: (phase, devices) since ever."""

    at: float
    populations: tuple[PopulationView, ...]
    dropouts: tuple[tuple[str, int], ...]
    log: tuple[LogLine, ...]
    checks: tuple[Check, ...]


@final
@dataclass(frozen=True, slots=True)
class PageSettings:
    """What the page knows beside the store.

    populations: those served; bodies: address of the bodies; says: what a worker says of each population;
    public: whether the page is shown without a login.
    """

    populations: Sequence[Population] = ()
    bodies: str = ""
    says: Callable[[], Mapping[str, str]] = field(default=dict)
    public: bool = True


@final
class Viewer:
    """Gathers the page, at most once a second however many look at it."""

    def __init__(self, store: Store, bodies: Bodies, page_settings: PageSettings) -> None:
        self._store, self._bodies, self._page = store, bodies, page_settings
        self._looking = threading.Lock()  # a look at the whole log is for one at a time
        self._last: View | None = None
        self._seen = lru_cache(1)(self._gather)
        self._checked = lru_cache(1)(self._check)
        self._graded = lru_cache(len(page_settings.populations) or 1)(self._grade)
        self._found = lru_cache(len(page_settings.populations) or 1)(self._look)

    def view(self, now: float) -> View:
        """Return the page; that of a moment ago while somebody else gathers it anew. Raises StoreError."""
        last = self._last
        if not self._looking.acquire(blocking=last is None) and last is not None:
            return last
        try:
            self._last = found = self._seen(now // _SEEN_FOR)
            return found
        finally:
            self._looking.release()

    def forget(self) -> None:
        """Look anew the next time: something was changed."""
        self._seen.cache_clear()
        self._last = None

    def _gather(self, _moment: float) -> View:
        store, now, says = self._store, time.time(), self._page.says()
        dropped = {
            event.removeprefix(_MISSING).lower(): count
            for event, count in store.operator.counts().items()
            if event.startswith(_MISSING)
        }
        return View(
            now,
            tuple(self._see(one, says.get(one.name, ""), now) for one in self._page.populations),
            tuple((phase.word, dropped.get(phase.word, 0)) for phase in PHASES),
            tuple(_entry(one) for one in store.log.tail(LOG_SHOWN)),
            self._checked(now // _CHECKED_FOR),
        )

    def _see(self, population: Population, says: str, now: float) -> PopulationView:
        found = overview(self._store, population, rounds=ROUNDS_SHOWN)
        ended = [one for one in reversed(found.rounds) if one.outcome]
        points = [ChartPoint(one.opened, one.survivors, moment(one.opened)) for one in ended]
        picture = bars(
            points, "Devices whose vectors are in each sum, by round", [one.clients for one in ended]
        )
        grades = self._graded(population.name, now // _CHECKED_FOR)
        drawn = curve(
            [ChartPoint(one.at, one.hit_rate, moment(one.at), one.error, one.line) for one in grades],
            "Hit rate of the models that were graded, with standard errors",
        )
        newest = self._found(population.name, now // _CHECKED_FOR)
        return PopulationView(
            found, "" if found.running else says, picture, tuple(reversed(grades)), drawn, newest
        )

    def _grade(self, name: str, _moment: float) -> tuple[CurvePoint, ...]:
        [population] = [one for one in self._page.populations if one.name == name]
        return tuple(quality_curve(self._store, self._bodies, population, GRADES_SHOWN))

    def _look(self, name: str, _moment: float) -> dict[str, Rows]:
        [population] = [one for one in self._page.populations if one.name == name]
        return newest_found(self._store, self._bodies, population)

    def _check(self, _moment: float) -> tuple[Check, ...]:
        store, page_settings = self._store, self._page
        return (
            Check("database", good=True, said="answers"),
            guarded("public log", lambda: f"holds together: {store.log.verify():,} entries"),
            check_clock(store, time.time()),
            *(check_budget(store, one) for one in page_settings.populations),
            *(
                found
                for one in page_settings.populations
                for found in check_announced(store, one, time.time())
            ),
            *check_disk(page_settings.bodies, page_settings.populations),
        )


def moment(at: float) -> str:
    """Return a time as people read it, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(at))


def _entry(one: LogEntry) -> LogLine:
    try:
        named: dict[str, Any] = msgspec.msgpack.decode(one.body, type=dict[str, Any])
    except msgspec.DecodeError:
        named = {}
    said = ", ".join(form.format(named[key]) for key, form in _NAMED if isinstance(named.get(key), str | int))
    return LogLine(one.number, one.kind, one.at, said, one.hash.hex())
