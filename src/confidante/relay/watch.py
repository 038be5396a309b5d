"""What the operator of a relay can see: whether its gateway answers, and counts that name nobody."""

import socket
import ssl
from typing import final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from confidante.core.event_log import log

LOOK_SECONDS = 15.0
"""How often the gateway is asked whether it is there."""

LOOK_AGAIN_SECONDS = 3.0
"""How often while it is not."""

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@final
class RelayMetrics:
    """Counters of one relay. No label names a device or an address."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "confidante_relay_requests", "Envelopes, by outcome.", ("outcome",), registry=self.registry
        )
        self.bytes = Counter(
            "confidante_relay_bytes",
            "Bytes of envelopes (in) and of sealed answers (out).",
            ("direction",),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "confidante_relay_gateway_seconds",
            "Seconds until the gateway had answered.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.under_way = Gauge(
            "confidante_relay_requests_under_way",
            "Envelopes that the gateway works on now.",
            registry=self.registry,
        )
        self.reached = Gauge(
            "confidante_relay_gateway_up",
            "1 if the gateway answered as one when it was last asked, else 0.",
            registry=self.registry,
        )


@final
class GatewayHealth:
    """Whether the gateway answered when it was last asked, and what was wrong with it."""

    def __init__(self, metrics: RelayMetrics) -> None:
        self._metrics = metrics
        self.problem: str | None = "not asked yet"

    def note(self, problem: str | None) -> None:
        """Note what is wrong, None for nothing; write a line when that changed."""
        if problem != self.problem:
            if problem is None:
                log("gateway", says="answers")
            else:
                log("gateway", level="error", says=problem)
        self.problem = problem
        self._metrics.reached.set(problem is None)


def unreached(error: BaseException) -> str:
    """Return in plain words why no connection came about, and what to look at."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "its name is not known here: look whether it is spelt right, and at this machine's DNS"
        if isinstance(cause, ConnectionRefusedError):
            return "the connection is refused: look whether it runs, and listens on this port"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError):
            return f"it does not speak TLS as expected ({cause.reason})"
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__
