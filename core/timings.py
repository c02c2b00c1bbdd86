"""How long things take in this process: requests, vendor calls, tasks. Prometheus adds up the processes.

With `PROMETHEUS_MULTIPROC_DIR` set, each process writes to files there (prometheus_client's multiprocess mode), and any
of them can answer for all. Without it, a process knows only itself.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

from .tracing import span

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
PROCESS = CollectorRegistry()
REQUESTS = Histogram(
    "enrollment_request_seconds",
    "How long requests took to answer, by route.",
    ("method", "route", "status"),
    registry=PROCESS,
    buckets=_SECONDS,
)
CALLS = Histogram(
    "enrollment_vendor_call_seconds",
    "How long calls of vendors took; the outcome is answered, refused or down.",
    ("vendor", "outcome"),
    registry=PROCESS,
    buckets=_SECONDS,
)
TASKS = Histogram(
    "enrollment_task_seconds",
    "How long tasks of the worker took; the outcome is done or failed.",
    ("task", "outcome"),
    registry=PROCESS,
    buckets=_SECONDS,
)


def processes() -> CollectorRegistry:
    """Return what the processes of this host have timed: all that write to the shared folder, or this one alone."""
    if not settings.METRICS_DIR:
        return PROCESS
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=settings.METRICS_DIR)  # type: ignore[no-untyped-call]
    return registry


class Outcome:
    """The outcome of what is being timed; the caller sets it before the end."""

    def __init__(self, name: str) -> None:
        self.name = name


@contextmanager
def timed_call(vendor: str) -> Iterator[Outcome]:
    """Time a vendor call. It counts as down unless the caller says otherwise."""
    outcome = Outcome("down")
    began = time.perf_counter()
    try:
        with span(f"call {vendor}", {"vendor": vendor}, kind="CLIENT") as current:
            try:
                yield outcome
            finally:
                if current is not None:
                    current.set_attribute("outcome", outcome.name)
    finally:
        CALLS.labels(vendor, outcome.name).observe(time.perf_counter() - began)
