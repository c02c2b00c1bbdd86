"""The reviewers' morning mail."""

import datetime as dt
from typing import Any

import pytest

from accounts.models import Membership, Workspace
from accounts.states import Role
from accounts.tests.factories import StaffFactory, WorkspaceFactory
from enrollments.deletion import delete_enrollment
from enrollments.digest import write_digests
from enrollments.lifecycle import approve_enrollment, evaluate_enrollment, submit_enrollment
from enrollments.models import Enrollment
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory
from notifications.models import Notification
from notifications.sending import send_due_notifications

pytestmark = pytest.mark.django_db

MORNING = dt.datetime(2026, 9, 2, 12, 0, tzinfo=dt.UTC)  # 7:00 in Chicago
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory(timezone="America/Chicago", name="Riverside Academy")
    return made


def member(workspace: Workspace, role: Role, email: str) -> None:
    Membership.objects.create(workspace=workspace, user=StaffFactory(email=email), role=role)


def waiting(workspace: Workspace) -> Enrollment:
    instance = InstanceFactory(workspace=workspace, review_mode=ReviewMode.MANUAL, is_default=False)
    made = CandidateFactory(instance=instance, workspace=workspace, created_at=MORNING - dt.timedelta(days=2))
    evaluate_enrollment(enrollment_id=made.pk, actor=STAFF, now=MORNING)
    enrollment = submit_enrollment(enrollment_id=made.pk, actor=STAFF, now=MORNING)
    Notification.objects.all().delete()
    return enrollment


def readers() -> list[str]:
    return list(Notification.objects.order_by("recipient").values_list("recipient", flat=True))


class TestTheDigest:
    @pytest.mark.sqlite
    def test_goes_to_those_who_may_decide(self, workspace: Workspace, mailoutbox: list[Any]) -> None:
        for role in Role:
            member(workspace, role, f"{role}@staff.test")
        member(WorkspaceFactory(timezone="America/Chicago"), Role.OWNER, "other@staff.test")
        waiting(workspace)
        waiting(workspace)

        written = write_digests(now=MORNING)
        send_due_notifications(now=MORNING)

        assert written == 3
        assert readers() == ["admin@staff.test", "owner@staff.test", "reviewer@staff.test"]
        assert {message.subject for message in mailoutbox} == {"2 enrollments to review in Riverside Academy"}
        assert mailoutbox[0].body == (
            "Waiting for a reviewer in Riverside Academy: 2 enrollments, the oldest since August 31, 2026.\n\n"
            "Open the list: http://127.0.0.1:8000/admin/enrollments/enrollment/review/\n\n"
            "Riverside Academy\n"
        )

    @pytest.mark.parametrize(
        ("now", "written"),
        [
            (MORNING - MINUTE, 0),
            (MORNING, 1),
            (MORNING + dt.timedelta(hours=5) - MINUTE, 1),
            (MORNING + dt.timedelta(hours=5), 0),
        ],
    )
    def test_is_written_in_the_morning_of_the_workspace(
        self, workspace: Workspace, now: dt.datetime, written: int
    ) -> None:
        member(workspace, Role.REVIEWER, "ana@staff.test")
        waiting(workspace)

        assert write_digests(now=now) == written

    def test_is_written_once_a_day(self, workspace: Workspace) -> None:
        member(workspace, Role.REVIEWER, "ana@staff.test")
        waiting(workspace)

        answers = [write_digests(now=MORNING + dt.timedelta(hours=hours)) for hours in (0, 1, 24)]

        assert answers == [1, 0, 1]

    def test_is_not_written_if_nothing_waits(self, workspace: Workspace) -> None:
        member(workspace, Role.REVIEWER, "ana@staff.test")
        delete_enrollment(enrollment_id=waiting(workspace).pk, actor=STAFF, now=MORNING)

        assert write_digests(now=MORNING) == 0

    @pytest.mark.sqlite
    def test_is_not_sent_if_all_was_decided_before_it_went(self, workspace: Workspace) -> None:
        member(workspace, Role.REVIEWER, "ana@staff.test")
        enrollment = waiting(workspace)
        write_digests(now=MORNING)
        approve_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=MORNING)

        send_due_notifications(now=MORNING)

        assert Notification.objects.get(kind="review_digest").status == "skipped"
