"""Where the time of one request or task went, in OpenTelemetry's terms: the request, the database, the vendors called,
and the tasks triggered.

With `OTEL_EXPORTER_OTLP_ENDPOINT` set, spans are sent there (docs/metrics.md); without it nothing here does anything,
and the exporter is not even loaded. A span names a route, a method, a status, a vendor, a task, and ids. It never
contains a path, a statement's values, or an error message, since those hold personal data.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
from django.conf import settings
from django.db import connections
from django.utils.module_loading import import_string
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

PARENT = "traceparent"  # its name in W3C Trace Context, in HTTP and in task headers
NAME = "enrollment"
EXPORT = "core.trace_export.export_traces"  # loaded only where traces are wanted: it brings in protobuf
_WITHOUT_WORDS: Any = {"record_exception": False, "set_status_on_exception": False}  # error messages are not sent
Facts = Mapping[str, str | int]


def is_tracing() -> bool:
    return bool(settings.TRACES_ENDPOINT)


def send_traces(process: str) -> None:
    """Start sending the spans of this process (`web` or `worker`), in batches and from a separate thread."""
    if is_tracing():
        import_string(EXPORT)(process)


@contextmanager
def span(name: str, facts: Facts, *, parent: str = "", kind: str = "INTERNAL") -> Iterator[Any]:
    """Time what happens inside under this name; `parent` is a traceparent from elsewhere. Yields OpenTelemetry's span,
    or None while nothing is traced. Log lines inside carry the trace id."""
    if not is_tracing():
        yield None
        return

    above = TraceContextTextMapPropagator().extract({PARENT: parent}) if parent else None
    opened = trace.get_tracer(NAME).start_as_current_span(
        name, context=above, kind=trace.SpanKind[kind], attributes=dict(facts), **_WITHOUT_WORDS
    )
    with opened as current:
        trace_id = trace.format_trace_id(current.get_span_context().trace_id)
        with structlog.contextvars.bound_contextvars(trace_id=trace_id):
            try:
                yield current
            except BaseException as error:
                current.set_status(trace.StatusCode.ERROR, type(error).__name__)
                raise


def current_parent() -> str:
    """Return the traceparent for the next process; empty while nothing is traced."""
    if not is_tracing():
        return ""

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get(PARENT, "")


@contextmanager
def traced_statements() -> Iterator[None]:
    """Make a span for each statement that Django sends inside: which database, and which kind of statement."""
    if not is_tracing():
        yield
        return
    with connections["default"].execute_wrapper(_in_a_span):
        yield


def _in_a_span(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    operation = sql.lstrip().partition(" ")[0].upper()[:20]
    with span(f"database {operation}", {"db.system": context["connection"].vendor}, kind="CLIENT"):
        return execute(sql, params, many, context)
