"""Changing the dates of a cohort that was scheduled and booked: previewed, then done, and announced once."""

import datetime as dt
from typing import Any

import pytest
from django.core import mail

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import GuardianshipFactory, LearnerFactory, WorkspaceFactory
from backoffice.tests.staff_client import StaffClient
from cohorts.course.replanning import change_dates, plan_dates
from cohorts.course.scheduling import clone_cohort, schedule_cohort
from cohorts.errors import DatesConflict
from cohorts.learning.attendance import mark_attended
from cohorts.models import ClassSession, Cohort, CohortSession, CourseStep, StepProgress, StudentPackage, WaitlistEntry
from cohorts.states import StepStatus
from cohorts.tests.factories import CohortFactory, buy, buy_on_rows, cohort_with
from cohorts.tests.staff_pages import faults, url_of
from core.clock import utc_now
from enrollments.tests.factories import STAFF
from notifications.models import Notification
from notifications.sending import send_due_notifications
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db

# In Chicago the clocks change between February and March 15.
FEBRUARY, MARCH = dt.date(2094, 2, 1), dt.date(2094, 3, 15)
END, LATER_END = dt.date(2094, 2, 28), dt.date(2094, 4, 11)
MOVING: dict[str, Any] = {"move_sessions": True, "move_deadline": False}
STAYING: dict[str, Any] = {"move_sessions": False, "move_deadline": False}
ANSWERS = {"start_date": "2094-03-15", "end_date": "2094-04-11", "sessions": "move", "deadline": "stay"}


@pytest.fixture
def workspace() -> Workspace:
    workspace: Workspace = WorkspaceFactory()
    return workspace


@pytest.fixture
def manager(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.ADMIN)


@pytest.fixture
def cohort(workspace: Workspace) -> Cohort:
    """Return a cohort that meets on three Tuesdays from 5 to 6 in February."""
    return cohort_with(
        instance__workspace=workspace, options=(1, 1, 1), start_date=FEBRUARY, end_date=END, name="Winter"
    )


def bought(cohort: Cohort) -> StudentPackage:
    guardianship = GuardianshipFactory(
        guardian__workspace=cohort.instance.workspace, guardian__email="parent@example.test"
    )
    package = buy_on_rows(cohort, guardianship.learner)
    read()
    return package


def read() -> list[Any]:
    send_due_notifications(now=utc_now())
    mails, mail.outbox = mail.outbox, []
    return mails


def meetings() -> list[str]:
    """Return when the sessions are, in UTC, in the order of their steps."""
    rows = CohortSession.objects.select_related("class_session").order_by("cohort", "step__order", "pk")
    return [f"{row.class_session.starts_at:%m-%d %H:%M}" for row in rows]


class TestACohortWithOtherDates:
    def test_takes_its_sessions_along_at_the_same_time_by_their_clock(self, cohort: Cohort) -> None:
        before = meetings()

        change_dates(cohort_id=cohort.pk, start_date=MARCH, end_date=LATER_END, now=utc_now(), **MOVING)

        cohort.refresh_from_db()
        assert before == ["02-02 23:00", "02-09 23:00", "02-16 23:00"]
        assert meetings() == ["03-16 22:00", "03-23 22:00", "03-30 22:00"]
        assert (cohort.start_date, cohort.end_date) == (MARCH, LATER_END)
        assert sorted(ClassSession.objects.values_list("date", flat=True)) == [
            dt.date(2094, 3, 16),
            dt.date(2094, 3, 23),
            dt.date(2094, 3, 30),
        ]

    @pytest.mark.parametrize("weeks", [-1, 1])
    def test_moves_sessions_of_one_class_onto_each_other_s_days(self, workspace: Workspace, weeks: int) -> None:
        cohort = cohort_with(instance__workspace=workspace, options=(1, 1, 1), start_date=FEBRUARY, end_date=END)
        (first, *others) = CohortSession.objects.select_related("class_session").order_by("step__order")
        for row in others:  # all steps in the first one's class
            ClassSession.objects.filter(pk=row.class_session_id).update(group_class=first.class_session.group_class)
        shift = dt.timedelta(weeks=weeks)
        before = meetings()

        change_dates(cohort_id=cohort.pk, start_date=FEBRUARY + shift, end_date=END + shift, now=utc_now(), **MOVING)

        assert before[1:] == meetings()[:-1] if weeks > 0 else before[:-1] == meetings()[1:]

    @pytest.mark.sqlite
    def test_leaves_them_where_they_are_if_staff_say_so(self, cohort: Cohort) -> None:
        before = meetings()

        plan = change_dates(cohort_id=cohort.pk, start_date=MARCH, end_date=LATER_END, now=utc_now(), **STAYING)

        assert meetings() == before
        assert [warning.endswith("outside the new dates.") for warning in plan.warnings] == [True, True, True]

    @pytest.mark.sqlite
    def test_keeps_what_began_and_what_was_marked(self, cohort: Cohort) -> None:
        package = bought(cohort)
        StepProgress.objects.filter(package=package, step__order=2).update(status=StepStatus.COMPLETED)
        after_the_first = dt.datetime(2094, 2, 3, tzinfo=dt.UTC)

        change_dates(cohort_id=cohort.pk, start_date=MARCH, end_date=LATER_END, now=after_the_first, **MOVING)

        assert meetings() == ["02-02 23:00", "02-09 23:00", "03-30 22:00"]

    def test_tells_each_family_once_with_all_that_moved(self, cohort: Cohort) -> None:
        bought(cohort)

        for _ in range(2):  # the second time changes nothing
            change_dates(cohort_id=cohort.pk, start_date=MARCH, end_date=LATER_END, now=utc_now(), **MOVING)
        (message,) = read()

        assert message.subject.startswith("New dates for ")
        assert "March 15, 2094 to April 11, 2094" in message.body
        assert "Tuesday, March 16, 5:00 to 6:00 PM CDT (America/Chicago)" in message.body
        assert Notification.objects.filter(kind="session_rescheduled").count() == 0
        assert set(StepProgress.objects.values_list("sequence", flat=True)) == {1}

    @pytest.mark.parametrize(("options", "heard"), [((1,), 0), ((1, 1), 1)])
    def test_tells_who_is_done_only_if_a_session_is_left(self, options: tuple[int, ...], heard: int) -> None:
        package = bought(cohort_with(options=options, start_date=FEBRUARY, end_date=END))
        CourseStep.objects.filter(order=2).update(required=False)
        mark_attended(progress_id=package.progress.get(step__order=1).pk, actor=STAFF, now=utc_now())
        read()

        change_dates(cohort_id=package.cohort_id, start_date=FEBRUARY, end_date=LATER_END, now=utc_now(), **STAYING)

        assert len(read()) == heard

    @pytest.mark.sqlite
    def test_moves_its_deadline_by_as_many_days_if_staff_say_so(self, cohort: Cohort) -> None:
        cohort.enrollment_deadline = dt.datetime(2094, 2, 2, 5, 59, tzinfo=dt.UTC)  # 23:59 the day before
        cohort.save()

        change_dates(
            cohort_id=cohort.pk,
            start_date=MARCH,
            end_date=LATER_END,
            move_sessions=True,
            move_deadline=True,
            now=utc_now(),
        )

        cohort.refresh_from_db()
        assert cohort.enrollment_deadline == dt.datetime(2094, 3, 16, 4, 59, tzinfo=dt.UTC)


class TestWhatIsInTheWay:
    def refused(self, cohort: Cohort, end_date: dt.date = LATER_END) -> str:
        before = (meetings(), Cohort.objects.order_by("pk").values_list("start_date", "end_date").first())

        with pytest.raises(DatesConflict) as refusal:
            change_dates(cohort_id=cohort.pk, start_date=MARCH, end_date=end_date, now=utc_now(), **MOVING)

        assert before == (meetings(), Cohort.objects.order_by("pk").values_list("start_date", "end_date").first())
        return refusal.value.detail

    def test_a_session_after_the_end(self, cohort: Cohort) -> None:
        assert "after the end on 2094-03-20: end later." in self.refused(cohort, dt.date(2094, 3, 20))

    def test_a_session_that_another_cohort_shares(self, cohort: Cohort) -> None:
        twin = CohortFactory(
            instance=cohort.instance, name="Twin", start_date=cohort.start_date, end_date=cohort.end_date
        )
        schedule_cohort(cohort_id=twin.pk)

        assert "is shared with Twin" in self.refused(cohort)

    def test_a_day_on_which_the_class_meets_another_cohort(self, cohort: Cohort) -> None:
        clone_cohort(cohort_id=cohort.pk, name="Spring", start_date=MARCH)

        assert "already meets on 2094-03-16 for another cohort" in self.refused(cohort)

    def test_is_told_of_another_course_at_that_time_but_not_forbidden(
        self, stripe: SandboxProcess, workspace: Workspace, cohort: Cohort
    ) -> None:
        package = bought(cohort)
        other = cohort_with(instance__workspace=workspace, options=(1,), start_date=MARCH, end_date=LATER_END)
        buy(stripe, other, package.learner)

        plan = plan_dates(cohort=cohort, start_date=MARCH, end_date=LATER_END, now=utc_now(), **MOVING)

        assert plan.conflicts == []
        assert any(f"{package.learner} has" in warning for warning in plan.warnings)

    @pytest.mark.parametrize(("ends_on", "is_told"), [(LATER_END, False), (dt.date(2094, 4, 10), True)])
    def test_is_told_of_an_instance_that_ends_before_but_not_forbidden(
        self, cohort: Cohort, ends_on: dt.date, is_told: bool
    ) -> None:
        cohort.instance.end_date = ends_on

        plan = plan_dates(cohort=cohort, start_date=MARCH, end_date=LATER_END, now=utc_now(), **MOVING)

        note = (
            f"Enrollments in {cohort.instance} end on Apr 10, 2094 and count as completed then, before the cohort's "
            f"last day, Apr 11, 2094: give {cohort.instance} a later end."
        )
        assert plan.conflicts == []
        assert (note in plan.warnings) == is_told
        assert len(plan.warnings) == is_told


class TestTheButton:
    def test_that_changes_nothing_promises_no_mail(self, manager: StaffClient, cohort: Cohort) -> None:
        bought(cohort)

        page = manager.post(url_of(cohort, "change_dates"), {**ANSWERS, "start_date": FEBRUARY, "end_date": END})

        ((_, preview),) = page.context["previews"]
        assert preview.sentences == ("Winter keeps its dates, Feb 1, 2094 to Feb 28, 2094.", "No session moves.")
        assert preview.mails == "No mail is sent."

    def test_counts_whom_the_mail_reaches(self, manager: StaffClient, cohort: Cohort) -> None:
        done = bought(cohort)
        StudentPackage.objects.filter(pk=done.pk).update(completed_at=utc_now())
        done.progress.update(status="COMPLETED")

        page = manager.post(url_of(cohort, "change_dates"), ANSWERS)
        manager.confirm(url_of(cohort, "change_dates"), ANSWERS)

        ((_, preview),) = page.context["previews"]
        assert preview.mails == "No mail is sent."
        assert not Notification.objects.filter(kind="course_dates").exists()

    def test_names_those_in_line_who_are_offered_a_place_by_it(self, manager: StaffClient, cohort: Cohort) -> None:
        learner = LearnerFactory(workspace=cohort.instance.workspace)
        WaitlistEntry.objects.create(cohort=cohort, learner=learner, rank=1.0)
        Cohort.objects.update(enrollment_deadline=utc_now() - dt.timedelta(days=1))
        answers = ANSWERS | {"deadline": "move"}

        page = manager.post(url_of(cohort, "change_dates"), answers)
        manager.confirm(url_of(cohort, "change_dates"), answers)

        ((_, preview),) = page.context["previews"]
        assert preview.mails == "Learners on the waiting list whose families are offered a place by mail: 1."
        assert WaitlistEntry.objects.get().status == "offered"

    def test_shows_what_would_move_before_anything_does(self, manager: StaffClient, cohort: Cohort) -> None:
        bought(cohort)
        before = meetings()

        page = manager.post(url_of(cohort, "change_dates"), ANSWERS)

        ((_, preview),) = page.context["previews"]
        assert preview.sentences[0] == "Winter runs Mar 15, 2094 to Apr 11, 2094, now Feb 1, 2094 to Feb 28, 2094."
        assert preview.sentences[1] == (
            "Week 1 class 1: Tuesday, February 2, 5:00 to 6:00 PM CST (America/Chicago) moves to "
            "Tuesday, March 16, 5:00 to 6:00 PM CDT (America/Chicago)."
        )
        assert preview.mails == "Learners whose families get one mail, with the dates and all their sessions: 1."
        assert meetings() == before

        manager.confirm(url_of(cohort, "change_dates"), ANSWERS)

        assert meetings() == ["03-16 22:00", "03-23 22:00", "03-30 22:00"]

    def test_refuses_dates_out_of_order_and_out_of_range(self, manager: StaffClient, cohort: Cohort) -> None:
        answers = [
            {**ANSWERS, "end_date": "2094-03-01"},
            {**ANSWERS, "start_date": "0001-01-01"},
            {**ANSWERS, "end_date": "9999-12-31"},
        ]

        found = [faults(manager.post(url_of(cohort, "change_dates"), answer)) for answer in answers]

        assert found == [
            {"end_date": ["A cohort ends on or after the day it starts."]},
            {"start_date": ["Give a date from 1900 to 2199."]},
            {"end_date": ["Give a date from 1900 to 2199."]},
        ]
        assert (Cohort.objects.get().start_date, Cohort.objects.get().end_date) == (FEBRUARY, END)
