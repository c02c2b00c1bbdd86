"""What families see of their enrollments, reached in the real way: by routing, paying, and deciding."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from accounts.sign_in import find_or_open_account
from accounts.tests.factories import GuardianFactory, GuardianshipFactory, LearnerFactory, UserFactory, proven_user
from billing.checkout import SECONDS_BETWEEN_QUESTIONS, cancel_checkout, settle_checkout
from billing.models import Checkout
from billing.outcomes import Outcome
from core.clock import utc_now
from enrollments.family.history import retell
from enrollments.family.standing import FamilyView, Standing, get_decision, list_family_enrollments, view_enrollment
from enrollments.lifecycle import reject_enrollment, unenroll_enrollment
from enrollments.models import Enrollment, EnrollmentDecision
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, route, seats
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


def ask_parent(instance: Any = None, **asked: Any) -> EnrollmentDecision:
    instance = instance or InstanceFactory()
    return route(instance.workspace, tenant_id=None, guardian_id="guardian_456", **asked).decision


def pay(stripe: SandboxProcess, decision: EnrollmentDecision, **form: str) -> None:
    checkout = Checkout.objects.get(pk=decision.checkout_id)
    stripe.pay(checkout.url, **form)
    settle_checkout(checkout_id=checkout.pk, now=utc_now())


def view(decision: EnrollmentDecision, **known: Any) -> FamilyView:
    fresh = get_decision(decision_id=decision.pk)
    return view_enrollment(enrollment=fresh.enrollment, decision=fresh, now=utc_now(), **known)


def signed_in(email: str) -> Client:
    """Return a browser in which a code has proven this address."""
    user = proven_user(email)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


class TestWhereAnEnrollmentStands:
    @pytest.mark.sqlite
    def test_to_pay_with_a_way_to_do_it(self, stripe: SandboxProcess) -> None:
        decision = ask_parent()

        seen = view(decision)

        assert (seen.standing, seen.pay_url, str(seen.amount)) == (
            Outcome.TO_PAY,
            decision.checkout.url,
            "49.00 USD",
        )

    def test_confirming_while_stripe_can_not_be_asked(self, stripe: SandboxProcess) -> None:
        seen = view(ask_parent(), is_confirmed=False)

        assert (seen.standing, seen.pay_url) == (Outcome.CONFIRMING, "")

    def test_enrolled_once_paid(self, stripe: SandboxProcess) -> None:
        decision = ask_parent()
        pay(stripe, decision)

        seen = view(decision)

        assert (seen.standing, seen.pay_url, str(seen.amount), seen.refunded) == (
            Standing.ENROLLED,
            "",
            "49.00 USD",
            None,
        )

    def test_in_review_where_a_person_decides(self, stripe: SandboxProcess) -> None:
        decision = ask_parent(InstanceFactory(review_mode=ReviewMode.MANUAL))
        pay(stripe, decision)

        assert view(decision).standing == Standing.IN_REVIEW

    def test_on_its_way_then_failed_by_bank_debit(self, stripe: SandboxProcess) -> None:
        decision = ask_parent()
        pay(stripe, decision, card="async")
        under_way = view(decision).standing
        stripe.settle(Checkout.objects.get().url, outcome="failed")
        settle_checkout(checkout_id=decision.checkout_id, now=utc_now())

        assert (under_way, view(decision).standing) == (Outcome.PROCESSING, Outcome.FAILED)

    def test_expired_when_nobody_paid(self, stripe: SandboxProcess, settings: Settings) -> None:
        decision = ask_parent()
        stripe.advance_clock(seconds=settings.CHECKOUT_MINUTES * 60 + 60)
        settle_checkout(checkout_id=decision.checkout_id, now=utc_now())

        assert view(decision).standing == Outcome.EXPIRED

    def test_cancelled_on_purpose(self, stripe: SandboxProcess) -> None:
        decision = ask_parent()
        cancel_checkout(checkout_id=decision.checkout_id, now=utc_now())

        assert view(decision).standing == Outcome.CANCELLED

    def test_refunded_with_the_amount_when_a_paid_request_is_refused(self, stripe: SandboxProcess) -> None:
        decision = ask_parent(InstanceFactory(review_mode=ReviewMode.MANUAL))
        pay(stripe, decision)
        reject_enrollment(enrollment_id=decision.enrollment_id, actor=STAFF, reason="The group is full", now=utc_now())

        seen = view(decision)

        assert (seen.standing, str(seen.refunded)) == (Outcome.REFUNDED, "49.00 USD")

    def test_not_accepted_without_a_payment(self) -> None:
        instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
        seats(instance.workspace, total=1)
        decision = route(instance.workspace).decision
        reject_enrollment(enrollment_id=decision.enrollment_id, actor=STAFF, reason="The group is full", now=utc_now())

        assert view(decision).standing == Standing.NOT_ACCEPTED

    def test_left_after_unenrolling_from_a_seat(self) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=1)
        decision = route(instance.workspace).decision
        unenroll_enrollment(enrollment_id=decision.enrollment_id, actor=STAFF, reason="Moved away", now=utc_now())

        assert view(decision).standing == Standing.LEFT

    def test_being_checked_before_any_decision(self) -> None:
        seen = view_enrollment(enrollment=CandidateFactory(), decision=None, now=utc_now())

        assert seen.standing == Standing.BEING_CHECKED


class TestItsHistory:
    def test_is_told_without_bookkeeping(self, stripe: SandboxProcess) -> None:
        decision = ask_parent()
        pay(stripe, decision)
        enrollment = Enrollment.objects.get()

        moments = retell(asked_at=enrollment.created_at, transitions=enrollment.transitions.order_by("number"))

        assert [moment.sentence for moment in moments] == [
            "Asked to enroll",
            "Meets the criteria, sent to review",
            "A payment was requested",
            "Payment received",
            "Accepted into the program",
        ]
        assert {moment.reason for moment in moments} == {""}

    def test_gives_the_reason_of_a_refusal(self) -> None:
        instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
        seats(instance.workspace, total=1)
        decision = route(instance.workspace).decision
        enrollment = reject_enrollment(
            enrollment_id=decision.enrollment_id, actor=STAFF, reason="The group is full", now=utc_now()
        )

        last = retell(asked_at=enrollment.created_at, transitions=enrollment.transitions.order_by("number"))[-1]

        assert (last.sentence, last.reason) == ("Not accepted", "The group is full")


class TestAFamily:
    def test_sees_the_learners_of_its_guardian_in_every_workspace(self) -> None:
        mine = [GuardianshipFactory(guardian=GuardianFactory(email="parent@example.test")) for _ in range(2)]
        enrollments = [
            CandidateFactory(workspace=each.learner.workspace, learner=each.learner, instance__is_default=False)
            for each in mine
        ]
        CandidateFactory()

        seen = list_family_enrollments(user=UserFactory(email="parent@example.test"))

        assert seen == enrollments[::-1]

    def test_sees_a_learner_with_its_own_address_or_account_once(self) -> None:
        user = UserFactory(email="parent@example.test")
        learner = LearnerFactory(email="Parent@example.test", user=user)
        guardian = GuardianFactory(workspace=learner.workspace, email="parent@example.test")
        GuardianshipFactory(guardian=guardian, learner=learner)
        enrollment = CandidateFactory(workspace=learner.workspace, learner=learner)

        assert list_family_enrollments(user=user) == [enrollment]

    def test_sees_nothing_of_others(self, stripe: SandboxProcess) -> None:
        ask_parent(email="other@example.test")

        page = signed_in("parent@example.test").get(reverse("my-enrollments")).content.decode()

        assert "No enrollments yet" in page
        assert "Jane" not in page

    @pytest.mark.sqlite
    def test_of_whom_a_stranger_pays_for_one_stays_unseen_by_the_stranger(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory(name="Spring term")
        paid_for = ask_parent(instance, first_name="Cleo", last_name="Doe", email="family@school.test")
        ask_parent(instance, first_name="Sibling", last_name="Doe", email="family@school.test")
        pay(stripe, paid_for, email="stranger@home.test")
        ask_parent(instance, first_name="Later", last_name="Doe", email="family@school.test")

        stranger = signed_in("stranger@home.test")

        page = stranger.get(reverse("my-enrollments")).content.decode()

        assert "Payments made with this address" in page
        assert "For Cleo" in page
        assert [name for name in ("Doe", "Sibling", "Later", "family@school.test") if name in page] == []
        assert list_family_enrollments(user=User.objects.get(email="stranger@home.test")) == []

    def test_sees_the_payment_it_made_for_its_own_learner_once(self, stripe: SandboxProcess) -> None:
        decision = ask_parent(email="parent@example.test")
        pay(stripe, decision, email="parent@example.test")

        page = signed_in("parent@example.test").get(reverse("my-enrollments")).content.decode()

        assert "Jane" in page
        assert "Payments made with this address" not in page

    def test_needs_a_proven_mailbox(self, stripe: SandboxProcess) -> None:
        ask_parent(email="parent@example.test")
        client = Client()
        client.force_login(
            UserFactory(email="parent@example.test"), backend="django.contrib.auth.backends.ModelBackend"
        )

        answer = client.get(reverse("my-enrollments"))

        assert answer.status_code == 403
        assert "Confirm your address first" in answer.content.decode()
        assert "Jane" not in answer.content.decode()

    @pytest.mark.parametrize(("zone", "written"), [("Asia/Tokyo", "JST"), ("Mars/Olympus", "UTC"), ("", "UTC")])
    def test_reads_times_in_its_own_zone_once_that_is_known(
        self, stripe: SandboxProcess, zone: str, written: str
    ) -> None:
        ask_parent(email="parent@example.test")
        client = signed_in("parent@example.test")
        client.cookies["tz"] = zone

        page = client.get(reverse("my-enrollments")).content.decode()

        assert re.search(rf"open until \w+ \d+, \d+:\d\d [AP]M {written}\.", page)

    def test_is_listed_with_as_many_queries_for_many_as_for_one(
        self, stripe: SandboxProcess, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        instance = InstanceFactory()
        for name in ("Jane", "Leo", "Mia"):
            pay(stripe, ask_parent(instance, email="parent@example.test", first_name=name))
        client = signed_in("parent@example.test")

        with django_assert_num_queries(16):
            page = client.get(reverse("my-enrollments")).content.decode()

        assert [page.count(f"{name} Doe</h2>") for name in ("Jane", "Leo", "Mia")] == [1, 1, 1]


class TestThePageAfterPaying:
    def test_converges_without_the_notice(self, client: Client, stripe: SandboxProcess) -> None:
        decision = ask_parent()
        checkout = Checkout.objects.get()
        stripe.pay(checkout.url)

        page = client.get(reverse("enroll-return"), {"session_id": checkout.stripe_session_id})

        assert "Jane is enrolled" in page.content.decode()
        assert EnrollmentDecision.objects.get(pk=decision.pk).status == "completed"
        assert "no-store" in page.headers["Cache-Control"]

    def test_tells_the_first_name_and_nothing_else_of_the_learner(self, client: Client, stripe: SandboxProcess) -> None:
        ask_parent(email="jane.private@example.test", last_name="Secretname")
        session = {"session_id": Checkout.objects.get().stripe_session_id}

        page = client.get(reverse("enroll-return"), session).content.decode()

        assert "Jane" in page
        assert "Secretname" not in page
        assert "private@example.test" not in page

    def test_waits_and_looks_again_while_stripe_is_down(self, client: Client, stripe: SandboxProcess) -> None:
        decision = ask_parent()
        stripe.faults(server_error=True)
        session = {"session_id": Checkout.objects.get().stripe_session_id}

        first = client.get(reverse("enroll-return"), session).content.decode()
        last = client.get(reverse("enroll-return"), session | {"tried": "7"}).content.decode()

        assert "We are waiting for the payment to be confirmed" in first
        assert 'data-refresh-after="2"' in first
        assert "data-refresh-after" not in last
        assert EnrollmentDecision.objects.get(pk=decision.pk).status == "checkout_required"

    def test_asks_stripe_once_however_often_it_is_reloaded(self, client: Client, stripe: SandboxProcess) -> None:
        ask_parent()
        checkout = Checkout.objects.get()
        session = {"session_id": checkout.stripe_session_id}
        client.get(reverse("enroll-return"), session)
        stripe.pay(checkout.url)

        page = client.get(reverse("enroll-return"), session).content.decode()

        assert SECONDS_BETWEEN_QUESTIONS > 1
        assert "This is not paid yet" in page

    @pytest.mark.parametrize("session_id", ["", "cs_test_unknown", "x" * 5000, "' OR 1=1"])
    def test_is_a_friendly_404_for_an_unknown_payment(self, client: Client, session_id: str) -> None:
        answer = client.get(reverse("enroll-return"), {"session_id": session_id})

        assert answer.status_code == 404
        assert "There is nothing here" in answer.content.decode()


class TestThePageAfterLeaving:
    def test_says_nothing_was_charged_and_leads_back(self, client: Client, stripe: SandboxProcess) -> None:
        decision = ask_parent()

        page = client.get(reverse("enroll-cancelled"), {"enrollment": decision.enrollment.cuid}).content.decode()

        assert "Nothing was charged" in page
        assert Checkout.objects.get().url in page

    def test_tells_the_truth_when_it_was_paid_all_the_same(self, client: Client, stripe: SandboxProcess) -> None:
        decision = ask_parent()
        stripe.pay(Checkout.objects.get().url)

        page = client.get(reverse("enroll-cancelled"), {"enrollment": decision.enrollment.cuid}).content.decode()

        assert "Jane is enrolled" in page
        assert "Nothing was charged" not in page

    @pytest.mark.parametrize("cuid", ["", "unknown", "a" * 24])
    def test_is_a_404_for_an_unknown_enrollment(self, client: Client, cuid: str) -> None:
        assert client.get(reverse("enroll-cancelled"), {"enrollment": cuid}).status_code == 404


class TestAnAccountOpenedByAsking:
    def test_shows_nothing_before_its_code(self, stripe: SandboxProcess) -> None:
        ask_parent(email="parent@example.test")
        find_or_open_account(email="parent@example.test")
        client = Client()
        client.force_login(User.objects.get(), backend="django.contrib.auth.backends.ModelBackend")

        assert "Jane" not in client.get(reverse("my-enrollments")).content.decode()
