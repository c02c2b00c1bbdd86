"""Sends the spans of this process to an OpenTelemetry collector."""

from django.conf import settings
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from .tracing import NAME


def export_traces(process: str) -> None:
    """Export spans in batches, over OTLP by HTTP."""
    begin_tracing(process, BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{settings.TRACES_ENDPOINT}/v1/traces")))


def begin_tracing(process: str, processor: SpanProcessor) -> None:
    """Register a span processor for this process. OpenTelemetry accepts one for the life of a process."""
    provider = TracerProvider(resource=Resource({"service.name": f"{NAME}-{process}"}))
    provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
