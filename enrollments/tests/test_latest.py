"""Telling a person who comes too late who was faster: in the API's detail and in the back office."""

import datetime as dt

import pytest
from django.db import OperationalError
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import StaffFactory, WorkspaceFactory
from backoffice.tests.staff_client import StaffClient, said
from core.actors import SYSTEM, Actor
from core.clock import utc_now
from core.errors import TransitionNotAllowed
from enrollments.admin import enrollments as page
from enrollments.errors import StatusMoved
from enrollments.lifecycle import approve_enrollment, evaluate_enrollment, reject_enrollment, submit_enrollment
from enrollments.models import Enrollment, EnrollmentTransition, ProgramInstance
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 9, 2, 15, 0, tzinfo=dt.UTC)


@pytest.fixture
def instance() -> ProgramInstance:
    workspace: Workspace = WorkspaceFactory()
    made: ProgramInstance = InstanceFactory(workspace=workspace, review_mode=ReviewMode.MANUAL)
    return made


def submitted(instance: ProgramInstance) -> Enrollment:
    made = CandidateFactory(instance=instance, workspace=instance.workspace)
    evaluate_enrollment(enrollment_id=made.pk, actor=STAFF, now=NOW)
    return submit_enrollment(enrollment_id=made.pk, actor=STAFF, now=NOW)


class TestWhoeverComesTooLate:
    @pytest.mark.parametrize(
        ("passed", "said_when"),
        [
            (dt.timedelta(seconds=59), "just now"),
            (dt.timedelta(minutes=1), "1 minute ago"),
            (dt.timedelta(minutes=59), "59 minutes ago"),
            (dt.timedelta(hours=2), "2 hours ago"),
            (dt.timedelta(days=3, hours=5), "3 days ago"),
        ],
    )
    def test_reads_who_did_what_when(self, instance: ProgramInstance, passed: dt.timedelta, said_when: str) -> None:
        enrollment = submitted(instance)
        ana = StaffFactory(first_name="Ana", last_name="Ruiz")
        approve_enrollment(enrollment_id=enrollment.pk, actor=Actor("user", ana.pk), now=NOW)

        with pytest.raises(TransitionNotAllowed) as refusal:
            reject_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Too young", now=NOW + passed)

        assert refusal.value.detail == (
            f"An enrollment that is approved can't become rejected. Ana Ruiz approved it {said_when}."
        )
        assert EnrollmentTransition.objects.filter(to_status="rejected").count() == 0

    @pytest.mark.parametrize(
        ("actor", "who"),
        [(SYSTEM, "The platform"), (Actor("key", 0), "An API key"), (Actor("user", 0), "A member of staff")],
    )
    def test_reads_it_of_those_who_have_no_name(self, instance: ProgramInstance, actor: Actor, who: str) -> None:
        enrollment = submitted(instance)
        approve_enrollment(enrollment_id=enrollment.pk, actor=actor, now=NOW)

        with pytest.raises(StatusMoved) as refusal:
            reject_enrollment(
                enrollment_id=enrollment.pk, actor=STAFF, reason="No", expected_status="submitted", now=NOW
            )

        assert refusal.value.detail == (
            f"Expected submitted, but the enrollment is approved; read it again. {who} approved it just now."
        )


class TestTheDesk:
    @pytest.mark.sqlite
    def test_lists_what_waits_the_oldest_first_with_its_verdict(self, instance: ProgramInstance) -> None:
        first, second = submitted(instance), submitted(instance)
        approve_enrollment(enrollment_id=submitted(instance).pk, actor=STAFF, now=NOW)
        reviewer = StaffClient(workspace=instance.workspace, role=Role.REVIEWER)

        answer = reviewer.get(reverse("admin:enrollments_enrollment_changelist"), {"waiting": "review"})

        listed = answer.context["cl"]
        assert [row.pk for row in listed.result_list] == [first.pk, second.pk]
        assert "No criteria" in answer.content.decode()

    def test_says_who_was_faster_when_a_button_comes_too_late(self, instance: ProgramInstance) -> None:
        enrollment = submitted(instance)
        ana = StaffFactory(first_name="Ana", last_name="Ruiz")
        approve_enrollment(enrollment_id=enrollment.pk, actor=Actor("user", ana.pk), now=utc_now())
        reviewer = StaffClient(workspace=instance.workspace, role=Role.REVIEWER)

        answer = reviewer.post(reverse("admin:enrollments_enrollment_reject", args=[enrollment.pk]), {"reason": "No"})

        (message,) = said(answer)
        assert message.endswith("has changed. Ana Ruiz approved it just now.")

    def test_decides_those_that_are_left_when_half_of_the_selected_moved(self, instance: ProgramInstance) -> None:
        moved, left = submitted(instance), submitted(instance)
        approve_enrollment(enrollment_id=moved.pk, actor=SYSTEM, now=utc_now())
        reviewer = StaffClient(workspace=instance.workspace, role=Role.REVIEWER)

        answer = self.reject(reviewer, moved, left)

        assert said(answer) == [
            "Reject: 1 done.",
            f"{moved.learner}, {instance}: not possible. The platform approved it just now.",
        ]
        assert Enrollment.objects.get(pk=left.pk).eligibility_status == "rejected"

    @pytest.mark.sqlite
    def test_goes_on_past_one_that_somebody_holds_locked(
        self, instance: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        held, free = submitted(instance), submitted(instance)

        def reject(*, enrollment_id: int, **given: object) -> Enrollment:
            if enrollment_id == held.pk:
                raise OperationalError("canceling statement due to lock timeout")
            return reject_enrollment(enrollment_id=enrollment_id, **given)  # type: ignore[arg-type]

        monkeypatch.setattr(page, "reject_enrollment", reject)
        reviewer = StaffClient(workspace=instance.workspace, role=Role.REVIEWER)

        answer = self.reject(reviewer, held, free)

        assert said(answer) == [
            "Reject: 1 done.",
            f"{held.learner}, {instance}: somebody else was changing it. Try it again.",
        ]
        assert Enrollment.objects.get(pk=free.pk).eligibility_status == "rejected"

    def reject(self, reviewer: StaffClient, *selected: Enrollment) -> object:
        return reviewer.post(
            reverse("admin:enrollments_enrollment_changelist"),
            {
                "action": "reject_selected",
                "_selected_action": [row.pk for row in selected],
                "_confirmed": "1",
                "_confirm": "1",
                "reason": "No places left",
            },
        )
