"""The back office's course pages, beyond what the tests of all pages cover."""

import datetime as dt
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import LearnerFactory, MembershipFactory
from backoffice.tests.staff_client import StaffClient, said
from cohorts.models import (
    Cohort,
    CourseStep,
    CourseStepOption,
    GroupClass,
    WaitlistEntry,
)
from cohorts.tests.factories import CohortFactory, CourseFactory, GroupClassFactory, buy, buy_on_rows, start
from cohorts.tests.staff_pages import cohort_in, counters, faults, press, url_of, wait_for
from core.clock import utc_now
from enrollments.models import Program
from enrollments.tests.factories import InstanceFactory
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


def term_form(cohort: Cohort, **changes: Any) -> dict[str, Any]:
    """Return the cohort page's form as a browser would submit it, with changes."""
    shown = {
        "name": cohort.name,
        "start_date": cohort.start_date,
        "end_date": cohort.end_date,
        "timezone": cohort.timezone,
        "enrollment_deadline": "",
    }
    return {**shown, **changes}


class TestBuildingACourse:
    def test_puts_steps_on_the_program_s_page(self, workspace: Workspace, manager: StaffClient) -> None:
        program = CourseFactory(workspace=workspace, code="ART", listed=False)
        form = {
            "title": "Art",
            "code": "ART",
            "description": "",
            "active": "on",
            "listed": "on",
            "steps-TOTAL_FORMS": 2,
            "steps-INITIAL_FORMS": 0,
            "steps-0-order": 1,
            "steps-0-label": "Week 1",
            "steps-0-title": "Lines",
            "steps-0-required": "on",
            "steps-1-order": 2,
            "steps-1-label": "Week 2",
            "steps-1-title": "Colors",
        }

        response = manager.post(reverse("admin:enrollments_program_change", args=[program.pk]), form)

        assert response.status_code == 302
        assert Program.objects.get(pk=program.pk).listed
        steps = CourseStep.objects.filter(program=program).values_list("order", "title", "required")
        assert list(steps) == [(1, "Lines", True), (2, "Colors", False)]

    @pytest.mark.parametrize("code", ["A/B", "a b", "Ä", "?", "enrolled", "browse"])
    def test_refuses_a_code_that_no_address_can_have(
        self, workspace: Workspace, manager: StaffClient, code: str
    ) -> None:
        program = CourseFactory(workspace=workspace, code="ART", listed=False)
        form = {"title": "Art", "code": code, "listed": "on", "steps-TOTAL_FORMS": 0, "steps-INITIAL_FORMS": 0}

        response = manager.post(reverse("admin:enrollments_program_change", args=[program.pk]), form)

        assert list(response.context["adminform"].form.errors) == ["code"]
        assert Program.objects.get().code == "ART"

    def test_refuses_a_code_that_the_catalog_has(self, workspace: Workspace, manager: StaffClient) -> None:
        CourseFactory(code="ART")
        program = CourseFactory(workspace=workspace, code="ART", listed=False)
        form = {"title": "Art", "code": "ART", "listed": "on", "steps-TOTAL_FORMS": 0, "steps-INITIAL_FORMS": 0}

        response = manager.post(reverse("admin:enrollments_program_change", args=[program.pk]), form)

        assert response.context["adminform"].form.errors == {
            "code": ["Another program in the public catalog has this code."]
        }
        assert not Program.objects.get(pk=program.pk).listed

    def test_offers_a_step_in_classes_of_its_workspace_only(self, workspace: Workspace) -> None:
        """A member of two workspaces sees the classes of both, but still can't mix them."""
        both = StaffClient(workspace=workspace, role=Role.ADMIN)
        foreign = GroupClassFactory()
        MembershipFactory(workspace=foreign.workspace, user=both.user, role=Role.ADMIN)
        step = CourseStep.objects.create(program=CourseFactory(workspace=workspace), order=1, label="1", title="One")

        response = both.post(url_of(step), step_form(step, group_class=foreign))

        formset = response.context["inline_admin_formsets"][0].formset
        assert formset.errors == [{"group_class": ["This belongs to another workspace."]}]
        assert not CourseStepOption.objects.exists()

    def test_keeps_a_class_that_a_cohort_meets_in(self, workspace: Workspace, manager: StaffClient) -> None:
        option = cohort_in(workspace, options=(1,)).sessions.get().option
        form = {**step_form(option.step), "options-INITIAL_FORMS": 1, "options-0-id": option.pk}

        response = manager.post(url_of(option.step), {**form, "options-0-DELETE": "on"})

        assert response.status_code == 200
        assert CourseStepOption.objects.filter(pk=option.pk).exists()

    def test_refuses_a_class_that_ends_before_it_starts(self, workspace: Workspace, manager: StaffClient) -> None:
        form = {
            "workspace": workspace.pk,
            "name": "Night class",
            "day_of_week": 2,
            "timezone": "Europe/Lisbon",
            "start_time": "22:00",
            "end_time": "01:00",
            "max_students": 5,
        }

        response = manager.post(reverse("admin:cohorts_groupclass_add"), form)

        assert faults(response)["end_time"] == ["A class ends after it starts."]
        assert not GroupClass.objects.exists()


def step_form(step: CourseStep, *, group_class: GroupClass | None = None) -> dict[str, Any]:
    return {
        "label": step.label,
        "order": step.order,
        "title": step.title,
        "required": "on",
        "options-TOTAL_FORMS": 1,
        "options-INITIAL_FORMS": 0,
        "options-0-step": step.pk,
        "options-0-group_class": group_class.pk if group_class else "",
    }


class TestMakingACohort:
    def form(self, instance_id: int) -> dict[str, Any]:
        return {
            "instance": instance_id,
            "name": "Fall",
            "max_enrollment": 12,
            "start_date": "2027-03-01",
            "end_date": "2027-05-01",
            "timezone": "America/Chicago",
            "enrollment_deadline": "2027-02-28T23:59",
        }

    def test_takes_the_deadline_by_the_cohort_s_clock(self, workspace: Workspace, manager: StaffClient) -> None:
        instance = InstanceFactory(workspace=workspace)

        response = manager.post(reverse("admin:cohorts_cohort_add"), self.form(instance.pk))

        cohort = Cohort.objects.get()
        assert response.status_code == 302
        assert cohort.enrollment_deadline == dt.datetime(2027, 3, 1, 5, 59, tzinfo=dt.UTC)
        assert (cohort.max_enrollment, cohort.current_enrollment) == (12, 0)

    def test_is_refused_where_one_may_only_look(self, workspace: Workspace, manager: StaffClient) -> None:
        looked_at = InstanceFactory()
        MembershipFactory(workspace=looked_at.workspace, user=manager.user, role=Role.VIEWER)

        response = manager.post(reverse("admin:cohorts_cohort_add"), self.form(looked_at.pk))

        assert list(faults(response)) == ["instance"]
        assert not Cohort.objects.exists()

    def test_refuses_a_name_that_its_instance_has(self, workspace: Workspace, manager: StaffClient) -> None:
        cohort = CohortFactory(instance__workspace=workspace, name="Fall")

        response = manager.post(reverse("admin:cohorts_cohort_add"), self.form(cohort.instance_id))

        assert list(faults(response)) == ["__all__"]
        assert Cohort.objects.count() == 1


class TestEditingACohort:
    def test_keeps_an_untouched_deadline_to_the_second(self, workspace: Workspace, manager: StaffClient) -> None:
        deadline = dt.datetime(2027, 3, 1, 5, 59, 59, tzinfo=dt.UTC)
        cohort = cohort_in(workspace, enrollment_deadline=deadline)

        manager.post(url_of(cohort), term_form(cohort, name="Renamed", enrollment_deadline="2027-02-28T23:59"))

        edited = Cohort.objects.get()
        assert (edited.name, edited.enrollment_deadline) == ("Renamed", deadline)

    @pytest.mark.parametrize(
        ("deadline", "moment"),
        [
            ("moment", dt.datetime(2027, 3, 1, 5, 59, tzinfo=dt.UTC)),
            ("clock", dt.datetime(2027, 2, 28, 23, 59, tzinfo=dt.UTC)),
        ],
    )
    def test_in_another_zone_asks_what_becomes_of_its_deadline(
        self, workspace: Workspace, manager: StaffClient, deadline: str, moment: dt.datetime
    ) -> None:
        cohort = cohort_in(workspace, enrollment_deadline=dt.datetime(2027, 3, 1, 5, 59, tzinfo=dt.UTC))
        answers = {"timezone": "Europe/Lisbon", "deadline": deadline}

        manager.post(url_of(cohort, "change_zone"), answers)
        before = Cohort.objects.get()
        manager.confirm(url_of(cohort, "change_zone"), answers)

        after = Cohort.objects.get()
        assert (before.timezone, before.enrollment_deadline) == ("America/Chicago", cohort.enrollment_deadline)
        assert (after.timezone, after.enrollment_deadline) == ("Europe/Lisbon", moment)

    def test_takes_a_deadline_that_its_clock_skips(self, workspace: Workspace, manager: StaffClient) -> None:
        cohort = cohort_in(workspace, timezone="America/New_York")

        page = manager.post(url_of(cohort), term_form(cohort, enrollment_deadline="2027-03-14T02:30"), follow=True)

        assert Cohort.objects.get().enrollment_deadline == dt.datetime(2027, 3, 14, 7, 30, tzinfo=dt.UTC)
        assert "Mar 14, 2027, 2:30 AM does not exist in America/New_York" in page.content.decode()

    @pytest.mark.parametrize("deadline", ["0001-01-01T00:00", "9999-12-31T23:59"])
    def test_refuses_a_deadline_at_the_ends_of_the_calendar(
        self, workspace: Workspace, manager: StaffClient, deadline: str
    ) -> None:
        cohort = cohort_in(workspace, timezone="Pacific/Kiritimati")

        page = manager.post(url_of(cohort), term_form(cohort, enrollment_deadline=deadline))

        assert faults(page) == {"enrollment_deadline": ["Give a date from 1900 to 2199."]}

    def test_never_writes_places_back_that_were_sold_meanwhile(self, workspace: Workspace) -> None:
        stale = cohort_in(workspace, max_enrollment=5)
        Cohort.objects.update(current_enrollment=2, held_places=1)
        stale.name = "Renamed"

        edit(stale, changed=["name"])

        assert counters() == (2, 1)
        assert Cohort.objects.get().name == "Renamed"

    def test_would_write_them_back_without_the_guard(self, workspace: Workspace) -> None:
        stale = cohort_in(workspace, max_enrollment=5)
        Cohort.objects.update(current_enrollment=2, held_places=1)

        stale.save()

        assert counters() == (0, 0)

    def test_with_a_later_deadline_serves_those_who_wait(
        self, workspace: Workspace, manager: StaffClient, stripe: SandboxProcess
    ) -> None:
        cohort = cohort_in(workspace, max_enrollment=1)
        start(cohort)
        wait_for(cohort)
        Cohort.objects.update(enrollment_deadline=utc_now() - dt.timedelta(days=1), max_enrollment=2)

        manager.post(url_of(cohort), term_form(cohort, enrollment_deadline="2027-12-31T12:00"))

        assert WaitlistEntry.objects.get().status == "offered"
        assert counters() == (0, 2)


def edit(cohort: Cohort, *, changed: list[str]) -> None:
    """Save a row as the page's form does."""
    form = type("Form", (), {"changed_data": changed})()
    admin.site.get_model_admin(Cohort).save_model(RequestFactory().post("/"), cohort, form, change=True)


class TestTheSizeOfACohort:
    def test_below_use_is_a_fault_of_the_form(
        self, workspace: Workspace, manager: StaffClient, stripe: SandboxProcess
    ) -> None:
        cohort = cohort_in(workspace, max_enrollment=5)
        buy(stripe, cohort)
        start(cohort)

        response = press(manager, cohort, "change_places", max_enrollment=1)

        assert "can't go below 2" in faults(response)["__all__"][0]
        assert Cohort.objects.get().max_enrollment == 5

    def test_can_not_be_changed_on_the_page_itself(self, workspace: Workspace, manager: StaffClient) -> None:
        cohort = cohort_in(workspace, max_enrollment=5)

        manager.post(url_of(cohort), term_form(cohort, max_enrollment=1, current_enrollment=1, is_active=""))

        edited = Cohort.objects.get()
        assert (edited.max_enrollment, edited.current_enrollment, edited.is_active) == (5, 0, True)

    def test_grows_for_those_who_wait(self, workspace: Workspace, manager: StaffClient, stripe: SandboxProcess) -> None:
        cohort = cohort_in(workspace, max_enrollment=1)
        start(cohort)
        wait_for(cohort)

        response = press(manager, cohort, "change_places", max_enrollment=3)

        assert said(response) == [f"{cohort}: 3 places, 1 left."]
        assert WaitlistEntry.objects.get().status == "offered"


class TestTheTermOfACohort:
    def test_closes_and_opens(self, workspace: Workspace, manager: StaffClient) -> None:
        cohort = cohort_in(workspace, enrollment_deadline=utc_now() + dt.timedelta(days=7))

        closed = press(manager, cohort, "close_sale")
        after_closing = Cohort.objects.get().is_active
        opened = press(manager, cohort, "open_sale")

        assert [*said(closed), *said(opened)][-1] == f"{cohort} takes enrollments: 10 places left."
        assert (after_closing, Cohort.objects.get().is_active) == (False, True)

    def test_gets_its_sessions(self, workspace: Workspace, manager: StaffClient) -> None:
        cohort = cohort_in(workspace, options=(1, 2))
        cohort.sessions.all().delete()

        response = press(manager, cohort, "schedule_sessions")

        assert said(response) == [f"{cohort}: 3 sessions scheduled."]
        assert cohort.sessions.count() == 3

    def test_too_short_for_its_steps_is_said(self, workspace: Workspace, manager: StaffClient) -> None:
        cohort = cohort_in(workspace, options=(1, 1))
        cohort.sessions.all().delete()
        Cohort.objects.update(end_date=cohort.start_date)

        response = press(manager, cohort, "schedule_sessions")

        assert "end it later" in faults(response)["__all__"][0]
        assert not cohort.sessions.exists()

    def test_is_cloned_to_the_next(self, workspace: Workspace, manager: StaffClient) -> None:
        cohort = cohort_in(workspace, options=(1, 2))
        next_start = cohort.start_date + dt.timedelta(weeks=20)

        response = press(manager, cohort, "clone", name="Spring", start_date=next_start, instance=cohort.instance_id)

        clone = Cohort.objects.get(name="Spring")
        assert response["Location"] == url_of(clone)
        assert (clone.start_date, clone.is_active, clone.sessions.count()) == (next_start, False, 3)

    def test_is_not_cloned_under_its_own_name(self, workspace: Workspace, manager: StaffClient) -> None:
        cohort = cohort_in(workspace)

        response = press(
            manager, cohort, "clone", name=cohort.name, start_date="2027-09-01", instance=cohort.instance_id
        )

        assert list(faults(response)) == ["name"]
        assert Cohort.objects.count() == 1

    def test_is_not_cloned_into_another_course(self, workspace: Workspace, manager: StaffClient) -> None:
        cohort, other = cohort_in(workspace), cohort_in(workspace)

        response = press(manager, cohort, "clone", name="Spring", start_date="2027-09-01", instance=other.instance_id)

        assert list(faults(response)) == ["instance"]
        assert Cohort.objects.count() == 2


class TestACohortSPage:
    def test_shows_who_sits_where(self, workspace: Workspace, reviewer: StaffClient, stripe: SandboxProcess) -> None:
        cohort = cohort_in(workspace, options=(1, 2), max_enrollment=2)
        seated = buy(stripe, cohort).learner
        paying = LearnerFactory(workspace=workspace)
        start(cohort, paying)
        waiting = wait_for(cohort).learner

        page = reviewer.get(url_of(cohort))

        cards = {
            card.title: [(str(row.title), row.note) for row in card.rows] for card in page.context["neighbor_cards"]
        }
        assert sorted(cards["Who has a place"]) == sorted(
            [(str(seated), "0 of 2 done, 1 to book"), (str(paying), "until")]
        )
        assert cards["Waiting list"] == [(str(waiting), "")]
        assert len(cards["Sessions"]) == 3
        assert "1 booked" in cards["Sessions"][0][1]

    def test_costs_the_same_for_any_number_of_places(self, workspace: Workspace, reviewer: StaffClient) -> None:
        cohort = cohort_in(workspace, options=(1, 2), max_enrollment=5)
        reviewer.get(url_of(cohort))
        counts = []

        for _ in range(2):
            buy_on_rows(cohort)
            buy_on_rows(cohort)
            with CaptureQueriesContext(connection) as queries:
                reviewer.get(url_of(cohort))
            counts.append(len(queries))

        assert counts[0] == counts[1] <= 32
