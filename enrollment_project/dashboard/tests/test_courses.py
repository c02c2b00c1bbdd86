"""What the dashboard shows about courses."""

import datetime as dt

import pytest
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient, staff_request
from cohorts.models import ClassSession
from cohorts.tests.factories import buy, cohort_with, start
from cohorts.tests.staff_pages import cohort_in, wait_for
from core.clock import utc_now
from enrollment_project.dashboard.courses import CourseOverview
from enrollment_project.dashboard.figures.courses import cohorts, sold
from enrollment_project.dashboard.figures.figure import Asked
from enrollment_project.dashboard.period import period_of
from enrollment_project.dashboard.scope import scope_of
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def reviewer(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.REVIEWER)


class TestTheDashboard:
    def test_tells_of_my_workspace_s_courses_only(
        self, workspace: Workspace, reviewer: StaffClient, stripe: SandboxProcess
    ) -> None:
        mine, theirs = cohort_in(workspace, max_enrollment=2), cohort_with(max_enrollment=1)
        buy(stripe, mine)
        start(mine)
        wait_for(mine)
        buy(stripe, theirs)
        wait_for(theirs)
        ClassSession.objects.update(
            starts_at=utc_now() + dt.timedelta(days=1), ends_at=utc_now() + dt.timedelta(days=2)
        )

        request = staff_request(reviewer.user)
        scope = scope_of(request)
        courses = CourseOverview(scope)
        asked = Asked(scope, period_of(request, scope, now=utc_now()), utc_now())

        (filling,) = cohorts(asked)
        (bought,) = sold(asked)
        assert [(row.firm, row.pending, row.left) for row in filling.levels] == [(1, 1, 0)]
        assert [row.note for row in courses.waiting()] == ["1 waiting"]
        assert [(bar.label, bar.count) for bar in bought.bars] == [(mine.instance.program.title, 1)]
        assert len(courses.sessions()) == mine.sessions.count() == 3

    def test_says_nothing_of_courses_where_there_are_none(self, reviewer: StaffClient) -> None:
        cohort_with()

        page = reviewer.get(reverse("admin:index"))

        assert not page.context["courses"].has_courses
        assert "Cohorts filling up" not in page.content.decode()
