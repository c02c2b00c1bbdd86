"""A code on the router's parent path."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from billing import invariants as billing_invariants
from billing.errors import VoucherNotAccepted, VoucherTooLate
from billing.models import Checkout, Discount, Payment, Voucher
from billing.tests.factories import VoucherFactory
from core.clock import utc_now
from core.invariants import Extent
from enrollments import invariants
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import Enrollment, EnrollmentDecision, ProgramInstance
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, route, seats
from sandbox.testing import SandboxProcess

from .applicants import fill_in, mailed_link, press
from .graph import Graph
from .integrators import Api
from .parents import pay

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def instance() -> ProgramInstance:
    made: ProgramInstance = InstanceFactory(review_mode=ReviewMode.AUTOMATIC)
    return made


def voucher_for(instance: ProgramInstance, **fields: Any) -> Voucher:
    made: Voucher = VoucherFactory(workspace=instance.workspace, code="SPRING-25", **fields)
    return made


def broken() -> set[str]:
    extent = Extent(now=utc_now(), workspace_id=None)
    rules = (*invariants.INVARIANTS, *billing_invariants.INVARIANTS)
    return {rule.__name__ for rule in rules if list(rule(extent))}


def asked(instance: ProgramInstance, **more: Any) -> Any:
    return route(instance.workspace, tenant_id=None, guardian_id="guardian_1", instance=instance, **more)


class TestACodeForWhatAParentPays:
    def test_lowers_the_checkout_and_is_told_with_the_decision(
        self, stripe: SandboxProcess, instance: ProgramInstance
    ) -> None:
        voucher_for(instance, only_for=f"program:{instance.program_id}")

        routed = asked(instance, voucher="spring-25")

        answer = routed.answer()
        assert (answer["list_minor"], answer["discount_minor"], answer["currency"]) == (4900, 1225, "usd")
        assert answer["discount"] == "Voucher SPRING-25"
        assert routed.decision.trace[-1]["rule"] == "discount.granted"
        assert stripe.ledger()["sessions"][0]["amount"] == 3675

        again = asked(instance, voucher="SPRING-25")
        assert again.decision.pk == routed.decision.pk
        with pytest.raises(VoucherTooLate):
            asked(instance, voucher="OTHER-CODE")

        pay(stripe, routed.decision)
        assert (Payment.objects.get().amount_minor, Discount.objects.get().status) == (3675, "used")
        assert broken() == set()

    def test_that_takes_all_off_completes_the_decision(self, instance: ProgramInstance) -> None:
        voucher_for(instance, kind="free", most_uses=1)

        decision = asked(instance, voucher="SPRING-25").decision

        enrollment = decision.enrollment
        assert (decision.status, decision.checkout_id, decision.payment_id) == ("completed", None, None)
        assert decision.message == "Successfully enrolled: nothing is left to pay (Voucher SPRING-25)"
        assert (enrollment.eligibility_status, enrollment.payment_status) == ("approved", "not_required")
        assert enrollment.transitions.get(facet="payment", to_status="not_required").reason == "Voucher SPRING-25"
        assert not Checkout.objects.exists()
        assert broken() == set()

        unenroll_enrollment(enrollment_id=enrollment.pk, reason="Moved", actor=STAFF, now=utc_now())
        assert (EnrollmentDecision.objects.get().status, Voucher.objects.get().uses) == ("released", 1)
        assert broken() == set()

    def test_that_is_not_accepted_writes_nothing(self, instance: ProgramInstance) -> None:
        with pytest.raises(VoucherNotAccepted):
            asked(instance, voucher="NO-SUCH-CODE")

        assert not EnrollmentDecision.objects.exists()

    def test_is_not_used_where_a_district_has_a_seat(self, instance: ProgramInstance) -> None:
        voucher_for(instance)
        seats(instance.workspace, total=1)

        decision = route(instance.workspace, instance=instance, voucher="SPRING-25").decision

        assert (decision.provision_source, Voucher.objects.get().uses) == ("district", 0)

    def test_is_a_field_of_the_request_that_a_refusal_names(self, instance: ProgramInstance) -> None:
        context = {"guardian_id": "guardian_1", "program_instance_id": instance.cuid}

        answer = Api(instance.workspace).enroll(context=context, voucher="NO-SUCH-CODE")

        assert (answer.status_code, answer.json()["code"]) == (422, "voucher_not_accepted")
        assert [error["field"] for error in answer.json()["errors"]] == ["voucher"]


class TestACodeOfAnApplication:
    @pytest.fixture
    def link(self, instance: ProgramInstance) -> str:
        ProgramInstance.objects.filter(pk=instance.pk).update(takes_applications=True)
        fill_in(instance)
        return mailed_link()

    def test_lowers_what_is_paid_once_the_address_is_proven(
        self, stripe: SandboxProcess, instance: ProgramInstance, link: str
    ) -> None:
        voucher_for(instance)

        asks = Client().get(link, follow=True).content.decode()
        answer = press(link, voucher=" spring-25 ")
        too_late = press(link, "pay", voucher="OTHER-CODE")

        assert 'name="voucher"' in asks
        assert 'Voucher code <span class="optional">(optional)</span>' in asks
        assert "36.75 USD" in Client().get(answer["Location"], follow=True).content.decode()
        assert stripe.ledger()["sessions"][0]["amount"] == 3675
        assert too_late.status_code == 409
        told = too_late.content.decode()
        assert "Continue to payment" in told
        assert "A payment page without this code is open. Pay there, or wait until it is over." in told

    def test_that_is_not_accepted_leaves_the_application_and_another_one_completes_it(
        self, instance: ProgramInstance, link: str
    ) -> None:
        voucher_for(instance, kind="free")

        wrong = press(link, voucher="NO-SUCH-CODE")
        pending = Enrollment.objects.get().payment_status
        right = press(link, "pay", voucher="SPRING-25")

        assert (wrong.status_code, pending) == (422, "pending")
        assert "This code can&#x27;t be used here." in wrong.content.decode()
        assert 'value="NO-SUCH-CODE"' in wrong.content.decode()
        assert right.status_code == 302
        assert (Enrollment.objects.get().payment_status, Voucher.objects.get().uses) == ("not_required", 1)
        assert broken() == set()

    def test_is_not_looked_at_after_too_many(self, instance: ProgramInstance, link: str, settings: Settings) -> None:
        settings.VOUCHER_TRIES_PER_HOUR = 1
        voucher_for(instance)

        press(link, voucher="NO-SUCH-CODE")
        answer = press(link, "pay", voucher="SPRING-25")

        assert answer.status_code == 429
        assert Voucher.objects.get().uses == 0


class TestEnrollingByGraphql:
    def test_asks_nobody_for_money_so_it_takes_no_code(self, instance: ProgramInstance) -> None:
        """Payers use the router, a form, or a course page, each of which accepts a code."""
        graph = Graph(instance.workspace)
        enrollment = CandidateFactory(workspace=instance.workspace, instance=instance)

        for step in ("evaluate", "submit"):
            graph.ask(f'mutation {{ {step}Enrollment(id: "{enrollment.cuid}") {{ id }} }}')

        assert Enrollment.objects.get().eligibility_status == "approved"
        assert not Checkout.objects.exists()
