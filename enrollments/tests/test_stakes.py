"""What staff read before a payment goes back: who loses which enrollment, what is freed, who gets a mail; and that it
is so afterwards."""

import pytest
from django.urls import reverse

from accounts.models import Learner
from accounts.states import Role
from accounts.tests.factories import GuardianFactory, GuardianshipFactory, LearnerFactory
from backoffice.tests.staff_client import StaffClient, said
from billing.models import Checkout, Payment
from billing.tests.factories import CheckoutFactory
from billing.tests.snapshots import EXPIRED, arrive, dispute, refund, tell
from core.clock import utc_now
from enrollments.letters import ENDED, PAYMENT_MISSING
from enrollments.lifecycle import finish_participation, reject_enrollment, unenroll_enrollment
from enrollments.models import Enrollment, EnrollmentDecision
from enrollments.on_account import enroll_on_account
from enrollments.states import ReviewMode
from notifications.models import Notification
from notifications.wording import begin_letter, change_letter

from .factories import STAFF, InstanceFactory
from .parents import ask_parent
from .test_offline import USER, pay

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stripe_is_not_asked")]

NOTHING = "Nobody loses anything: this payment pays for nothing that is still held."


def with_parents(learner: Learner, *addresses: str) -> None:
    for address in addresses:
        guardian = GuardianFactory(workspace=learner.workspace, email=address)
        GuardianshipFactory(guardian=guardian, learner=learner)


def bought() -> Enrollment:
    """Return Jane Doe's enrollment, paid at Stripe by one of her parents."""
    instance = InstanceFactory(name="Fall", program__title="Art")
    enrollment = ask_parent(instance, email="jane@school.test").enrollment
    with_parents(enrollment.learner, "payer@home.test", "other@home.test")
    tell(Checkout.objects.get())
    return Enrollment.objects.get()


def paid_at_the_desk() -> Enrollment:
    """Return Mia Doe's enrollment on account, with cash recorded for it."""
    instance = InstanceFactory(name="Fall", program__title="Art")
    LearnerFactory(
        workspace=instance.workspace, external_id=USER, first_name="Mia", last_name="Doe", email="mia@home.test"
    )
    enrollment = enroll_on_account(
        workspace_id=instance.workspace_id, course_id=instance.pk, user_id=USER, actor=STAFF, now=utc_now()
    )
    pay(enrollment)
    return Enrollment.objects.get()


def told(button: str, **answers: str) -> tuple[tuple[str, ...], tuple[StaffClient, str, dict[str, str]]]:
    """Return what the payment's button foresees, and what presses it."""
    payment = Payment.objects.get()
    client = StaffClient(workspace=payment.workspace, role=Role.OWNER)
    url = reverse(f"admin:billing_payment_{button}", args=[payment.pk])
    ((_, preview),) = client.post(url, {**answers, "_confirmed": "1"}).context["previews"]
    return preview.sentences, (client, url, answers)


def foresee_refund(amount: str = "49.00") -> tuple[str, ...]:
    return told("refund", amount=amount, reason="requested", note="")[0]


REVERSE = {"note": "Told by phone"}


def mailed(kind: str = ENDED) -> list[str]:
    """Return who is mailed, about the end or something else."""
    return list(Notification.objects.filter(kind=kind).order_by("recipient").values_list("recipient", flat=True))


class TestRefundingAPaymentAtStripe:
    def test_names_whom_it_ends_and_who_is_mailed_apart_from_the_payer(self) -> None:
        bought()

        sentences = foresee_refund()
        arrive(Payment.objects.get(), refund(4900))

        assert [each for each in sentences if "invoice" not in each] == [
            "49.00 USD goes back to payer@home.test.",
            "This returns all the money, so Jane Doe loses the enrollment in Art, Fall.",
            "A mail about the end goes to other@home.test.",
        ]
        assert Enrollment.objects.get().eligibility_status == "unenrolled"
        assert mailed() == ["other@home.test"]

    @pytest.mark.parametrize(("status", "is_refused"), [("needs_response", True), ("won", False)])
    def test_by_a_rejection_is_foretold_as_impossible_while_a_bank_decides(self, status: str, is_refused: bool) -> None:
        enrollment = ask_parent(InstanceFactory(review_mode=ReviewMode.MANUAL)).enrollment
        tell(Checkout.objects.get())
        arrive(Payment.objects.get(), dispute(4900, status=status))
        client = StaffClient(workspace=enrollment.workspace, role=Role.OWNER)
        url = reverse("admin:enrollments_enrollment_reject", args=[enrollment.pk])
        answers = {"reason": "The group is full", "note": ""}

        told = client.post(url, answers).context
        done = client.confirm(url, answers)

        assert (told["previews"] is None) == is_refused
        assert (done.status_code == 200) == is_refused
        assert Enrollment.objects.get().eligibility_status == ("submitted" if is_refused else "rejected")
        if is_refused:
            refusals = [page["form"].non_field_errors() for page in (told, done.context)]
            assert refusals[0] == refusals[1]
            assert "The payment is disputed" in refusals[0][0]

    def test_in_part_leaves_the_enrollment(self) -> None:
        bought()

        assert foresee_refund("9.00")[-1] == (
            "This is a part of the payment: Jane Doe keeps the enrollment in Art, Fall."
        )

    def test_promises_no_mail_where_it_is_switched_off(self) -> None:
        enrollment = bought()
        now = utc_now()
        letter = begin_letter(workspace_id=enrollment.workspace_id, kind=ENDED, actor=STAFF, now=now)
        change_letter(letter_id=letter.pk, subject=letter.subject, body=letter.body, is_on=False, actor=STAFF, now=now)

        assert foresee_refund()[-1] == "This returns all the money, so Jane Doe loses the enrollment in Art, Fall."

    def test_promises_no_mail_if_only_the_payer_would_get_one(self) -> None:
        enrollment = bought()
        Learner.objects.update(email="payer@home.test")
        enrollment.learner.guardianships.all().delete()

        assert foresee_refund()[-1] == "This returns all the money, so Jane Doe loses the enrollment in Art, Fall."

    def test_that_paid_for_what_has_ended_takes_nothing(self) -> None:
        enrollment = bought()
        unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved away", now=utc_now())

        assert foresee_refund()[-1] == NOTHING

    def test_names_the_page_that_could_still_be_paid(self) -> None:
        enrollment = bought()
        asked_again(enrollment)

        assert foresee_refund()[-2:] == (
            "The payment page over 12.00 USD ends.",
            "A mail about the end goes to other@home.test.",
        )

    def test_of_a_deleted_enrollment_takes_nothing(self) -> None:
        bought()
        Enrollment.objects.update(deleted_at=utc_now())

        assert foresee_refund()[-1] == NOTHING


def asked_again(enrollment: Enrollment) -> None:
    """Leave a decision that was interrupted while Stripe was down: its page, over 12.00 USD, may still be paid."""
    checkout = CheckoutFactory(amount_minor=1200, price__workspace=enrollment.workspace)
    EnrollmentDecision.objects.create(
        workspace=enrollment.workspace,
        learner=enrollment.learner,
        instance=enrollment.instance,
        enrollment=enrollment,
        checkout=checkout,
        status="failed",
        reason="no_district",
        learner_profile={},
        context={},
    )


class TestReversingAPaymentOutsideOfStripe:
    def foresee(self, what_happened: str) -> tuple[str, ...]:
        sentences, (client, url, answers) = told("reverse", what_happened=what_happened, **REVERSE)
        assert said(client.confirm(url, answers)) == ["49.00 USD no longer counts."]
        return tuple(each for each in sentences if "invoice" not in each)

    def standing(self) -> tuple[str, str]:
        enrollment = Enrollment.objects.get()
        return enrollment.eligibility_status, enrollment.payment_status

    def test_that_was_given_back_ends_the_enrollment_and_mails_the_family(self) -> None:
        paid_at_the_desk()

        assert self.foresee("returned") == (
            "49.00 USD no longer counts.",
            "Mia Doe loses the enrollment in Art, Fall, because all of the money went back.",
            "A mail about the end goes to mia@home.test.",
        )
        assert self.standing() == ("unenrolled", "refunded")
        assert mailed() == ["mia@home.test"]

    def test_that_never_came_lets_the_learner_stay_and_owe_it(self) -> None:
        paid_at_the_desk()

        assert self.foresee("unreceived") == (
            "49.00 USD no longer counts.",
            "Mia Doe keeps the enrollment in Art, Fall, and the payment for it is pending again.",
            "A mail that the payment did not arrive goes to mia@home.test.",
        )
        assert self.standing() == ("approved", "pending")
        assert (mailed(), mailed(PAYMENT_MISSING)) == ([], ["mia@home.test"])

    def test_that_never_came_is_not_told_to_a_family_whose_mails_about_it_are_switched_off(self) -> None:
        enrollment = paid_at_the_desk()
        now = utc_now()
        letter = begin_letter(workspace_id=enrollment.workspace_id, kind=PAYMENT_MISSING, actor=STAFF, now=now)
        change_letter(letter_id=letter.pk, subject=letter.subject, body=letter.body, is_on=False, actor=STAFF, now=now)

        assert not [sentence for sentence in self.foresee("unreceived") if "mail" in sentence]
        assert mailed(PAYMENT_MISSING) == []

    @pytest.mark.parametrize(
        ("what_happened", "sentence", "standing"),
        [
            (
                "returned",
                "Mia Doe loses the enrollment in Art, Fall, because all of the money went back.",
                ("unenrolled", "refunded"),
            ),
            (
                "unreceived",
                "Mia Doe keeps the enrollment in Art, Fall, and the payment for it is pending again.",
                ("approved", "pending"),
            ),
        ],
    )
    def test_for_what_is_completed_still_ends_it_or_leaves_it_unpaid(
        self, what_happened: str, sentence: str, standing: tuple[str, str]
    ) -> None:
        enrollment = paid_at_the_desk()
        finish_participation(enrollment_id=enrollment.pk, actor=STAFF, reason="Over", now=utc_now())

        assert self.foresee(what_happened)[1] == sentence
        assert self.standing() == standing

    @pytest.mark.parametrize("what_happened", ["returned", "unreceived"])
    def test_for_what_was_rejected_takes_nothing_and_leaves_nothing_to_pay(self, what_happened: str) -> None:
        instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
        enrollment = ask_parent(instance).enrollment
        tell(Checkout.objects.get(), **EXPIRED)
        pay(enrollment)
        reject_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Full", now=utc_now())
        Notification.objects.all().delete()

        assert self.foresee(what_happened) == ("49.00 USD no longer counts.", NOTHING)
        assert self.standing() == ("rejected", "refunded")
        assert mailed() == []

    def test_for_what_was_left_takes_nothing(self) -> None:
        enrollment = paid_at_the_desk()
        unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved away", now=utc_now())

        assert self.foresee("returned")[1:] == (NOTHING,)

    def test_for_what_was_deleted_takes_nothing(self) -> None:
        paid_at_the_desk()
        Enrollment.objects.update(deleted_at=utc_now())

        assert self.foresee("returned")[1:] == (NOTHING,)
