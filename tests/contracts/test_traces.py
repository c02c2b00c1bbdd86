"""What traces say about requests, calls, and tasks, and what neither they nor the log lines beside them ever say."""

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import structlog
from django.test import Client
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from accounts.tests.factories import WorkspaceFactory, api_key_text
from core.logs import line_formatter
from core.timings import timed_call
from core.trace_export import begin_tracing
from core.tracing import span
from enrollment_project.task_context import close_context, give_context, open_context

pytestmark = pytest.mark.django_db

CANARY = "Zzyzx-Quillon"
TASK_ID = "task-1"
_exporter = InMemorySpanExporter()


@pytest.fixture(scope="session")
def _provider() -> None:
    """OpenTelemetry has one provider for the life of a process."""
    begin_tracing("tests", SimpleSpanProcessor(_exporter))


@pytest.fixture
def spans(settings: Any, _provider: None) -> Iterator[InMemorySpanExporter]:
    settings.TRACES_ENDPOINT = "http://collector.test:4318"
    _exporter.clear()
    yield _exporter
    _exporter.clear()


def named(spans: InMemorySpanExporter, start: str) -> list[ReadableSpan]:
    return [each for each in spans.get_finished_spans() if each.name.startswith(start)]


class Task:
    """As much of a Celery task as signals read."""

    name = "billing.tasks.submit_refund"

    def __init__(self, headers: dict[str, Any]) -> None:
        self.request = type("Request", (), {"headers": headers})()


class TestARequest:
    def test_is_a_span_by_its_route_with_its_statements_inside(self, spans: InMemorySpanExporter) -> None:
        key = api_key_text(workspace=WorkspaceFactory())

        Client().get("/api/decisions/71", headers={"X-API-Key": key, "X-Request-Id": "request-1234"})

        (request,) = named(spans, "GET")
        assert request.name == "GET api/decisions/<number:decision_id>"
        assert dict(request.attributes or {}) == {
            "http.request.method": "GET",
            "http.route": "api/decisions/<number:decision_id>",
            "http.response.status_code": 404,
            "request_id": "request-1234",
        }
        inside = [each for each in named(spans, "database") if each.context.trace_id == request.context.trace_id]
        assert "database SELECT" in [each.name for each in inside]

    def test_does_not_go_on_with_a_trace_of_the_callers(self, spans: InMemorySpanExporter) -> None:
        Client().get("/courses", headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-00"})

        assert [each.parent for each in named(spans, "GET")] == [None]

    def test_costs_nothing_while_no_traces_are_wanted(self, spans: InMemorySpanExporter, settings: Any) -> None:
        settings.TRACES_ENDPOINT = ""

        Client().get("/courses")

        assert spans.get_finished_spans() == ()


class TestATask:
    def test_goes_on_with_the_trace_and_the_request_that_rang_for_it(self, spans: InMemorySpanExporter) -> None:
        headers: dict[str, Any] = {}
        with structlog.contextvars.bound_contextvars(request_id="request-1234"), span("GET api/x", {}):
            give_context(headers=headers)

        task = Task(headers)
        open_context(task=task, task_id=TASK_ID)
        said = structlog.contextvars.get_contextvars()
        close_context(task=task)

        (request,), (ran,) = named(spans, "GET"), named(spans, "task")
        assert ran.context.trace_id == request.context.trace_id
        assert dict(ran.attributes or {}) == {"task": Task.name, "task_id": TASK_ID, "request_id": "request-1234"}
        assert said["trace_id"] == f"{request.context.trace_id:032x}"
        assert "task" not in structlog.contextvars.get_contextvars()

    def test_names_itself_on_log_lines_without_traces_too(self, settings: Any) -> None:
        settings.TRACES_ENDPOINT = ""
        task = Task({"rung_by": "request-1234"})

        open_context(task=task, task_id=TASK_ID)
        said = structlog.contextvars.get_contextvars()
        close_context(task=task)

        assert said == {"task": Task.name, "task_id": TASK_ID, "request_id": "request-1234"}


class TestACallOfAVendor:
    def test_is_a_span_with_its_outcome(self, spans: InMemorySpanExporter) -> None:
        with timed_call("stripe") as outcome:
            outcome.name = "refused"

        (call,) = named(spans, "call")
        assert (call.name, dict(call.attributes or {})) == ("call stripe", {"vendor": "stripe", "outcome": "refused"})


class TestWhatIsPersonal:
    def test_is_in_no_span_though_path_query_body_header_and_error_hold_it(self, spans: InMemorySpanExporter) -> None:
        key = api_key_text(workspace=WorkspaceFactory())
        sent = {"learner": {"firstName": CANARY, "lastName": CANARY, "email": f"{CANARY}@home.test"}}
        client = Client(headers={"X-API-Key": key, "User-Agent": CANARY})

        client.post(f"/api/enroll?name={CANARY}", sent, content_type="application/json")
        client.get(f"/{CANARY}")
        client.get(f"/accounts/invitations/{CANARY}")
        with suppress(ValueError), span("work", {}):
            raise ValueError(f"{CANARY} has no seat")

        told = "".join(each.to_json() for each in spans.get_finished_spans())
        assert len(named(spans, "POST")) == 1
        assert "ValueError" in told
        assert CANARY not in told

    def test_would_be_seen_if_it_were_there(self, spans: InMemorySpanExporter) -> None:
        with span(CANARY, {}):
            pass

        assert CANARY in spans.get_finished_spans()[0].to_json()


class TestALogLineOfARequest:
    def test_names_the_workspace_of_the_key_and_forgets_it_with_the_next(self, caplog: Any) -> None:
        workspace = WorkspaceFactory()
        key = api_key_text(workspace=workspace)
        caplog.set_level(logging.INFO)
        client = Client()

        client.get("/api/decisions", headers={"X-API-Key": key})
        client.get("/courses")

        formatter = line_formatter("json")
        lines = [json.loads(formatter.format(record)) for record in caplog.records if "request_log" in record.name]
        assert [line.get("workspace_id") for line in lines] == [workspace.pk, None]
