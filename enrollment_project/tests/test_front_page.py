"""The figures of the front page: for which people and days, and the same on the page and as a file."""

import csv
import datetime as dt
import io
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Workspace
from billing.models import Checkout, Payment, Refund
from billing.states import LIVE_CHECKOUTS
from core.clock import utc_now
from core.local_time import local_date
from enrollment_project.dashboard.figures.all import FINDERS
from enrollment_project.dashboard.period import CHOICES
from enrollments.models import District, DistrictSeatAllocation, Enrollment, EnrollmentDecision, ProgramInstance

from .small_demo import MINE, ROLES, SignIn

INDEX = reverse("admin:index")
FIGURES = Path(__file__).resolve().parents[2] / "docs" / "figures.md"
NAMES = [name for names in FINDERS for name in names]
TODAY = dt.date(2026, 3, 2)


def figures(client: Client, **asked: Any) -> Any:
    return client.get(INDEX, asked).context["figures"]


def fetch(client: Client, name: str, **asked: Any) -> Any:
    return client.get(reverse("figure-file", args=[name]), asked)


class TestTheFrontPage:
    @pytest.mark.parametrize("role", ROLES)
    def test_opens_for_every_member_and_for_those_without_a_workspace(self, role: str, sign_in: SignIn) -> None:
        client = sign_in(role)

        with CaptureQueriesContext(connection) as queries:
            response = client.get(INDEX)

        assert response.status_code == 200
        assert len(queries) <= 46

    def test_costs_no_more_queries_where_there_is_more(self, sign_in: SignIn) -> None:
        client = sign_in("viewer")
        cache.clear()
        with CaptureQueriesContext(connection) as many:
            client.get(INDEX, {"range": "90"})
        EnrollmentDecision.objects.exclude(pk=EnrollmentDecision.objects.earliest("pk").pk).update(
            workspace=Workspace.objects.exclude(slug=MINE).earliest("pk")
        )
        cache.clear()
        with CaptureQueriesContext(connection) as few:
            client.get(INDEX, {"range": "90"})

        assert len(many) == len(few)

    def test_is_empty_and_calm_for_a_stranger(self, sign_in: SignIn) -> None:
        page = sign_in("stranger").get(INDEX).content.decode()

        assert "You are not a member of a workspace." in page
        assert "No district has seats yet." in page
        assert "No decisions were made in this period." in page

    def test_counts_my_workspaces_only(self, sign_in: SignIn) -> None:
        mine = Workspace.objects.get(slug=MINE)
        allocations = DistrictSeatAllocation.objects.filter(district__workspace=mine, is_active=True)

        found = figures(sign_in("viewer"), range="90")

        assert sum(bar.count for bar in found["enrollments"].bars) == mine.enrollments.count()
        assert sum(int(row[3]) for row in found["seats"].rows) == sum(each.total_seats for each in allocations)
        assert {row[0] for row in found["money"].rows} == {"USD"}

    def test_shows_a_superuser_everything(self, sign_in: SignIn) -> None:
        found = figures(sign_in("superuser"))

        assert sum(bar.count for bar in found["enrollments"].bars) == Enrollment.objects.count()
        assert {row[0] for row in found["money"].rows} == {"EUR", "USD"}

    def test_shows_a_superuser_the_workspace_they_chose(self, sign_in: SignIn) -> None:
        mine = Workspace.objects.get(slug=MINE)

        found = figures(sign_in("superuser"), workspace=mine.pk)

        assert found["enrollments"].rows == figures(sign_in("viewer"))["enrollments"].rows
        assert found["money"].rows == figures(sign_in("viewer"))["money"].rows

    def test_leads_to_lists_of_what_it_counts(self, sign_in: SignIn) -> None:
        client = sign_in("superuser")
        found = figures(client, range="90", workspace=Workspace.objects.get(slug=MINE).pk)
        bars = [*found["enrollments"].bars, *found["reasons"].bars, *found["decisions"].keys]

        counts = {bar.label: client.get(bar.url).context["cl"].result_count for bar in bars}

        assert counts == {bar.label: bar.count for bar in bars}
        assert sum(counts.values()) > 0

    def test_leads_to_pages_that_open(self, sign_in: SignIn) -> None:
        client = sign_in("superuser")

        targets = {figure.more_url for figure in figures(client).values() if figure.more_url}

        assert {target: client.get(target).status_code for target in targets} == dict.fromkeys(targets, 200)


class TestAFigure:
    def test_of_the_pipeline_is_kept_for_a_while_and_says_of_when(self, sign_in: SignIn) -> None:
        client = sign_in("viewer")
        first = figures(client)["pipeline"]
        with CaptureQueriesContext(connection) as queries:
            again = figures(client)["pipeline"]

        assert (again.rows, again.note) == (first.rows, first.note)
        assert again.note.startswith("As of ")
        assert not [query for query in queries if "completed_at" in query["sql"]]

    @pytest.mark.parametrize("name", NAMES)
    def test_is_the_same_on_the_page_and_in_its_file(self, name: str, sign_in: SignIn) -> None:
        client = sign_in("viewer")
        shown = figures(client, range="90")[name]

        answer = fetch(client, name, range="90")

        columns, *rows = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
        assert tuple(columns) == shown.columns
        assert [tuple(row) for row in rows] == shown.rows
        assert answer["Content-Type"] == "text/csv; charset=utf-8"

    @pytest.mark.parametrize("name", NAMES)
    def test_is_defined_in_the_documents_as_on_the_page(self, name: str, sign_in: SignIn) -> None:
        shown = figures(sign_in("stranger"))[name]

        assert f"**{shown.title}.** {shown.help}" in FIGURES.read_text()

    def test_carries_nothing_out_in_a_spreadsheet(self, sign_in: SignIn) -> None:
        District.objects.filter(workspace__slug=MINE).update(name="=1+1")

        assert "\n'=1+1," in fetch(sign_in("viewer"), "seats").content.decode().replace("\r", "")

    def test_that_there_is_not_is_not_found(self, sign_in: SignIn) -> None:
        assert fetch(sign_in("viewer"), "fortunes").status_code == 404

    def test_is_for_staff_only(self, client: Client) -> None:
        answer = fetch(client, "money")

        assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/admin/login/")

    def test_of_money_adds_up(self, sign_in: SignIn) -> None:
        since = utc_now() - dt.timedelta(days=300)
        paid = Payment.objects.filter(workspace__slug=MINE, paid_at__gte=since).values_list("amount_minor", flat=True)
        back = Refund.objects.filter(payment__workspace__slug=MINE, status="succeeded", settled_at__gte=since)
        asked = Checkout.objects.filter(workspace__slug=MINE, status__in=LIVE_CHECKOUTS)
        days = {"from": since.date(), "to": utc_now().date() + dt.timedelta(days=1)}

        ((_, received, refunded, kept, outstanding),) = figures(sign_in("viewer"), range="custom", **days)["money"].rows

        assert received == f"{sum(paid) / 100:.2f}"
        assert refunded == f"{sum(back.values_list('amount_minor', flat=True)) / 100:.2f}"
        assert kept == f"{float(received) - float(refunded):.2f}"
        assert outstanding == f"{sum(asked.values_list('amount_minor', flat=True)) / 100:.2f}"


class TestTheDays:
    @pytest.mark.parametrize(("choice", "days"), [(choice, days) for choice, (_, days) in CHOICES.items() if days])
    def test_end_today_by_the_clock_of_the_workspace(self, choice: str, days: int, sign_in: SignIn) -> None:
        zone = Workspace.objects.get(slug=MINE).timezone

        period = sign_in("viewer").get(INDEX, {"range": choice}).context["period"]

        assert (period.zone, period.last, len(period.days)) == (zone, local_date(utc_now(), zone), days)
        assert period.ends_at - dt.timedelta(days=days + 1) < period.begins_at < period.ends_at

    @pytest.mark.unordered_locks  # the test prepares and signs in within one transaction
    def test_of_a_term_are_those_of_the_instances_that_run(self, sign_in: SignIn) -> None:
        now = utc_now().date()
        running = ProgramInstance.objects.filter(workspace__slug=MINE)
        running.update(start_date=None, end_date=None)
        client = sign_in("viewer")
        without = client.get(INDEX, {"range": "term"}).context["period"]
        some = running.earliest("pk")
        first, last = now - dt.timedelta(days=40), now + dt.timedelta(days=50)
        ProgramInstance.objects.filter(pk=some.pk).update(start_date=first, end_date=last, active=True)

        period = client.get(INDEX, {"range": "term"}).context["period"]

        assert "is running today" in without.fault
        assert (period.first, period.last, period.fault) == (first, last, "")

    @pytest.mark.parametrize(
        ("given", "fault"),
        [
            ({}, "Give a first and a last day"),
            ({"from": "2026-02-30", "to": "2026-03-01"}, "Give a first and a last day"),
            ({"from": "0001-01-01", "to": "0001-01-02"}, "Give a first and a last day"),
            ({"from": "2026-03-02", "to": "2026-03-01"}, "before the first"),
            ({"from": "2024-03-02", "to": "2026-03-01"}, "366 days at most"),
        ],
    )
    def test_that_can_not_be_shown_are_said_to_be_so(self, given: dict[str, str], fault: str, sign_in: SignIn) -> None:
        page = sign_in("stranger").get(INDEX, {"range": "custom", **given})

        assert fault in page.context["period"].fault
        assert page.context["period"].fault in page.content.decode()

    def test_are_among_those_that_are_offered(self, sign_in: SignIn) -> None:
        assert sign_in("stranger").get(INDEX, {"range": "forever"}).status_code == 400
