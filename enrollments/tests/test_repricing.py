"""A program whose price changes while a parent has the payment page open."""

import pytest
from django.test import Client

from billing.checkout import check_due_checkouts, settle_checkout
from billing.models import Checkout, Price
from core.clock import utc_now
from core.invariants import Extent
from enrollments.errors import NotForSale
from enrollments.invariants import live_checkouts_are_wanted, waiting_decisions_can_be_paid
from enrollments.models import EnrollmentDecision, ProgramInstance
from enrollments.tests.factories import InstanceFactory
from sandbox.testing import SandboxProcess

from .parents import ask_parent, fresh, pay

pytestmark = pytest.mark.django_db(transaction=True)


def lower(instance: ProgramInstance) -> None:
    instance.price = Price.objects.create(workspace=instance.workspace, name="Less", amount_minor=3900)
    instance.save()


def asked(stripe: SandboxProcess) -> list[tuple[str, int]]:
    return [(session["status"], session["amount"]) for session in stripe.ledger()["sessions"]]


class TestADecisionThatWaitsForPayment:
    def test_leads_the_next_request_to_the_new_price(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        first = ask_parent(instance)
        lower(instance)

        again = ask_parent(instance)

        assert again.pk == first.pk
        assert (again.status, again.checkout.amount_minor) == ("checkout_required", 3900)
        assert again.checkout.url.startswith(stripe.url)
        assert asked(stripe) == [("expired", 4900), ("open", 3900)]

    def test_is_moved_to_the_new_price_by_the_sweep(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        decision = ask_parent(instance)
        lower(instance)

        check_due_checkouts(now=utc_now())

        assert fresh(decision).checkout.amount_minor == 3900
        extent = Extent(now=utc_now())
        assert [*live_checkouts_are_wanted(extent), *waiting_decisions_can_be_paid(extent)] == []

    def test_is_completed_at_the_new_price(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        decision = ask_parent(instance)
        lower(instance)
        check_due_checkouts(now=utc_now())

        assert pay(stripe, fresh(decision)).status == "completed"

    def test_shows_the_new_price_on_the_page_that_its_old_session_leads_back_to(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        old = ask_parent(instance).checkout
        lower(instance)

        page = Client().get("/enroll/return", {"session_id": old.stripe_session_id}).content.decode()

        assert Checkout.objects.get(status="open").url in page
        assert "39.00" in page
        assert "49.00" not in page

    def test_is_cancelled_when_the_program_is_not_sold_any_more(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        decision = ask_parent(instance)
        Price.objects.update(active=False)

        with pytest.raises(NotForSale):
            ask_parent(instance)

        assert fresh(decision).status == "cancelled"
        assert asked(stripe) == [("expired", 4900)]

    def test_stands_while_the_bank_works_on_it_however_long(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        decision = ask_parent(instance)
        stripe.pay(decision.checkout.url, card="async")
        settle_checkout(checkout_id=decision.checkout.pk, now=utc_now())
        Checkout.objects.update(expires_at="2020-01-01T00:00:00Z")

        again = ask_parent(instance)

        assert (again.pk, again.status) == (decision.pk, "checkout_required")


class TestAPriceThatIsSwitchedOff:
    def test_sells_to_nobody(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        Price.objects.update(active=False)

        with pytest.raises(NotForSale):
            ask_parent(instance)

        assert not EnrollmentDecision.objects.exists()
        assert asked(stripe) == []
