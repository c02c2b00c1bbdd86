"""Editing one field in the back office changes that field, and nothing else."""

import datetime as dt
from typing import Any

import pytest
from django.db import models

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient
from cohorts.course.scheduling import reschedule_session
from cohorts.models import ClassSession, Cohort, CohortSession, CourseStepOption, GroupClass, StepProgress
from cohorts.tests.factories import cohort_with
from cohorts.tests.staff_pages import url_of
from core.clock import utc_now
from notifications.models import Notification

pytestmark = pytest.mark.django_db

WATCHED: tuple[type[models.Model], ...] = (
    Cohort,
    GroupClass,
    ClassSession,
    CohortSession,
    CourseStepOption,
    StepProgress,
    Notification,
)


@pytest.fixture
def workspace() -> Workspace:
    workspace: Workspace = WorkspaceFactory()
    return workspace


@pytest.fixture
def manager(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.ADMIN)


@pytest.fixture
def cohort(workspace: Workspace) -> Cohort:
    """Return a cohort with two weekly meetings across the clock change, one of which was moved by hand, to the second,
    and a deadline with seconds in an hour that occurs twice.
    """
    made = cohort_with(
        instance__workspace=workspace,
        options=(1, 1),
        start_date=dt.date(2094, 3, 8),
        end_date=dt.date(2094, 4, 8),
        enrollment_deadline=dt.datetime(2093, 11, 1, 7, 30, 45, tzinfo=dt.UTC),  # the second 1:30 in Chicago
    )
    ClassSession.objects.filter(date=dt.date(2094, 3, 9)).update(
        date=dt.date(2094, 3, 10),
        starts_at=dt.datetime(2094, 3, 11, 0, 15, 20, tzinfo=dt.UTC),
        ends_at=dt.datetime(2094, 3, 11, 1, 45, 20, tzinfo=dt.UTC),
    )
    return made


def rows() -> dict[tuple[str, int, str], Any]:
    """Return every column of every watched row."""
    return {
        (model.__name__, values["id"], column): value
        for model in WATCHED
        for values in model._default_manager.values()
        for column, value in values.items()
    }


def changes(before: dict[tuple[str, int, str], Any]) -> set[tuple[str, str]]:
    after = rows()
    assert after.keys() == before.keys()
    return {(model, column) for (model, pk, column), value in after.items() if value != before[model, pk, column]}


def as_shown(client: StaffClient, row: models.Model, view: str = "change") -> dict[str, Any]:
    """Return the form of a page as a browser would submit it unchanged."""
    page = client.get(url_of(row, view)).context
    form = page["adminform"].form if "adminform" in page else page["form"]
    shown = {}
    for bound in form:
        value = bound.field.widget.format_value(bound.value())
        shown[bound.name] = value[0] if isinstance(value, list) else value or ""
    return shown


class TestACohort:
    @pytest.mark.sqlite
    @pytest.mark.parametrize(
        ("field", "value", "changed"),
        [
            ("name", "Other name", {"name"}),
            ("enrollment_deadline", "2093-12-01T12:00", {"enrollment_deadline"}),
            ("enrollment_deadline", "", {"enrollment_deadline"}),
            (None, "", set()),
        ],
    )
    def test_changes_what_was_edited(
        self, manager: StaffClient, cohort: Cohort, field: str | None, value: str, changed: set[str]
    ) -> None:
        before = rows()

        answer = manager.post(url_of(cohort), as_shown(manager, cohort) | ({field: value} if field else {}))

        assert answer.status_code == 302
        assert changes(before) == {("Cohort", column) for column in changed}

    @pytest.mark.parametrize(
        ("button", "field", "value", "changed"),
        [
            ("change_places", "max_enrollment", "7", {"max_enrollment"}),
            ("change_zone", "timezone", "Asia/Tokyo", {"timezone"}),
            ("change_dates", "end_date", "2094-05-01", {"end_date"}),
        ],
    )
    def test_changes_what_its_button_says(
        self, manager: StaffClient, cohort: Cohort, button: str, field: str, value: str, changed: set[str]
    ) -> None:
        before = rows()

        answer = manager.confirm(
            url_of(cohort, button),
            as_shown(manager, cohort, button)
            | {"sessions": "move", "deadline": "moment" if button == "change_zone" else "stay", field: value},
        )

        assert answer.status_code == 302
        assert changes(before) == {("Cohort", column) for column in changed}


@pytest.mark.sqlite
class TestAClass:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", "Other name"),
            ("teacher", "Ms. Ortega"),
            ("day_of_week", "5"),
            ("start_time", "16:00"),
            ("end_time", "19:00"),
            ("max_students", "3"),
            ("meeting_url", "https://meet.test/room"),
        ],
    )
    def test_changes_what_was_edited(self, manager: StaffClient, cohort: Cohort, field: str, value: str) -> None:
        group_class = GroupClass.objects.order_by("pk").first()
        assert group_class is not None
        before = rows()

        answer = manager.post(url_of(group_class), as_shown(manager, group_class) | {field: value})

        assert answer.status_code == 302
        assert changes(before) == {("GroupClass", field)}

    @pytest.mark.parametrize(
        ("sessions", "changed"),
        [
            ("moment", {("GroupClass", "timezone"), ("ClassSession", "date")}),  # the day it is then in Tokyo
            ("clock", {("GroupClass", "timezone"), ("ClassSession", "starts_at"), ("ClassSession", "ends_at")}),
        ],
    )
    def test_in_another_zone_keeps_the_moments_or_the_clock(
        self, manager: StaffClient, cohort: Cohort, sessions: str, changed: set[tuple[str, str]]
    ) -> None:
        session = ClassSession.objects.select_related("group_class").order_by("starts_at").first()
        assert session is not None
        length = session.ends_at - session.starts_at
        before = rows()

        manager.confirm(url_of(session.group_class, "change_zone"), {"timezone": "Asia/Tokyo", "sessions": sessions})

        assert changes(before) == changed
        session.refresh_from_db()
        assert session.ends_at - session.starts_at == length


class TestASession:
    @pytest.mark.parametrize(
        ("field", "value", "changed"),
        [
            ("max_students", "4", {"max_students"}),
            ("date", "2094-03-17", {"date", "starts_at", "ends_at"}),
            ("end_time", "20:00", {"ends_at"}),
            (None, "", set()),
        ],
    )
    def test_changes_what_was_edited(
        self, manager: StaffClient, cohort: Cohort, field: str | None, value: str, changed: set[str]
    ) -> None:
        session = ClassSession.objects.order_by("starts_at").first()
        assert session is not None
        before = rows()

        answer = manager.confirm(
            url_of(session, "reschedule"),
            as_shown(manager, session, "reschedule") | ({field: value} if field else {}),
        )

        assert answer.status_code == 302
        assert changes(before) == {("ClassSession", column) for column in changed}

    def test_keeps_its_moment_when_its_seats_change_after_its_class_moved_to_another_zone(
        self, manager: StaffClient, cohort: Cohort
    ) -> None:
        session = ClassSession.objects.order_by("starts_at").first()
        assert session is not None
        GroupClass.objects.update(timezone="Asia/Tokyo")  # as it could be before, the date left behind
        before = rows()

        form = as_shown(manager, session, "reschedule") | {"max_students": "4"}
        manager.confirm(url_of(session, "reschedule"), form)

        assert changes(before) == {("ClassSession", "max_students")}

    def test_on_its_second_of_two_hours_keeps_it_when_only_its_end_moves(self, cohort: Cohort) -> None:
        session = ClassSession.objects.order_by("starts_at").first()
        assert session is not None
        second = dt.datetime(2094, 11, 7, 7, 30, tzinfo=dt.UTC)  # 1:30 in Chicago, for the second time
        ClassSession.objects.filter(pk=session.pk).update(
            date=dt.date(2094, 11, 7), starts_at=second, ends_at=second + dt.timedelta(hours=1)
        )

        moved = reschedule_session(
            session_id=session.pk,
            date=dt.date(2094, 11, 7),
            start_time=dt.time(1, 30),
            end_time=dt.time(3),
            max_students=session.max_students,
            now=utc_now(),
        )

        assert (moved.starts_at, moved.ends_at) == (second, second + dt.timedelta(hours=1, minutes=30))
