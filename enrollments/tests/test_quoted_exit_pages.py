"""*End by a quote*: staff read what the learner's end brings, and exactly that happens."""

from typing import Any

import pytest
from django.urls import reverse

from accounts.models import StaffTask
from accounts.states import Role
from backoffice.tests.staff_client import StaffClient, said
from billing.models import Checkout, Refund
from billing.refund_policy import RefundTier
from billing.tests.snapshots import arrive, tell
from billing.tests.snapshots import refund as returned
from core.clock import utc_now
from enrollments.models import Enrollment, ProgramInstance, RefundPolicy
from enrollments.refund_rules import set_refund_policy

from .factories import STAFF, InstanceFactory, route, seats
from .parents import ask_parent
from .test_stakes import paid_at_the_desk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stripe_is_not_asked")]

ANSWERS = {"reason": "The family moves", "note": ""}


def bought(*tiers: RefundTier) -> Enrollment:
    """Return an enrollment that was paid at Stripe, under these refund rules if there are any."""
    instance = InstanceFactory(start_date=utc_now().date())
    if tiers:
        set_refund_policy(
            program=instance.program, instance=instance, tiers=tiers, currency="usd", actor=STAFF, now=utc_now()
        )
    decision = ask_parent(instance)
    tell(Checkout.objects.get())
    return Enrollment.objects.get(pk=decision.enrollment_id)


def paid_at_the_desk_under_rules() -> Enrollment:
    """Return an enrollment that was paid outside of Stripe, although rules say what its payer gets back."""
    enrollment = paid_at_the_desk()
    set_refund_policy(
        program=enrollment.instance.program,
        instance=enrollment.instance,
        tiers=[RefundTier(days_before_start=-7, kept_percent=50)],
        currency="usd",
        actor=STAFF,
        now=utc_now(),
    )
    ProgramInstance.objects.update(start_date=utc_now().date())
    Enrollment.objects.update(refund_policy=RefundPolicy.objects.get())
    return Enrollment.objects.get()


def end(enrollment: Enrollment, role: Role = Role.ADMIN) -> tuple[tuple[str, ...], list[str]]:
    """Return what was foreseen, and what was said once it was done."""
    client = StaffClient(workspace=enrollment.workspace, role=role)
    url = reverse("admin:enrollments_enrollment_end_by_quote", args=[enrollment.pk])
    shown = client.post(url, ANSWERS)
    assert Enrollment.objects.get(pk=enrollment.pk).eligibility_status == "approved"
    ((_, preview),) = shown.context["previews"]
    done = client.confirm(url, {**ANSWERS, "told": shown.context["form"]["told"].value()})
    assert Enrollment.objects.get(pk=enrollment.pk).eligibility_status == "unenrolled"
    return preview.sentences, said(done)


def asked_about_money() -> int:
    return StaffTask.objects.filter(kind="refund_to_decide", status="open").count()


def leaves(enrollment: Enrollment) -> str:
    return f"{enrollment.person} leaves {enrollment.instance} now."


class TestEnding:
    def test_a_seat_that_a_district_paid_for_refunds_nothing_and_frees_it(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=3)
        enrollment = route(instance.workspace).decision.enrollment

        assert end(enrollment) == (
            (
                leaves(enrollment),
                "Nothing was paid, so nothing is refunded.",
                f"The seat is free again in {allocation}: 3 of 3 are left then.",
            ),
            [f"{enrollment.person}, {enrollment.instance}: ended."],
        )
        assert (Refund.objects.count(), asked_about_money()) == (0, 0)

    @pytest.mark.parametrize("make", [bought, paid_at_the_desk_under_rules], ids=["without_rules", "outside_of_stripe"])
    def test_what_no_rule_covers_asks_staff(self, make: Any) -> None:
        enrollment = make()

        sentences, done = end(enrollment)

        assert sentences == (
            leaves(enrollment),
            "49.00 USD was paid, and no rule says what to refund: you get a task to decide it.",
        )
        assert done == [f"{enrollment.person}, {enrollment.instance}: ended."]
        assert (Refund.objects.count(), asked_about_money()) == (0, 1)

    def test_what_the_rules_keep_in_full_refunds_nothing_and_asks_nobody(self) -> None:
        enrollment = bought(RefundTier(days_before_start=-7, kept_percent=100))

        sentences, done = end(enrollment)

        assert sentences == (
            leaves(enrollment),
            "Of 49.00 USD, 0.00 USD is refunded by the refund policy, and 49.00 USD is kept.",
        )
        assert done == [f"{enrollment.person}, {enrollment.instance}: ended."]
        assert (Refund.objects.count(), asked_about_money()) == (0, 0)

    def test_what_was_refunded_in_part_refunds_the_rest_of_the_share(self) -> None:
        enrollment = bought(RefundTier(days_before_start=-7, kept_percent=50))
        arrive(Checkout.objects.get().payments.get(), returned(1000))

        sentences, done = end(enrollment)

        assert [each for each in sentences if "invoice" not in each] == [
            leaves(enrollment),
            "Of 49.00 USD, 14.50 USD is refunded by the refund policy, and 24.50 USD is kept. 10.00 USD was refunded "
            "before.",
            "14.50 USD goes back to payer@home.test.",
        ]
        assert done == [f"{enrollment.person}, {enrollment.instance}: ended. 14.50 USD will be refunded."]
        assert list(Refund.objects.order_by("pk").values_list("amount_minor", flat=True)) == [1000, 1450]
        assert asked_about_money() == 0


class TestItsButton:
    def button(self, enrollment: Enrollment, role: Role) -> Any:
        url = reverse("admin:enrollments_enrollment_end_by_quote", args=[enrollment.pk])
        return StaffClient(workspace=enrollment.workspace, role=role).post(url, ANSWERS)

    def test_is_for_who_takes_part_alone(self) -> None:
        instance = InstanceFactory(review_mode="manual")
        seats(instance.workspace, total=1)
        enrollment = route(instance.workspace).decision.enrollment

        answer = self.button(enrollment, Role.ADMIN)

        assert "is no longer possible" in said(answer)[0]

    def test_is_not_for_reviewers(self) -> None:
        answer = self.button(bought(), Role.REVIEWER)

        assert getattr(answer, "context", None) is None or "previews" not in answer.context
        assert Enrollment.objects.get().eligibility_status == "approved"
