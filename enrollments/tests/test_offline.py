"""Money that comes outside of Stripe: recorded by an integrator or staff, checked against the price, and reversed."""

import datetime as dt
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from accounts.models import StaffTask
from accounts.tests.factories import LearnerFactory, bearer
from billing import invariants as of_money
from billing.checkout import record_session
from billing.checkout.outcome import record_nothing_sent
from billing.errors import AlreadyPaid, PaymentNotRefundable, PaymentProviderDown
from billing.models import Checkout, Invoice, Payment, Refund
from billing.offline import Proof, reverse_offline_payment
from billing.purposes import Service
from billing.states import OfflineMeans
from billing.tests.factories import PaymentFactory
from billing.tests.snapshots import session
from core.actors import SYSTEM, Actor
from core.clock import utc_now
from core.invariants import Extent
from enrollments import invariants as of_enrollments
from enrollments import offline
from enrollments.deletion import delete_enrollment
from enrollments.errors import EnrollmentOver, NothingToPay, PaymentOnItsWay
from enrollments.letters import write_end, write_rejection
from enrollments.lifecycle import finish_participation, unenroll_enrollment
from enrollments.models import Enrollment, EnrollmentDecision, EnrollmentTransition, ProgramInstance
from enrollments.offline import pay_offline
from enrollments.on_account import enroll_on_account
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory
from enrollments.tests.integrators import Api, fields
from enrollments.tests.parents import ask_parent
from events.models import OutboxEvent
from notifications.models import Notification
from notifications.sending import send_due_notifications

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stripe_is_not_asked")]

USER = "63a1f1234abc5678def12345"


@pytest.fixture
def course() -> ProgramInstance:
    made: ProgramInstance = InstanceFactory()
    return made


@pytest.fixture
def enrollment(course: ProgramInstance) -> Enrollment:
    """Return an enrollment on account, with the payment pending."""
    LearnerFactory(workspace=course.workspace, external_id=USER, email="mia@home.test")
    return enroll_on_account(
        workspace_id=course.workspace_id, course_id=course.pk, user_id=USER, actor=STAFF, now=utc_now()
    )


@pytest.fixture
def api(course: ProgramInstance) -> Api:
    return Api(course.workspace)


def pay(enrollment: Enrollment) -> Payment:
    return pay_offline(enrollment_id=enrollment.pk, proof=Proof(OfflineMeans.CASH, STAFF), now=utc_now())


def status(enrollment: Enrollment) -> tuple[str, str, str]:
    now = Enrollment.objects.get(pk=enrollment.pk)
    return now.eligibility_status, now.participation_status, now.payment_status


def broken() -> set[str]:
    """Return the rules about money and enrollments that do not hold in ten minutes."""
    extent = Extent(now=utc_now() + dt.timedelta(minutes=10), workspace_id=None)
    rules = [*of_money.INVARIANTS, *of_enrollments.INVARIANTS]
    return {rule.__name__ for rule in rules if list(rule(extent))}


def written() -> tuple[int, int, int]:
    return Payment.objects.count(), Invoice.objects.count(), OutboxEvent.objects.count()


class TestPatchPaid:
    def test_answers_as_the_document_s_example(self, api: Api, enrollment: Enrollment) -> None:
        answer = api.patch("/api/enrolment/paid", {"enrolment_id": enrollment.pk})

        assert answer.status_code == 200
        told = answer.json()
        url = told.pop("invoice_url")
        assert told == {
            "id": enrollment.pk,
            "user_id": USER,
            "course_id": enrollment.instance_id,
            "status": "active",
            "payment_status": "paid",
        }
        assert url.startswith("http://")

    def test_gives_the_address_of_an_invoice_that_exists_at_once(self, api: Api, enrollment: Enrollment) -> None:
        url = api.patch("/api/enrolment/paid", {"enrolment_id": enrollment.pk}).json()["invoice_url"]

        paid = Enrollment.objects.get(pk=enrollment.pk)
        days = (paid.first_day, paid.last_day)
        assert Invoice.objects.get().service == Service(enrollment.person.first_name, enrollment.person.cuid, *days)
        answer = Client().get("/" + url.partition("://")[2].partition("/")[2])

        assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
        assert answer.content.startswith(b"%PDF")
        assert answer["Referrer-Policy"] == "no-referrer"
        assert api.get(f"/api/enrolment/{enrollment.pk}").json()["invoice_url"] == url

    def test_keeps_method_reference_and_who_says_so(self, api: Api, enrollment: Enrollment) -> None:
        body = {"enrolment_id": enrollment.pk, "method": "bank_transfer", "reference": "TR-77"}

        api.patch("/api/enrolment/paid", body)

        payment = Payment.objects.get()
        assert (payment.method, payment.means, payment.reference) == ("offline", "bank_transfer", "TR-77")
        assert payment.recorded_by.startswith("key:")
        assert (payment.amount_minor, payment.currency, payment.status) == (4900, "usd", "paid")
        last = EnrollmentTransition.objects.order_by("number").last()
        assert last is not None
        assert (last.to_status, last.reason, last.actor) == ("paid", "Bank transfer", payment.recorded_by)

    def test_tells_the_family_with_the_address_of_the_invoice(self, api: Api, enrollment: Enrollment) -> None:
        PaymentFactory()
        url = api.patch("/api/enrolment/paid", {"enrolment_id": enrollment.pk}).json()["invoice_url"]

        send_due_notifications(now=utc_now())
        letter = mail.outbox[-1]
        assert letter.to == ["mia@home.test"]
        assert "49.00 USD for Jane" in letter.body
        assert url in letter.body

    def test_is_refused_to_a_key_without_the_scope(self, api: Api, enrollment: Enrollment) -> None:
        """The hole: anybody could mark anything as paid."""
        api.headers = bearer(workspace=enrollment.workspace, scopes=["enrollments:write", "enrollments:read"])

        answer = api.patch("/api/enrolment/paid", {"enrolment_id": enrollment.pk})

        assert (answer.status_code, status(enrollment)[2]) == (403, "pending")

    def test_knows_no_enrolment_of_another_workspace(self, enrollment: Enrollment) -> None:
        answer = Api(InstanceFactory().workspace).patch("/api/enrolment/paid", {"enrolment_id": enrollment.pk})

        assert (answer.status_code, status(enrollment)[2]) == (404, "pending")

    @pytest.mark.parametrize(
        ("more", "field"),
        [
            ({"amount_minor": 4800}, "amount_minor"),
            ({"currency": "eur"}, "currency"),
            ({"method": "barter"}, "method"),
            ({"enrolment_id": "1"}, "enrolment_id"),
        ],
    )
    def test_names_the_field_that_is_wrong_and_changes_nothing(
        self, api: Api, enrollment: Enrollment, more: dict[str, Any], field: str
    ) -> None:
        before = written()

        answer = api.patch("/api/enrolment/paid", {"enrolment_id": enrollment.pk} | more)

        assert (answer.status_code, fields(answer)) == (422, [field])
        assert written() == before

    def test_is_refused_the_second_time(self, api: Api, enrollment: Enrollment) -> None:
        api.patch("/api/enrolment/paid", {"enrolment_id": enrollment.pk})
        before = written()

        answer = api.patch("/api/enrolment/paid", {"enrolment_id": enrollment.pk})

        assert (answer.status_code, answer.json()["code"]) == (409, "already_paid")
        assert written() == before


class TestAnEnrollment:
    def test_that_costs_nothing_can_t_be_paid(self) -> None:
        with pytest.raises(NothingToPay):
            pay(CandidateFactory())

    def test_that_has_ended_can_t_be_paid(self, enrollment: Enrollment) -> None:
        unenroll_enrollment(enrollment_id=enrollment.pk, reason="Moved", actor=STAFF, now=utc_now())

        with pytest.raises(EnrollmentOver):
            pay(enrollment)

    def test_that_is_completed_owes_what_it_owed(self, enrollment: Enrollment) -> None:
        finish_participation(enrollment_id=enrollment.pk, actor=SYSTEM, reason="expired", now=utc_now())

        payment = pay(enrollment)

        assert (payment.status, payment.amount_minor) == ("paid", 4900)
        assert status(enrollment) == ("approved", "completed", "paid")
        assert broken() == set()

    def test_that_waits_for_its_parent_is_approved_once_it_is_paid(self, course: ProgramInstance) -> None:
        decision = ask_parent(course)
        checkout = Checkout.objects.get(pk=decision.checkout_id)
        Checkout.objects.filter(pk=checkout.pk).update(expires_at=utc_now() - dt.timedelta(days=1))

        with pytest.MonkeyPatch.context() as patch:  # Stripe has never heard of it
            patch.setattr("billing.checkout.session.get_gateway", lambda: NoSessions())
            pay(decision.enrollment)

        assert status(decision.enrollment) == ("approved", "active", "paid")
        assert Checkout.objects.get().status == "cancelled"
        assert EnrollmentDecision.objects.get().status == "cancelled"


class NoSessions:
    def find_session(self, **_: Any) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **more: iter(())


class TestAnOpenCheckout:
    def test_that_the_payer_was_faster_with_counts_instead(
        self, course: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decision = ask_parent(course)

        def pay_first(*, checkout_id: int, now: dt.datetime) -> Checkout:
            return record_session(
                checkout_id=checkout_id, session=session(Checkout.objects.get(pk=checkout_id)), now=now
            )

        monkeypatch.setattr(offline, "cancel_checkout", pay_first)

        with pytest.raises(AlreadyPaid):
            pay(decision.enrollment)

        assert Payment.objects.get().method == "stripe"
        assert status(decision.enrollment)[2] == "paid"

    @pytest.mark.sqlite
    def test_that_can_t_be_ended_leaves_everything_as_it_is(
        self, course: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decision = ask_parent(course)

        def is_down(**_: Any) -> Checkout:
            raise PaymentProviderDown

        monkeypatch.setattr(offline, "cancel_checkout", is_down)
        before = written()

        with pytest.raises(PaymentProviderDown):
            pay(decision.enrollment)

        assert written() == before
        assert status(decision.enrollment)[2] == "pending"

    def test_whose_bank_is_working_is_waited_for(self, course: ProgramInstance) -> None:
        decision = ask_parent(course)
        checkout = Checkout.objects.get(pk=decision.checkout_id)
        checkout.await_bank()
        checkout.save()

        with pytest.raises(PaymentOnItsWay):
            pay(decision.enrollment)

        assert Checkout.objects.get().cancel_requested_at is None

    def test_that_is_opened_over_and_over_is_not_chased_for_ever(
        self, course: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decision = ask_parent(course)
        asked: list[int] = []
        monkeypatch.setattr(offline, "cancel_checkout", lambda checkout_id, now: asked.append(checkout_id))

        with pytest.raises(PaymentOnItsWay):
            pay(decision.enrollment)

        assert asked == [decision.checkout_id] * 3
        assert not Payment.objects.exists()


class TestAPaymentOfStripeThatArrivesLater:
    def test_goes_back_as_a_duplicate(self, course: ProgramInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        decision = ask_parent(course)
        monkeypatch.setattr(
            offline, "cancel_checkout", lambda checkout_id, now: record_nothing_sent(checkout_id=checkout_id, now=now)
        )
        pay(decision.enrollment)

        checkout = Checkout.objects.get(pk=decision.checkout_id)
        record_session(checkout_id=checkout.pk, session=session(checkout), now=utc_now())

        refund = Refund.objects.get()
        assert (refund.reason, refund.amount_minor, refund.payment.method) == ("duplicate", 4900, "stripe")
        assert status(decision.enrollment) == ("approved", "active", "paid")


def reverse_(payment: Payment, *, is_returned: bool) -> Payment:
    return reverse_offline_payment(
        payment_id=payment.pk, is_returned=is_returned, note="Bounced", actor=Actor("user", 9), now=utc_now()
    )


class TestReversing:
    def test_what_never_came_leaves_the_learner_with_the_payment_pending(self, enrollment: Enrollment) -> None:
        payment = pay(enrollment)

        reverse_(payment, is_returned=False)

        assert status(enrollment) == ("approved", "active", "pending")
        assert Payment.objects.get().status == "refunded"
        last = EnrollmentTransition.objects.order_by("number").last()
        assert last is not None
        assert (last.from_status, last.to_status, last.actor) == ("paid", "pending", "user:9")

    @pytest.mark.parametrize(("is_paid_again", "told"), [(False, 1), (True, 0)])
    def test_what_never_came_tells_the_family_unless_it_has_paid_again(
        self, enrollment: Enrollment, is_paid_again: bool, told: int
    ) -> None:
        payment = pay(enrollment)
        Notification.objects.all().delete()
        reverse_(payment, is_returned=False)
        if is_paid_again:
            pay(enrollment)

        send_due_notifications(now=utc_now())

        letters = [letter for letter in mail.outbox if letter.subject.endswith("did not arrive")]
        assert [(letter.to, "49.00 USD is to be paid for it." in letter.body) for letter in letters] == [
            (["mia@home.test"], True)
        ] * told

    def test_what_was_given_back_ends_the_enrollment(self, enrollment: Enrollment) -> None:
        payment = pay(enrollment)

        reverse_(payment, is_returned=True)

        assert status(enrollment) == ("unenrolled", "withdrawn", "refunded")

    def test_issues_a_correction_of_the_whole_invoice(self, enrollment: Enrollment) -> None:
        payment = pay(enrollment)

        reverse_(payment, is_returned=False)

        invoice, correction = Invoice.objects.order_by("pk")
        assert (invoice.amount_minor, correction.amount_minor, correction.corrects_id) == (4900, -4900, invoice.pk)

    def test_lets_it_be_paid_again(self, enrollment: Enrollment) -> None:
        reverse_(pay(enrollment), is_returned=False)

        again = pay(enrollment)

        assert (again.status, status(enrollment)[2]) == ("paid", "paid")

    def test_is_refused_twice_and_for_money_of_stripe(self, enrollment: Enrollment) -> None:
        payment = pay(enrollment)
        reverse_(payment, is_returned=False)
        before = written()

        with pytest.raises(PaymentNotRefundable):
            reverse_(payment, is_returned=False)

        assert written() == before
        assert Refund.objects.count() == 1

    def test_what_paid_for_an_ended_enrollment_only_notes_it(self, enrollment: Enrollment) -> None:
        payment = pay(enrollment)
        unenroll_enrollment(enrollment_id=enrollment.pk, reason="Moved", actor=STAFF, now=utc_now())

        reverse_(payment, is_returned=False)

        assert status(enrollment) == ("unenrolled", "withdrawn", "refunded")


class TestAPaidEnrollmentThatEnds:
    @pytest.mark.parametrize("end", ["unenroll", "delete"])
    def test_asks_staff_what_to_give_back(self, enrollment: Enrollment, end: str) -> None:
        payment = pay(enrollment)

        if end == "unenroll":
            unenroll_enrollment(enrollment_id=enrollment.pk, reason="Moved", actor=STAFF, now=utc_now())
        else:
            delete_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())

        assert StaffTask.objects.get().subject == f"payment:{payment.pk}"
        assert not Refund.objects.exists()

    def test_promises_no_mail_about_money_that_staff_return_by_hand(self, enrollment: Enrollment) -> None:
        pay(enrollment)
        in_cash = Enrollment.objects.get(pk=enrollment.pk)
        by_stripe = CandidateFactory()
        Enrollment.objects.filter(pk=by_stripe.pk).update(payment_status="paid")

        ended = write_end(in_cash, reason="Moved")
        rejected = write_rejection(in_cash, reason="Full", was_paid=True)
        control = write_end(Enrollment.objects.get(pk=by_stripe.pk), reason="Moved")

        assert all("please ask us what is returned of it" in letter.text for letter in (ended, rejected))
        assert not any("we will write" in letter.text for letter in (ended, rejected))
        assert "we will write to the person who paid" in control.text


class TestTheBooks:
    def test_are_in_order_at_each_stage(self, enrollment: Enrollment) -> None:
        found = [broken()]
        payment = pay(enrollment)
        found.append(broken())
        reverse_(payment, is_returned=False)
        found.append(broken())
        reverse_(pay(enrollment), is_returned=True)
        found.append(broken())

        assert found == [set(), set(), set(), set()]
