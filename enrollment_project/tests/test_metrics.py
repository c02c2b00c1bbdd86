"""What `/metrics` shows, and to whom; the alerts and the dashboard query only what it contains."""

import datetime as dt
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from accounts.states import Role
from accounts.tests.factories import MembershipFactory, StaffFactory, WorkspaceFactory
from billing.models import StripeEvent
from cohorts.tests.factories import CohortFactory
from core.clock import utc_now
from core.timings import CALLS, PROCESS, REQUESTS, TASKS, processes, timed_call
from enrollment_project.celery import begin_timing, end_timing
from enrollment_project.metrics import FIGURES, PREFIX
from enrollments.models import DistrictSeatAllocation
from enrollments.tests.factories import DistrictFactory

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
TOKEN = {"Authorization": "Bearer a-token-for-tests"}
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(autouse=True)
def token(settings):
    settings.METRICS_TOKEN = "a-token-for-tests"


def read(client: Client) -> Samples:
    response = client.get(reverse("metrics"), headers=TOKEN)
    assert response.status_code == 200
    families = text_string_to_metric_families(response.content.decode())
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def value_of(samples: Samples, name: str, **labels: str) -> float:
    return samples[PREFIX + name, tuple(sorted(labels.items()))]


@pytest.mark.django_db
class TestWhoReadsMetrics:
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": "Bearer another"},
            {"Authorization": "Basic a-token-for-tests"},
            {"Authorization": "Bearer"},
        ],
    )
    def test_nobody_without_the_token(self, client, headers):
        assert client.get("/metrics", headers=headers).status_code == 404

    def test_nobody_while_no_token_is_set(self, client, settings):
        settings.METRICS_TOKEN = ""

        assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404

    def test_a_superuser_in_a_browser_and_no_owner(self, client):
        client.force_login(MembershipFactory(role=Role.OWNER).user)
        refused = client.get("/metrics")
        client.force_login(StaffFactory(is_superuser=True))

        assert refused.status_code == 404
        assert client.get("/metrics").status_code == 200

    def test_takes_no_posts(self, client):
        assert client.post("/metrics", headers=TOKEN).status_code == 405


@pytest.mark.django_db
class TestFiguresOfTheDatabase:
    @pytest.mark.sqlite
    def test_seats_by_district(self, client):
        district = DistrictFactory(workspace=WorkspaceFactory(slug="north"), tenant_id=7)
        DistrictSeatAllocation.objects.create(district=district, total_seats=10)
        DistrictSeatAllocation.objects.create(district=DistrictFactory(tenant_id=8), total_seats=5, is_active=False)

        samples = read(client)

        assert value_of(samples, "seats", workspace="north", district="7", state="free") == 10
        assert value_of(samples, "seats", workspace="north", district="7", state="used") == 0
        assert not [labels for name, labels in samples if name == "enrollment_seats" and ("district", "8") in labels]

    def test_places_of_open_cohorts(self, client):
        cohort = CohortFactory(max_enrollment=12, is_active=True)
        closed = CohortFactory(max_enrollment=3, is_active=False)

        samples = read(client)

        slug = cohort.instance.workspace.slug
        assert value_of(samples, "places", workspace=slug, cohort=str(cohort.pk), state="free") == 12
        assert not [labels for name, labels in samples if ("cohort", str(closed.pk)) in labels]

    def test_work_that_waits(self, client):
        now = utc_now()
        row = {"type": "charge.updated", "payload": {}, "stripe_created_at": now}
        old = now - dt.timedelta(minutes=20)
        StripeEvent.objects.create(event_id="evt_1", received_at=old, next_attempt_at=now, attempts=3, **row)
        StripeEvent.objects.create(event_id="evt_2", received_at=now, next_attempt_at=old, attempts=1, **row)
        StripeEvent.objects.create(event_id="evt_3", received_at=old, next_attempt_at=old, handled_at=now, **row)

        with time_machine.travel(now, tick=False):
            samples = read(client)

        assert value_of(samples, "work_waiting", work="stripe_events") == 2
        assert value_of(samples, "work_oldest_seconds", work="stripe_events") == 1200
        assert value_of(samples, "work_overdue_seconds", work="stripe_events") == 1200
        assert value_of(samples, "work_failed_tries", work="stripe_events") == 4
        assert value_of(samples, "work_overdue_seconds", work="emails") == 0

    def test_asks_the_same_number_of_questions_whatever_there_is(self, client):
        with CaptureQueriesContext(connection) as few:
            read(client)
        for number in range(3):
            DistrictSeatAllocation.objects.create(district=DistrictFactory(), total_seats=number)
            CohortFactory(is_active=True)

        with CaptureQueriesContext(connection) as many:
            read(client)

        assert len(many) == len(few)


@pytest.mark.django_db
class TestTimings:
    def counted(self, name: str, **labels: str) -> float:
        return PROCESS.get_sample_value(f"{name}_count", labels) or 0.0

    def test_a_request_is_timed_by_its_route_and_not_by_its_path(self, client):
        labels = {"method": "GET", "route": "problems/<str:code>", "status": "2xx"}
        before = self.counted("enrollment_request_seconds", **labels)

        client.get("/problems/not_found")

        assert self.counted("enrollment_request_seconds", **labels) == before + 1

    def test_what_nobody_serves_is_one_route(self, client):
        labels = {"method": "other", "route": "none", "status": "4xx"}
        before = self.counted("enrollment_request_seconds", **labels)

        client.generic("BREW", "/a-pot-of-coffee")
        client.generic("STIR", "/another-pot")

        assert self.counted("enrollment_request_seconds", **labels) == before + 2

    @pytest.mark.parametrize("said", ["answered", "refused", None])
    def test_a_call_counts_as_down_unless_somebody_says_otherwise(self, said):
        labels = {"vendor": "somebody", "outcome": said or "down"}
        before = self.counted("enrollment_vendor_call_seconds", **labels)

        with timed_call("somebody") as outcome:
            outcome.name = said or outcome.name

        assert self.counted("enrollment_vendor_call_seconds", **labels) == before + 1

    @pytest.mark.parametrize(("state", "outcome"), [("SUCCESS", "done"), ("FAILURE", "failed"), ("RETRY", "failed")])
    def test_a_task_is_timed_by_how_it_ended(self, state, outcome):
        class Task:
            name = "some.task"

            class request:
                pass

        before = self.counted("enrollment_task_seconds", task="some.task", outcome=outcome)
        begin_timing(task=Task)
        end_timing(task=Task, state=state)

        assert self.counted("enrollment_task_seconds", task="some.task", outcome=outcome) == before + 1


class TestManyProcesses:
    def test_whoever_is_asked_answers_for_all(self, settings, tmp_path):
        settings.METRICS_DIR = str(tmp_path)
        code = "from core.timings import TASKS; TASKS.labels('some.task', 'done').observe(2)"
        for _ in range(2):
            environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
            subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=DEPLOY.parent)

        told = generate_latest(processes()).decode()

        assert 'enrollment_task_seconds_sum{outcome="done",task="some.task"} 4.0' in told


def metric_names() -> dict[str, tuple[str, ...]]:
    """Return every name that a query can use, with its labels."""
    named = {PREFIX + figure.name: figure.labels for figure in FIGURES}
    for timing in (REQUESTS, CALLS, TASKS):
        for part, more in (("_bucket", ("le",)), ("_count", ()), ("_sum", ())):
            named[timing._name + part] = (*timing._labelnames, *more)
    return named


def queries() -> list[str]:
    """Return every query of the alerts and the dashboard."""
    alerts = re.findall(r"^\s+expr: (.+)$", (DEPLOY / "prometheus" / "alerts.yml").read_text(), re.MULTILINE)
    panels = json.loads((DEPLOY / "grafana" / "enrollment.json").read_text())["panels"]
    return alerts + [target["expr"] for panel in panels for target in panel.get("targets", [])]


class TestWhatIsAskedOfThem:
    def test_every_query_names_a_metric_and_labels_that_there_are(self):
        named = metric_names()

        for query in queries():
            found = re.findall(r"\b(enrollment_[a-z_]+)(?:\{([^}]*)\})?", query)
            assert found, query
            known = {"job", "instance"}
            for name, selector in found:
                assert name in named, query
                known |= set(named[name])
                assert set(re.findall(r"(\w+)\s*[=!]~?", selector)) <= set(named[name]), query
            for group in re.findall(r"\bby \(([^)]*)\)", query):
                assert {label.strip() for label in group.split(",")} <= known, query

    def test_every_metric_is_on_the_dashboard_or_in_an_alert(self):
        asked = " ".join(queries())
        timings = {timing._name for timing in (REQUESTS, CALLS, TASKS)}

        unseen = [name for name in {PREFIX + figure.name for figure in FIGURES} | timings if name not in asked]

        assert unseen == []

    def test_the_document_lists_exactly_what_there_is(self):
        told = dict(re.findall(r"^\| `(enrollment_\w+)` \| ([^|]*) \|", DOCUMENT.read_text(), re.MULTILINE))
        named = {PREFIX + figure.name: figure.labels for figure in FIGURES}
        named |= {timing._name: timing._labelnames for timing in (REQUESTS, CALLS, TASKS)}

        assert {name: tuple(re.findall(r"`(\w+)`", labels)) for name, labels in told.items()} == named

    def test_every_alert_says_what_to_do(self):
        text = (DEPLOY / "prometheus" / "alerts.yml").read_text()

        alerts = re.findall(r"- alert: (\w+)\n(.*?)(?=\n      - alert|\Z)", text, re.DOTALL)

        assert len(alerts) >= 10
        for name, rest in alerts:
            assert re.search(r"severity: (page|ticket)", rest), name
            assert re.search(r"summary: .+", rest), name
            assert re.search(r"action: .+", rest), name
