"""A program whose price Stripe rejects: the decision fails at once, and the next one uses the corrected price."""

import pytest
from django.test import Client

from accounts.models import StaffTask
from accounts.tests.factories import bearer
from billing.errors import PaymentRejected
from billing.models import Checkout, Price
from billing.outcomes import Outcome
from core.clock import utc_now
from enrollments.family.standing import get_decision, view_enrollment
from enrollments.models import EnrollmentDecision
from enrollments.tests.factories import InstanceFactory
from sandbox.testing import SandboxProcess

from .parents import ask_parent

pytestmark = pytest.mark.django_db(transaction=True)

BODY = {
    "learner_profile": {"email": "student@school.edu", "first_name": "Jane", "last_name": "Doe"},
    "context": {"guardian_id": "g1"},
}


class TestARefusedDecision:
    @pytest.mark.sqlite
    def test_is_told_by_the_api_with_a_stable_code_and_nothing_of_the_vendor_s(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        Price.objects.update(stripe_price_id="price_archived")

        answer = Client().post(
            "/api/enroll",
            BODY,
            content_type="application/json",
            headers=bearer(workspace=instance.workspace) | {"Idempotency-Key": "k1"},
        )

        decision = EnrollmentDecision.objects.get()
        assert (answer.status_code, answer.json()["code"]) == (409, "payment_rejected")
        assert answer.json()["decision_id"] == decision.pk
        assert "price_" not in answer.content.decode()
        assert (decision.status, decision.checkout.status) == ("failed", "refused")
        assert StaffTask.objects.get().kind == "checkout_refused"

    def test_is_followed_by_one_at_the_mended_price(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        Price.objects.update(stripe_price_id="price_archived")
        with pytest.raises(PaymentRejected):
            ask_parent(instance)
        Price.objects.update(stripe_price_id="", amount_minor=3900)

        decision = ask_parent(instance)

        assert (decision.status, decision.checkout.amount_minor) == ("checkout_required", 3900)
        assert EnrollmentDecision.objects.count() == 2
        assert sorted(Checkout.objects.values_list("status", flat=True)) == ["open", "refused"]

    def test_is_shown_to_the_family_in_their_words(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        Price.objects.update(stripe_price_id="price_archived")
        with pytest.raises(PaymentRejected):
            ask_parent(instance)
        decision = get_decision(decision_id=EnrollmentDecision.objects.get().pk)

        view = view_enrollment(enrollment=decision.enrollment, decision=decision, now=utc_now())
        page = Client().get("/enroll/cancelled", {"enrollment": decision.enrollment.cuid})

        assert (view.standing, view.pay_url) == (Outcome.NOT_PAYABLE, "")
        assert page.status_code == 200
        assert "be paid at the moment" in page.content.decode()
        assert "price_" not in page.content.decode()
