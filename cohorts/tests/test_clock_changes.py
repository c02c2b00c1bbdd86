"""Classes at times that a clock skips or shows twice: scheduled, moved, cloned, and read, they keep their duration."""

import datetime as dt

import pytest
from django.test import Client

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient
from cohorts.course.scheduling import clone_cohort, reschedule_session, schedule_cohort
from cohorts.models import ClassSession, Cohort, CourseStep, CourseStepOption
from cohorts.states import DayOfWeek
from cohorts.tests.browsing import text
from cohorts.tests.factories import CohortFactory, GroupClassFactory
from cohorts.tests.staff_pages import faults, press, url_of
from core.clock import utc_now

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)
# zone, day of the class, its start, and the actual moment: (month, day, hour, minute) in UTC
CHANGES = [
    ("America/New_York", dt.date(2027, 3, 14), dt.time(2), dt.datetime(2027, 3, 14, 7, tzinfo=dt.UTC)),
    ("America/New_York", dt.date(2027, 3, 14), dt.time(1, 30), dt.datetime(2027, 3, 14, 6, 30, tzinfo=dt.UTC)),
    ("America/New_York", dt.date(2027, 11, 7), dt.time(1), dt.datetime(2027, 11, 7, 5, tzinfo=dt.UTC)),
    ("America/New_York", dt.date(2027, 11, 7), dt.time(0, 30), dt.datetime(2027, 11, 7, 4, 30, tzinfo=dt.UTC)),
    ("Australia/Lord_Howe", dt.date(2027, 10, 3), dt.time(1, 45), dt.datetime(2027, 10, 2, 15, 15, tzinfo=dt.UTC)),
    ("Africa/Cairo", dt.date(2027, 4, 30), dt.time(0), dt.datetime(2027, 4, 29, 22, tzinfo=dt.UTC)),
    ("Pacific/Apia", dt.date(2011, 12, 30), dt.time(10), dt.datetime(2011, 12, 30, 20, tzinfo=dt.UTC)),
]


def cohort_meeting_on(day: dt.date, *, start: dt.time, zone: str, workspace: Workspace | None = None) -> Cohort:
    """Return a cohort of one step, with a one-hour class that meets on this day in its first week."""
    more = {"instance__workspace": workspace} if workspace else {}
    cohort: Cohort = CohortFactory(start_date=day, end_date=day + dt.timedelta(weeks=3), timezone=zone, **more)
    program = cohort.instance.program
    step = CourseStep.objects.create(program=program, order=1, label="Week 1", title="Topic 1")
    group_class = GroupClassFactory(
        workspace=program.workspace,
        day_of_week=DayOfWeek((day.weekday() + 1) % 7),
        start_time=start,
        end_time=(dt.datetime.combine(day, start) + HOUR).time(),
        timezone=zone,
    )
    CourseStepOption.objects.create(step=step, group_class=group_class)
    return cohort


@pytest.mark.parametrize(("zone", "day", "start", "moment"), CHANGES)
class TestAClass:
    def test_is_scheduled_for_an_hour(self, zone: str, day: dt.date, start: dt.time, moment: dt.datetime) -> None:
        schedule_cohort(cohort_id=cohort_meeting_on(day, start=start, zone=zone).pk)

        session = ClassSession.objects.get()
        assert (session.starts_at, session.ends_at) == (moment, moment + HOUR)

    def test_is_moved_there_for_an_hour(self, zone: str, day: dt.date, start: dt.time, moment: dt.datetime) -> None:
        schedule_cohort(cohort_id=cohort_meeting_on(day + dt.timedelta(weeks=1), start=start, zone=zone).pk)
        session = ClassSession.objects.get()

        reschedule_session(
            session_id=session.pk,
            date=day,
            start_time=start,
            end_time=(dt.datetime.combine(day, start) + HOUR).time(),
            max_students=10,
            now=utc_now(),
        )

        session.refresh_from_db()
        assert (session.starts_at, session.ends_at) == (moment, moment + HOUR)

    def test_is_shown_on_the_course_s_page(self, zone: str, day: dt.date, start: dt.time, moment: dt.datetime) -> None:
        cohort = cohort_meeting_on(day, start=start, zone=zone)
        schedule_cohort(cohort_id=cohort.pk)
        Cohort.objects.update(end_date=dt.date(2190, 1, 1))

        page = Client().get(f"/courses/{cohort.instance.program.code}")

        assert page.status_code == 200
        assert " time</li>" in text(page)


class TestACohortClonedIntoAChange:
    def test_keeps_the_time_on_the_clock_of_its_deadline(self) -> None:
        cohort = cohort_meeting_on(dt.date(2027, 1, 10), start=dt.time(2), zone="America/New_York")
        cohort.enrollment_deadline = dt.datetime(2027, 1, 10, 7, 30, tzinfo=dt.UTC)  # 2:30 there
        cohort.save()

        clone = clone_cohort(cohort_id=cohort.pk, name="Spring", start_date=dt.date(2027, 3, 14))

        session = ClassSession.objects.get()
        assert clone.enrollment_deadline == dt.datetime(2027, 3, 14, 7, 30, tzinfo=dt.UTC)  # 3:30 by then
        assert (session.starts_at.hour, session.ends_at - session.starts_at) == (7, HOUR)


class TestStaff:
    @pytest.fixture
    def workspace(self) -> Workspace:
        workspace: Workspace = WorkspaceFactory()
        return workspace

    @pytest.fixture
    def manager(self, workspace: Workspace) -> StaffClient:
        return StaffClient(workspace=workspace, role=Role.ADMIN)

    def test_are_told_of_a_time_that_does_not_exist(self, workspace: Workspace, manager: StaffClient) -> None:
        cohort = cohort_meeting_on(dt.date(2027, 3, 14), start=dt.time(2), zone="America/New_York", workspace=workspace)

        shown = manager.post(url_of(cohort, "schedule_sessions"))
        page = manager.post(url_of(cohort, "schedule_sessions"), {"_confirm": "1"}, follow=True)

        for each in (shown, page):
            assert "Mar 14, 2027, 2:00 AM does not exist in America/New_York" in each.content.decode()
            assert "It becomes Mar 14, 2027, 3:00 AM." in each.content.decode()

    @pytest.mark.sqlite
    @pytest.mark.parametrize("date", ["0001-01-01", "9999-12-31", "2300-01-01"])
    def test_are_refused_a_date_that_no_clock_has(self, workspace: Workspace, manager: StaffClient, date: str) -> None:
        cohort = cohort_meeting_on(dt.date(2027, 3, 7), start=dt.time(2), zone="Pacific/Apia", workspace=workspace)
        schedule_cohort(cohort_id=cohort.pk)
        session = ClassSession.objects.get()
        times = {"start_time": "00:00", "end_time": "01:00", "max_students": 5}

        moved = press(manager, session, "reschedule", date=date, **times)
        cloned = press(manager, cohort, "clone", name="Next", start_date=date, instance=cohort.instance_id)

        assert faults(moved) == {"date": ["Give a date from 1900 to 2199."]}
        assert faults(cloned) == {"start_date": ["Give a date from 1900 to 2199."]}
        assert list(ClassSession.objects.values_list("starts_at", flat=True)) == [session.starts_at]

    def test_change_the_seats_of_a_session_that_a_change_pushed_over_midnight(
        self, workspace: Workspace, manager: StaffClient
    ) -> None:
        """23:30 is skipped there; the session runs from 0:30 to 1:00 of the next day."""
        cohort = cohort_meeting_on(
            dt.date(2027, 3, 27), start=dt.time(22, 30), zone="America/Nuuk", workspace=workspace
        )
        schedule_cohort(cohort_id=cohort.pk)
        before = ClassSession.objects.get()
        page = manager.get(url_of(before, "reschedule"))
        shown = {name: page.context["form"].initial[name] for name in ("date", "start_time", "end_time")}

        press(manager, before, "reschedule", max_students=3, **shown)

        after = ClassSession.objects.get()
        assert (after.starts_at, after.ends_at, after.date) == (before.starts_at, before.ends_at, before.date)
        assert after.max_students == 3
