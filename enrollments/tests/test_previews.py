"""The previews of buttons: the family gets exactly the mail that was shown; and what bulk actions cost."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.states import Role
from accounts.tests.factories import LeadFactory
from backoffice.tests.staff_client import StaffClient, said
from core.clock import utc_now
from enrollments.exit import plan_exit
from enrollments.lifecycle import approve_enrollment, evaluate_enrollment, submit_enrollment
from enrollments.models import Enrollment, ProgramInstance
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, route, seats
from notifications.models import Notification
from notifications.sending import send_due_notifications

pytestmark = pytest.mark.django_db


@pytest.fixture
def instance() -> ProgramInstance:
    return InstanceFactory(review_mode=ReviewMode.MANUAL, price=None)


@pytest.fixture
def reviewer(instance: ProgramInstance) -> StaffClient:
    return StaffClient(workspace=instance.workspace, role=Role.REVIEWER)


def candidate(instance: ProgramInstance) -> Enrollment:
    made: Enrollment = CandidateFactory(instance=instance, workspace=instance.workspace)
    return made


def eligible(instance: ProgramInstance) -> Enrollment:
    return evaluate_enrollment(enrollment_id=candidate(instance).pk, actor=STAFF, now=utc_now())


def submitted(instance: ProgramInstance) -> Enrollment:
    return submit_enrollment(enrollment_id=eligible(instance).pk, actor=STAFF, now=utc_now())


def approved(instance: ProgramInstance) -> Enrollment:
    return approve_enrollment(enrollment_id=submitted(instance).pk, actor=STAFF, now=utc_now())


def leaving(instance: ProgramInstance) -> Enrollment:
    """Return an approved enrollment with an exit planned for a later day."""
    enrollment = approved(instance)
    return plan_exit(
        enrollment_id=enrollment.pk, effective_date=dt.date(2099, 1, 1), reason="Moves", actor=STAFF, now=utc_now()
    )


def letters_in(page: Any) -> list[tuple[str, str]]:
    ((_, preview),) = page.context["previews"]
    return [(letter.subject, letter.text) for letter in preview.letters]


REASON = {"reason": "The course needs grade 7."}


class TestTheMailThatIsShown:
    @pytest.mark.parametrize(
        ("start", "button", "answers"),
        [
            (candidate, "mark_eligible", {"note": "Knows us"}),
            (candidate, "mark_ineligible", REASON),
            (eligible, "submit", {}),
            (submitted, "approve", {}),
            (submitted, "reject", REASON),
            (approved, "unenroll", REASON | {"effective_date": ""}),
            (approved, "unenroll", REASON | {"effective_date": "2098-01-01"}),
            (leaving, "unenroll", REASON | {"effective_date": "2098-01-01"}),
        ],
        ids=["eligible", "ineligible", "submit", "approve", "reject", "unenroll", "plan", "plan_anew"],
    )
    def test_is_the_one_that_goes_out(
        self,
        instance: ProgramInstance,
        reviewer: StaffClient,
        start: Callable[[ProgramInstance], Enrollment],
        button: str,
        answers: dict[str, str],
    ) -> None:
        enrollment = start(instance)
        Notification.objects.all().delete()
        answers = {key: value or str(utc_now().date()) for key, value in answers.items()}
        url = reverse(f"admin:enrollments_enrollment_{button}", args=[enrollment.pk])

        shown = letters_in(reviewer.post(url, {"_confirmed": "1", **answers}))
        before = (mail.outbox.copy(), Notification.objects.count())
        reviewer.confirm(url, answers)
        send_due_notifications(now=utc_now())

        assert before == ([], 0)
        assert [(message.subject, str(message.body)) for message in mail.outbox] == shown
        assert len(shown) == 1

    def test_is_the_one_about_a_withdrawn_exit(self, instance: ProgramInstance, reviewer: StaffClient) -> None:
        plan = leaving(instance).planned_exits.get()
        Notification.objects.all().delete()
        url = reverse("admin:enrollments_plannedexit_withdraw", args=[plan.pk])

        shown = letters_in(reviewer.post(url))
        reviewer.confirm(url)
        send_due_notifications(now=utc_now())

        assert [(message.subject, str(message.body)) for message in mail.outbox] == shown
        assert len(shown) == 1

    def test_is_the_approval_where_submitting_is_enough(self, reviewer: StaffClient) -> None:
        automatic = InstanceFactory(workspace=reviewer.user.memberships.get().workspace, is_default=False, price=None)
        enrollment = eligible(automatic)
        url = reverse("admin:enrollments_enrollment_submit", args=[enrollment.pk])
        Notification.objects.all().delete()

        shown = letters_in(reviewer.post(url))
        reviewer.confirm(url)
        send_due_notifications(now=utc_now())

        assert [(message.subject, str(message.body)) for message in mail.outbox] == shown

    def test_is_none_where_the_integrator_tells(self, instance: ProgramInstance, reviewer: StaffClient) -> None:
        seats(instance.workspace, total=1)
        enrollment = route(instance.workspace, instance=instance).decision.enrollment
        url = reverse("admin:enrollments_enrollment_approve", args=[enrollment.pk])

        page = reviewer.post(url)

        ((_, preview),) = page.context["previews"]
        assert preview.letters == ()
        assert preview.sentences == (
            f"{enrollment.learner} takes part in {instance} from now on.",
            "The seat that was reserved is used.",
        )
        assert Enrollment.objects.get().eligibility_status == "submitted"

    def test_says_that_a_lead_becomes_a_learner(self, instance: ProgramInstance, reviewer: StaffClient) -> None:
        lead = LeadFactory(workspace=instance.workspace)
        made = CandidateFactory(instance=instance, workspace=instance.workspace, learner=None, lead=lead)
        evaluate_enrollment(enrollment_id=made.pk, actor=STAFF, now=utc_now())
        submit_enrollment(enrollment_id=made.pk, actor=STAFF, now=utc_now())

        page = reviewer.post(reverse("admin:enrollments_enrollment_approve", args=[made.pk]))

        ((_, preview),) = page.context["previews"]
        assert preview.sentences[1:] == ("The lead becomes a learner.",)
        assert preview.letters[0].to == (lead.email,)


class TestManyAtOnce:
    """The statements that one request sends (docs/decisions/0090)."""

    A_ROW_COSTS = 32

    def statements(self, reviewer: StaffClient, instance: ProgramInstance, number: int, **answers: str) -> int:
        chosen = [submitted(instance) for _ in range(number)]
        form = {"action": "reject_selected", "_selected_action": [each.pk for each in chosen], **answers}
        with CaptureQueriesContext(
            connection,
        ) as sent:
            answer = reviewer.post(reverse("admin:enrollments_enrollment_changelist"), form)
        if "_confirm" in answers:
            assert said(answer)[-1] == f"Reject: {number} done."
        return len(sent)

    def test_grow_by_the_same_number_with_each_row(self, instance: ProgramInstance, reviewer: StaffClient) -> None:
        answers = {"_confirmed": "1", "_confirm": "1", "reason": "No places left"}
        _, few, some, more = [self.statements(reviewer, instance, number, **answers) for number in (1, 2, 4, 6)]

        assert some - few == more - some
        assert (more - some) // 2 <= self.A_ROW_COSTS

    def test_do_not_grow_while_only_the_first_rows_are_foreseen(
        self, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        answers = {"_confirmed": "1", "reason": "No places left"}
        few, more = [self.statements(reviewer, instance, number, **answers) for number in (3, 6)]

        assert few == more

    @pytest.mark.parametrize(
        ("number", "told"),
        [
            (1, "Its seat is free again, and money that was paid goes back."),
            (2, "Their seats are free again, and money that was paid goes back."),
        ],
    )
    def test_are_explained_as_many_where_they_are_many(
        self, instance: ProgramInstance, reviewer: StaffClient, number: int, told: str
    ) -> None:
        chosen = [submitted(instance) for _ in range(number)]

        page = reviewer.post(
            reverse("admin:enrollments_enrollment_changelist"),
            {"action": "reject_selected", "_selected_action": [each.pk for each in chosen]},
        )

        assert page.context["explanation"] == told

    def test_are_not_begun_with_more_rows_than_a_request_can_do(
        self, instance: ProgramInstance, reviewer: StaffClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("backoffice.actions.BULK_LIMIT", 2)
        chosen = [submitted(instance) for _ in range(3)]

        answer = reviewer.confirm(
            reverse("admin:enrollments_enrollment_changelist"),
            {"action": "approve_selected", "_selected_action": [each.pk for each in chosen], "_confirmed": "1"},
        )

        assert said(answer) == ["Select at most 2 at a time."]
        assert Enrollment.objects.filter(eligibility_status="approved").count() == 0
