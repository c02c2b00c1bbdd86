"""What the page of a routing decision, and those of its learner and guardian, show about it."""

import re
from typing import Any

import pytest
from django.db.models import Model
from django.urls import reverse

from accounts.states import Role
from backoffice.tests.staff_client import StaffClient
from billing.models import Checkout, Payment
from billing.tests.snapshots import tell
from enrollments.models import SeatAssignment
from events.models import OutboxEvent

from .criteria import set_criterion
from .factories import InstanceFactory, route, seats
from .parents import ask_parent

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stripe_is_not_asked")]


def address(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def card(row: Any, title: str) -> Any:
    """Return the card of this title on the row's page."""
    page = StaffClient(workspace=row.workspace, role=Role.REVIEWER).get(address(row))
    (found,) = [each for each in page.context["neighbor_cards"] if each.title == title]
    return found


def rows(shown: Any) -> list[tuple[str, str, str]]:
    """Return the title, badge, and note of each row."""
    return [(str(row.title), re.sub(r"<[^>]*>", "", row.badge).strip(), str(row.note)) for row in shown.rows]


class TestADecision:
    def test_for_a_seat_leads_to_the_enrollment_and_the_seat(self) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=1)
        decision = route(instance.workspace).decision

        outcome = card(decision, "Outcome")

        assert rows(outcome) == [("Enrollment", "Approved", ""), ("District seat", "Used", "")]
        assert [row.url for row in outcome.rows] == [
            address(decision.enrollment),
            address(SeatAssignment.objects.get()),
        ]

    def test_that_was_paid_leads_to_its_checkout_and_payments_newest_first(self) -> None:
        decision = ask_parent(InstanceFactory())
        checkout = Checkout.objects.get()
        tell(checkout)
        tell(checkout, payment_intent_id="pi_again")
        first, second = Payment.objects.order_by("pk")

        outcome = card(decision, "Outcome")

        assert rows(outcome) == [
            ("Enrollment", "Approved", ""),
            ("Checkout of 49.00 USD", "Paid", ""),
            ("Payment of 49.00 USD", "Paid", ""),
            ("Payment of 49.00 USD", "Paid", ""),
        ]
        assert [row.url for row in outcome.rows[1:]] == [address(each) for each in (checkout, second, first)]
        assert [row.at for row in outcome.rows[1:]] == [checkout.created_at, second.paid_at, first.paid_at]

    def test_lists_its_own_events_in_their_order(self) -> None:
        instance = InstanceFactory()
        decision = ask_parent(instance)
        ask_parent(instance, email="leo@school.test", first_name="Leo")
        tell(Checkout.objects.order_by("pk")[0])

        events = card(decision, "Events")

        assert rows(events) == [
            ("1. ENROLLMENT_DECISION", "Pending", ""),
            ("2. ENROLLMENT_DECISION", "Pending", ""),
        ]
        own = OutboxEvent.objects.filter(aggregate=f"decision:{decision.pk}").order_by("sequence")
        assert [row.url for row in events.rows] == [address(each) for each in own]

    def test_tells_the_rules_in_their_order_with_what_they_read(self) -> None:
        instance = set_criterion(InstanceFactory(), "email != ''", because="Can be written to")

        rules = rows(card(ask_parent(instance), "Rules asked"))

        assert [rule[:2] for rule in rules] == [("1. eligibility.criterion", "yes"), ("2. district.named", "no")]
        assert rules[0][2] == (
            "name: The only one, inputs: {'email': 'jane@school.test'}, reason: Can be written to, "
            "expression: email != ''"
        )
        assert rules[1][2] == "tenant_id: None"

    def test_calls_a_rule_open_that_could_not_be_evaluated(self) -> None:
        instance = set_criterion(InstanceFactory(), "metadata.age > 9")

        rule, *_ = rows(card(ask_parent(instance), "Rules asked"))

        assert rule[:2] == ("1. eligibility.criterion", "not evaluated")

    def test_is_nobodys_of_another_workspace(self) -> None:
        decision = ask_parent(InstanceFactory())
        other = StaffClient(workspace=InstanceFactory().workspace, role=Role.OWNER)

        answer = other.get(address(decision))

        assert answer.status_code == 302
        assert "Jane" not in answer.content.decode()


class TestWhoWasDecidedAbout:
    def test_is_shown_with_the_decisions_newest_first(self) -> None:
        instance = InstanceFactory()
        first = ask_parent(instance)
        tell(Checkout.objects.get(), status="expired", payment_status="unpaid", payment_intent_id=None)
        second = ask_parent(instance)
        ask_parent(instance, email="leo@school.test", first_name="Leo")
        no_district = "No district was named, or none of this workspace"

        shown = card(first.learner, "Routing decisions")

        assert rows(shown) == [
            ("Decision", "Checkout required", no_district),
            ("Decision", "Expired", no_district),
        ]
        assert [row.url for row in shown.rows] == [address(second), address(first)]

    def test_is_named_on_the_page_of_the_guardian_who_asked(self) -> None:
        instance = InstanceFactory(name="Fall", program__title="Art")
        decision = ask_parent(instance)
        route(instance.workspace, tenant_id=None, guardian_id="another", email="leo@school.test", first_name="Leo")

        shown = card(decision.guardian, "Decisions they asked for")

        assert rows(shown) == [("Jane Doe", "Checkout required", str(instance))]
        assert shown.more_url == f"{reverse('admin:enrollments_enrollmentdecision_changelist')}?q=guardian_456"
