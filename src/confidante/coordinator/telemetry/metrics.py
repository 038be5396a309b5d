"""What a coordinator counts, for Prometheus. No label names a device, a round, an address or an item.

What one process counts is of its requests and steps; where several processes of one host share a folder
(`METRICS_FOLDER`), any of them tells the counts of all. What the database knows is read when asked:
all processes and hosts say the same of it, so take one of them, or the largest, and never the sum.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client keeps the counters of several processes; it looks when it is imported."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_PHASE_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_MISSING = "missing at "


@final
@dataclass(frozen=True, slots=True)
class StoreFigures:
    """What the database knows at one moment.

    counts: counters by event; outcomes: rounds by population and outcome; waiting: devices by population and
    tier; budgets: by population, epsilon spent, epsilon left, and rounds paid for.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    outcomes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    waiting: Mapping[tuple[str, str], int] = field(default_factory=dict)
    budgets: Mapping[str, tuple[float, float, int]] = field(default_factory=dict)


@final
class Metrics:
    """The counters of one process. Give each coordinator its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.refused = Counter(
            "confidante_refused", "Requests refused, by reason.", ("reason",), registry=self.registry
        )
        self.taken = Counter(
            "confidante_messages", "Messages of devices taken, by phase.", ("phase",), registry=self.registry
        )
        self.received = Counter(
            "confidante_received_bytes", "Bytes of bodies received.", registry=self.registry
        )
        self.sent = Counter("confidante_sent_bytes", "Bytes of bodies sent.", registry=self.registry)
        self.seconds = Histogram(
            "confidante_request_seconds",
            "Seconds a request took, long polls included, by kind of request.",
            ("request",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.phases = Histogram(
            "confidante_phase_seconds",
            "Seconds from the opening of a phase to its end, by phase.",
            ("phase",),
            buckets=_PHASE_SECONDS,
            registry=self.registry,
        )
        self.questions = Counter(
            "confidante_questions", "Sealed questions, by outcome.", ("outcome",), registry=self.registry
        )
        self.question_seconds = Histogram(
            "confidante_question_seconds",
            "Seconds from an opened question to its answer, waiting included.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.question_bytes = Counter(
            "confidante_question_bytes",
            "Bytes of sealed questions and answers.",
            ("direction",),
            registry=self.registry,
        )
        self.steps = Counter(
            "confidante_steps", "Steps of the worker, by outcome.", ("outcome",), registry=self.registry
        )

    def text(self, known: StoreFigures | None = None) -> bytes:
        """Return everything as text: the counters, and what the database knows."""
        folder = os.environ.get(METRICS_FOLDER)
        registry = self.registry
        if folder is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
        facts = CollectorRegistry()
        facts.register(_Facts(known or StoreFigures()))
        return generate_latest(registry) + generate_latest(facts)


@final
class _Facts(Collector):
    """What the database knows, as metrics."""

    def __init__(self, known: StoreFigures) -> None:
        self._known = known

    def collect(self) -> Iterator[Metric]:
        """Give each metric."""
        known = self._known
        rounds = GaugeMetricFamily(
            "confidante_rounds", "Rounds, by population and outcome.", labels=("population", "outcome")
        )
        for (population, outcome), number in sorted(known.outcomes.items()):
            rounds.add_metric((population, outcome), number)
        yield rounds
        pool = GaugeMetricFamily(
            "confidante_pool_devices", "Devices that wait for a round.", labels=("population", "tier")
        )
        for labels, devices in known.waiting.items():
            pool.add_metric(labels, devices)
        yield pool
        yield from _budget(known.budgets)
        dropped = CounterMetricFamily(
            "confidante_dropouts", "Devices that a phase ended without.", labels=("phase",)
        )
        events = CounterMetricFamily(
            "confidante_events", "What the database counted, by event.", labels=("event",)
        )
        for event, number in known.counts.items():
            if event.startswith(_MISSING):
                dropped.add_metric((event.removeprefix(_MISSING).lower(),), number)
            else:
                events.add_metric((event,), number)
        yield dropped
        yield events


def _budget(budgets: Mapping[str, tuple[float, float, int]]) -> Iterator[Metric]:
    by = ("population",)
    used = GaugeMetricFamily("confidante_epsilon_spent", "Epsilon spent, of all rounds together.", labels=by)
    left = GaugeMetricFamily("confidante_epsilon_left", "Epsilon left; infinite without noise.", labels=by)
    paid = GaugeMetricFamily("confidante_rounds_paid", "Rounds ever paid for.", labels=by)
    for name, figures in sorted(budgets.items()):
        for metric, value in zip((used, left, paid), figures, strict=True):
            metric.add_metric((name,), value)
    yield from (used, left, paid)


def names(text: bytes) -> set[str]:
    """Return the label names in use in what `Metrics.text` returned, for whoever audits them."""
    return {
        part.partition("=")[0].lstrip(",{ ")
        for line in text.decode().splitlines()
        if not line.startswith("#") and "{" in line
        for part in line[line.index("{") : line.rindex("}")].split('",')
        if "=" in part
    }
