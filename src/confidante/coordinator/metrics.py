"""What a coordinator counts, for Prometheus. No label names a device, a round, an address or an item."""

from collections.abc import Callable, Iterable, Mapping
from typing import final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


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
        self.steps = Counter(
            "confidante_steps", "Steps of the worker, by outcome.", ("outcome",), registry=self.registry
        )
        self._kept: dict[str, Gauge] = {}

    def text(self, kept: Callable[[], Mapping[str, float]] = dict) -> bytes:
        """Return everything as text. kept: what the database counts, by name; it survives restarts."""
        for name, value in kept().items():
            gauge = self._kept.get(name)
            if gauge is None:
                gauge = Gauge(
                    f"confidante_{name_of(name)}", f"Kept in the database: {name}.", registry=self.registry
                )
                self._kept[name] = gauge
            gauge.set(value)
        return generate_latest(self.registry)


def name_of(event: str) -> str:
    """Return an event's name with nothing that a metric's name may not have."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in event)


def names(registry: CollectorRegistry) -> Iterable[str]:
    """Return the label names in use, for whoever audits them."""
    return {label for family in registry.collect() for sample in family.samples for label in sample.labels}
