"""What staff read before a list's button changes all selected enrollments, and that it is so afterwards."""

from typing import Any

import pytest
from django.urls import reverse

from accounts.models import Learner
from accounts.states import Role
from accounts.tests.factories import LeadFactory
from backoffice.tests.staff_client import StaffClient, said
from billing.models import Checkout, Refund
from billing.states import RefundReason
from billing.tests.snapshots import arrive, tell
from billing.tests.snapshots import refund as returned
from core.clock import utc_now
from enrollments.letters import APPROVED, ELIGIBLE, INELIGIBLE, REJECTED, SUBMITTED
from enrollments.lifecycle import evaluate_enrollment, submit_enrollment
from enrollments.models import Enrollment, ProgramInstance
from enrollments.states import ReviewMode
from notifications.models import Notification
from notifications.wording import begin_letter, change_letter

from .factories import STAFF, CandidateFactory, InstanceFactory, route, seats
from .parents import ask_parent

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stripe_is_not_asked")]

LIST = reverse("admin:enrollments_enrollment_changelist")


@pytest.fixture
def instance() -> ProgramInstance:
    made: ProgramInstance = InstanceFactory(name="Fall", program__title="Art", review_mode=ReviewMode.MANUAL)
    return made


def eligible(instance: ProgramInstance, **person: Any) -> Enrollment:
    made = CandidateFactory(instance=instance, workspace=instance.workspace, **person)
    return evaluate_enrollment(enrollment_id=made.pk, actor=STAFF, now=utc_now())


def submitted(instance: ProgramInstance, **person: Any) -> Enrollment:
    return submit_enrollment(enrollment_id=eligible(instance, **person).pk, actor=STAFF, now=utc_now())


def seated(instance: ProgramInstance) -> Enrollment:
    """Return the enrollment of a learner with a reserved seat; the integrator informs the family."""
    seats(instance.workspace, total=2)
    return route(instance.workspace, email="ana@school.test", instance=instance).decision.enrollment


def lead_of(instance: ProgramInstance) -> dict[str, Any]:
    return {"learner": None, "lead": LeadFactory(workspace=instance.workspace)}


def select(button: str, *enrollments: Enrollment, **answers: str) -> tuple[StaffClient, dict[str, Any]]:
    keys = [enrollment.pk for enrollment in enrollments]
    client = StaffClient(workspace=enrollments[0].workspace, role=Role.ADMIN)
    return client, {"action": f"{button}_selected", "_selected_action": keys, "_confirmed": "1", **answers}


def foresee(button: str, *enrollments: Enrollment, **answers: str) -> tuple[tuple[str, ...], str]:
    """Return what is foreseen, in sentences and about mails; nothing is done."""
    client, form = select(button, *enrollments, **answers)
    before = list(Enrollment.objects.order_by("pk").values())
    (_, preview), *_ = client.post(LIST, form).context["previews"]
    assert list(Enrollment.objects.order_by("pk").values()) == before
    Notification.objects.all().delete()
    can_be_done, *sentences = preview.sentences
    assert can_be_done == f"{len(enrollments)} can be done."
    return tuple(sentences), preview.mails


def press(button: str, *enrollments: Enrollment, **answers: str) -> list[str]:
    client, form = select(button, *enrollments, **answers)
    return said(client.confirm(LIST, form))


def mailed(kind: str) -> int:
    return Notification.objects.filter(kind=kind).count()


def switch_off(instance: ProgramInstance, *kinds: str) -> None:
    now = utc_now()
    for kind in kinds:
        letter = begin_letter(workspace_id=instance.workspace_id, kind=kind, actor=STAFF, now=now)
        change_letter(letter_id=letter.pk, subject=letter.subject, body=letter.body, is_on=False, actor=STAFF, now=now)


class TestApprovingMany:
    def test_takes_seats_and_makes_learners_as_was_said(self, instance: ProgramInstance) -> None:
        other = InstanceFactory(workspace=instance.workspace, is_default=False, review_mode=ReviewMode.MANUAL)
        chosen = [seated(instance), ask_parent(instance).enrollment, submitted(instance, **lead_of(instance))]
        chosen.append(submitted(other))
        learners = Learner.objects.count()

        told = foresee("approve", *chosen)
        done = press("approve", *chosen)

        assert told == (
            (
                f"From now on in {instance}: 3.",
                f"From now on in {other}: 1.",
                "Reserved seats that are used: 1.",
                "Leads that become learners: 1.",
                "Not paid for yet: 1.",
            ),
            "Families who get a mail: 2 of 4.",
        )
        assert done == ["Approve: 4 done."]
        assert (Learner.objects.count(), mailed(APPROVED)) == (learners + 1, 2)
        assert instance.workspace.districts.get().allocations.get().used_seats == 1

    def test_names_no_seat_lead_or_debt_without_one_and_no_mail_that_is_switched_off(
        self, instance: ProgramInstance
    ) -> None:
        chosen = [submitted(instance), submitted(instance)]
        switch_off(instance, APPROVED)

        told = foresee("approve", *chosen)
        press("approve", *chosen)

        assert told == ((f"From now on in {instance}: 2.",), "Families who get a mail: 0 of 2.")
        assert mailed(APPROVED) == 0


class TestRejectingMany:
    REASON = {"reason": "The group is full"}

    def test_frees_and_refunds_as_was_said(self, instance: ProgramInstance) -> None:
        unpaid = ask_parent(instance, email="leo@school.test").enrollment
        paid = ask_parent(instance).enrollment
        checkout = Checkout.objects.latest("pk")
        tell(checkout)
        in_part = ask_parent(instance, email="mia@school.test").enrollment
        tell(Checkout.objects.latest("pk"), payment_intent_id="pi_mia")
        arrive(Checkout.objects.latest("pk").payments.get(), returned(900))
        chosen = [seated(instance), unpaid, paid, in_part]

        told = foresee("reject", *chosen, **self.REASON)
        done = press("reject", *chosen, **self.REASON)

        assert told == (
            (
                f"Not accepted in {instance}: 4.",
                "Seats that are free again in District 1: 1.",
                "Payment pages that end: 1.",
                "Payments that go back: 2.",
                "Money that goes back: 89.00 USD.",
            ),
            "Families who get a mail: 3 of 4.",
        )
        assert done == ["Reject: 4 done."]
        wanted = Refund.objects.filter(reason=RefundReason.NOT_ACCEPTED).order_by("amount_minor")
        assert list(wanted.values_list("amount_minor", flat=True)) == [4000, 4900]
        assert Checkout.objects.filter(cancel_requested_at__isnull=False).count() == 1
        assert mailed(REJECTED) == 3

    def test_leaves_it_to_staff_what_is_on_its_way_back_already(self, instance: ProgramInstance) -> None:
        paid = ask_parent(instance).enrollment
        tell(Checkout.objects.get())
        arrive(Checkout.objects.get().payments.get(), returned(4900, status="pending"))

        sentences, _ = foresee("reject", paid, submitted(instance), **self.REASON)

        assert sentences == (
            f"Not accepted in {instance}: 2.",
            "Tasks to decide what goes back of the money that was paid: 1.",
        )


class TestSubmittingMany:
    def test_tells_who_waits_and_who_is_approved_at_once(self, instance: ProgramInstance) -> None:
        automatic = InstanceFactory(workspace=instance.workspace, is_default=False, price=None)
        chosen = [eligible(instance), eligible(instance), eligible(automatic)]

        told = foresee("submit", *chosen)
        done = press("submit", *chosen)

        assert told == (
            (f"Waiting for a reviewer of {instance}: 2.", f"Approved at once in {automatic}: 1."),
            "Families who get a mail: 2 of 2. Approved at once. Families who get a mail: 1 of 1.",
        )
        assert done == ["Submit: 3 done."]
        status = list(Enrollment.objects.order_by("pk").values_list("eligibility_status", flat=True))
        assert status == ["submitted", "submitted", "approved"]
        assert (mailed(SUBMITTED), mailed(APPROVED)) == (3, 1)

    @pytest.mark.parametrize(
        ("mode", "told"),
        [
            (ReviewMode.MANUAL, "Families who get a mail: 1 of 1."),
            (ReviewMode.AUTOMATIC, "Approved at once. Families who get a mail: 1 of 1."),
        ],
    )
    def test_of_one_kind_tells_of_that_kind_alone(self, mode: ReviewMode, told: str) -> None:
        chosen = eligible(InstanceFactory(review_mode=mode, price=None))

        sentences, mails = foresee("submit", chosen)

        assert (len(sentences), mails) == (1, told)


def test_evaluating_many_names_whose_criteria_decide(instance: ProgramInstance) -> None:
    chosen = [CandidateFactory(instance=instance, workspace=instance.workspace) for _ in range(2)]

    assert foresee("evaluate", *chosen) == (
        (f"Evaluated by the criteria of {instance}: 2.",),
        "Families who get a mail if the learner is eligible: 2 of 2; if not: 2.",
    )


def test_evaluating_again_promises_no_mail_to_who_is_eligible_already(instance: ProgramInstance) -> None:
    chosen = eligible(instance)

    mails = foresee("evaluate", chosen)[1]
    evaluate_enrollment(enrollment_id=chosen.pk, actor=STAFF, now=utc_now())

    assert mails == "Families who get a mail if the learner is eligible: 0 of 1; if not: 1."
    assert mailed(ELIGIBLE) == 0


@pytest.mark.parametrize(("switched_off", "told"), [([ELIGIBLE], "0 of 1; if not: 1."), ([ELIGIBLE, INELIGIBLE], None)])
def test_evaluating_promises_no_mail_that_is_switched_off(
    instance: ProgramInstance, switched_off: list[str], told: str | None
) -> None:
    switch_off(instance, *switched_off)

    mails = foresee("evaluate", CandidateFactory(instance=instance, workspace=instance.workspace))[1]

    expected = f"Families who get a mail if the learner is eligible: {told}" if told else "No mail is sent."
    assert mails == expected


@pytest.mark.parametrize("role", [Role.FINANCE, Role.VIEWER])
def test_nobody_without_the_power_to_decide_changes_many(instance: ProgramInstance, role: Role) -> None:
    enrollment = submitted(instance)
    client = StaffClient(workspace=instance.workspace, role=role)
    _, form = select("approve", enrollment)

    client.confirm(LIST, form)

    assert Enrollment.objects.get().eligibility_status == "submitted"
