"""The URL of an offline payment's invoice, and the buttons by which staff record and reverse such a payment."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.states import Role
from accounts.tests.factories import LearnerFactory
from backoffice.tests.staff_client import StaffClient, said
from billing.invoice_links import invoice_url, revoke_invoice_link
from billing.models import Checkout, Invoice, Payment, Refund
from billing.offline import reverse_offline_payment
from billing.tests.factories import paid
from billing.tests.snapshots import EXPIRED, tell
from core.clock import utc_now
from enrollments.letters import APPROVED, PAYMENT_RECORDED
from enrollments.lifecycle import approve_enrollment
from enrollments.models import Enrollment, ProgramInstance
from enrollments.on_account import enroll_on_account
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, InstanceFactory
from notifications.models import Notification
from notifications.wording import begin_letter, change_letter

from .parents import ask_parent
from .test_offline import USER, pay

pytestmark = pytest.mark.django_db


@pytest.fixture
def enrollment() -> Enrollment:
    """Return an enrollment on account, with the payment pending."""
    course: ProgramInstance = InstanceFactory()
    LearnerFactory(workspace=course.workspace, external_id=USER, email="mia@home.test")
    return enroll_on_account(
        workspace_id=course.workspace_id, course_id=course.pk, user_id=USER, actor=STAFF, now=utc_now()
    )


class TestTheLink:
    def link(self, payment: Payment) -> str:
        return "/" + invoice_url(payment).partition("://")[2].partition("/")[2]

    def test_dies_when_it_is_revoked_and_another_one_works(self, enrollment: Enrollment) -> None:
        payment = pay(enrollment)
        before = self.link(payment)

        renewed = revoke_invoice_link(payment_id=payment.pk)

        assert Client().get(before).status_code == 404
        assert Client().get(self.link(renewed)).status_code == 200

    @pytest.mark.parametrize("forged", ["1-1", "1-1.x", "x", "1-1.", "-.x", "%00"])
    def test_can_t_be_forged(self, enrollment: Enrollment, forged: str) -> None:
        payment = pay(enrollment)

        assert Client().get(f"/invoices/{forged}").status_code == 404
        signature = self.link(payment).rpartition(".")[2]
        assert Client().get(f"/invoices/{payment.pk + 1}-1.{signature}").status_code == 404

    @pytest.mark.sqlite
    def test_says_that_the_invoice_is_being_made_until_it_is_there(self, enrollment: Enrollment) -> None:
        payment = pay(enrollment)
        Invoice.objects.all().delete()

        answer = Client().get(self.link(payment))

        assert answer.status_code == 202
        assert b"being issued" in answer.content

    def test_leads_nowhere_for_money_that_never_counted(self, enrollment: Enrollment) -> None:
        payment = paid()
        Payment.objects.filter(pk=payment.pk).update(status="pending")

        assert Client().get(self.link(payment)).status_code == 404


class TestStaff:
    @pytest.fixture
    def desk(self, enrollment: Enrollment) -> StaffClient:
        return StaffClient(workspace=enrollment.workspace, role=Role.ADMIN)

    def button(self, kind: str, row: Any, name: str) -> str:
        return reverse(f"admin:{kind}_{name}", args=[row.pk])

    def test_record_a_payment_at_the_price(self, desk: StaffClient, enrollment: Enrollment) -> None:
        url = self.button("enrollments_enrollment", enrollment, "record_payment")
        page = desk.get(url).content.decode()

        answer = desk.confirm(url, {"amount": "49.00", "means": "check", "reference": "No. 7", "note": "At the desk"})

        assert "The price is 49.00 USD" in page
        assert said(answer) == [f"{enrollment.person}, {enrollment.instance}: 49.00 USD is recorded."]
        payment = Payment.objects.get()
        assert (payment.means, payment.reference, payment.note) == ("check", "No. 7", "At the desk")
        assert payment.recorded_by == f"user:{desk.user.pk}"

    @pytest.mark.usefixtures("stripe")
    def test_record_one_although_a_payment_page_is_open(self) -> None:
        decision = ask_parent(InstanceFactory())
        desk = StaffClient(workspace=decision.workspace, role=Role.ADMIN)

        desk.confirm(
            self.button("enrollments_enrollment", decision.enrollment, "record_payment"),
            {"amount": "49.00", "means": "cash"},
        )

        assert [each.means for each in Payment.objects.all()] == ["cash"]
        assert Checkout.objects.get(pk=decision.checkout_id).status == "cancelled"

    MONEY = {"amount": "49.00", "means": "cash"}

    def foresee(self, desk: StaffClient, enrollment: Enrollment) -> tuple[tuple[str, ...], str]:
        """Return what is foreseen before anything is recorded, and record it."""
        url = self.button("enrollments_enrollment", enrollment, "record_payment")
        told = self.foresee_again(desk, enrollment)
        assert not Payment.objects.exists()
        Notification.objects.all().delete()
        assert "is recorded" in said(desk.confirm(url, self.MONEY))[0]
        return told

    def foresee_again(self, desk: StaffClient, enrollment: Enrollment) -> tuple[tuple[str, ...], str]:
        url = self.button("enrollments_enrollment", enrollment, "record_payment")
        ((_, preview),) = desk.post(url, self.MONEY).context["previews"]
        return preview.sentences, preview.mails

    def test_are_told_that_one_who_takes_part_already_is_mailed_about_the_money_alone(
        self, desk: StaffClient, enrollment: Enrollment
    ) -> None:
        assert self.foresee(desk, enrollment) == (
            (f"49.00 USD for {enrollment.person}, {enrollment.instance} counts as paid (cash), with an invoice.",),
            "A mail about the payment, with the address of the invoice, goes to mia@home.test.",
        )
        assert list(Notification.objects.values_list("kind", flat=True)) == [PAYMENT_RECORDED]

    def test_are_told_of_no_mail_that_is_switched_off(self, desk: StaffClient, enrollment: Enrollment) -> None:
        now = utc_now()
        letter = begin_letter(workspace_id=enrollment.workspace_id, kind=PAYMENT_RECORDED, actor=STAFF, now=now)
        change_letter(letter_id=letter.pk, subject=letter.subject, body=letter.body, is_on=False, actor=STAFF, now=now)

        assert self.foresee(desk, enrollment)[1] == "No mail is sent."
        assert Notification.objects.count() == 0

    @pytest.mark.usefixtures("stripe")
    def test_are_told_which_page_ends_and_that_the_learner_is_accepted(self) -> None:
        enrollment = ask_parent(InstanceFactory()).enrollment
        desk = StaffClient(workspace=enrollment.workspace, role=Role.FINANCE)

        assert self.foresee(desk, enrollment) == (
            (
                f"49.00 USD for Jane Doe, {enrollment.instance} counts as paid (cash), with an invoice.",
                "The payment page over 49.00 USD ends.",
                f"Jane Doe takes part in {enrollment.instance} from now on.",
            ),
            "A mail about the payment, with the address of the invoice, goes to jane@school.test. "
            "A mail about the acceptance goes to jane@school.test.",
        )
        assert sorted(Notification.objects.values_list("kind", flat=True)) == sorted([APPROVED, PAYMENT_RECORDED])
        assert Enrollment.objects.get().eligibility_status == "approved"

    @pytest.mark.usefixtures("stripe_is_not_asked")
    def test_are_told_that_one_who_was_accepted_before_the_money_is_mailed_so_once(self) -> None:
        enrollment = ask_parent(InstanceFactory(review_mode=ReviewMode.MANUAL)).enrollment
        tell(Checkout.objects.get(), **EXPIRED)
        approve_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())
        desk = StaffClient(workspace=enrollment.workspace, role=Role.FINANCE)

        _, mails = self.foresee(desk, enrollment)
        mailed = sorted(Notification.objects.values_list("kind", flat=True))
        payment = Payment.objects.get()
        reverse_offline_payment(payment_id=payment.pk, is_returned=False, note="Bounced", actor=STAFF, now=utc_now())
        _, again = self.foresee_again(desk, enrollment)

        about_the_money = "A mail about the payment, with the address of the invoice, goes to jane@school.test."
        assert mails == f"{about_the_money} A mail about the acceptance goes to jane@school.test."
        assert again == about_the_money
        assert mailed == sorted([APPROVED, PAYMENT_RECORDED])

    @pytest.mark.usefixtures("stripe_is_not_asked")
    def test_are_told_of_no_acceptance_where_a_person_reviews(self) -> None:
        enrollment = ask_parent(InstanceFactory(review_mode=ReviewMode.MANUAL)).enrollment
        tell(Checkout.objects.get(), **EXPIRED)
        desk = StaffClient(workspace=enrollment.workspace, role=Role.FINANCE)

        sentences, mails = self.foresee(desk, enrollment)

        assert (len(sentences), "acceptance" in mails) == (1, False)
        assert Enrollment.objects.get().eligibility_status == "submitted"

    def test_who_review_record_none(self, enrollment: Enrollment) -> None:
        reviewer = StaffClient(workspace=enrollment.workspace, role=Role.REVIEWER)

        reviewer.confirm(self.button("enrollments_enrollment", enrollment, "record_payment"), self.MONEY)

        assert not Payment.objects.exists()

    def test_can_t_record_another_amount(self, desk: StaffClient, enrollment: Enrollment) -> None:
        url = self.button("enrollments_enrollment", enrollment, "record_payment")

        answer = desk.confirm(url, {"amount": "48.00", "means": "cash"})

        assert "The price is 49.00 USD: record it once all of it is here." in answer.content.decode()
        assert not Payment.objects.exists()

    def test_reverse_it_with_a_reason(self, desk: StaffClient, enrollment: Enrollment) -> None:
        payment = pay(enrollment)
        url = self.button("billing_payment", payment, "reverse")

        without = desk.confirm(url, {"what_happened": "unreceived", "note": ""})
        answer = desk.confirm(url, {"what_happened": "unreceived", "note": "The check bounced"})

        assert "This field is required" in without.content.decode()
        assert said(answer) == ["49.00 USD no longer counts."]
        refund = Refund.objects.get()
        assert (refund.note, refund.requested_by, refund.status) == ("The check bounced", desk.user, "succeeded")

    @pytest.mark.sqlite
    def test_are_told_the_new_address_when_they_revoke_one(self, desk: StaffClient, enrollment: Enrollment) -> None:
        payment = pay(enrollment)

        answer = desk.post(self.button("billing_payment", payment, "revoke_link"))

        assert "/invoices/" in said(answer)[0]
        assert Payment.objects.get().invoice_link == 2
