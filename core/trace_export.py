"""Send the spans of this process to a collector of OpenTelemetry."""

from django.conf import settings
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from .tracing import NAME


def export_traces(process: str) -> None:
    """In batches, over OTLP by HTTP."""
    begin_tracing(process, BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{settings.TRACES_ENDPOINT}/v1/traces")))


def begin_tracing(process: str, processor: SpanProcessor) -> None:
    """Let a span processor have the spans of this process. OpenTelemetry takes one for the life of a process."""
    provider = TracerProvider(resource=Resource({"service.name": f"{NAME}-{process}"}))
    provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
