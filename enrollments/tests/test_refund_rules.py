"""Refund policies: put in force for a program or an instance, kept with each purchase, and set by staff."""

import datetime as dt
from dataclasses import replace

import pytest
from django.urls import reverse

from accounts.states import Role
from backoffice.tests.staff_client import StaffClient
from billing.refund_policy import RefundTier
from core.clock import utc_now
from core.errors import Invalid
from enrollments.family.refunds import tell_rules
from enrollments.models import Enrollment, ProgramInstance, RefundPolicy
from enrollments.refund_rules import find_policy, policy_of_purchase, set_refund_policy

from .factories import STAFF, CandidateFactory, InstanceFactory
from .test_offline import pay

pytestmark = pytest.mark.django_db

FREE = RefundTier(days_before_start=14)
HALF = RefundTier(days_before_start=0, kept_percent=50)
FEE = RefundTier(days_before_start=-7, kept_percent=50, kept_fee_minor=500)


def put_in_force(
    instance: ProgramInstance, *tiers: RefundTier, of_program: bool = False, now: dt.datetime | None = None
) -> RefundPolicy | None:
    return set_refund_policy(
        program=instance.program,
        instance=None if of_program else instance,
        tiers=tiers,
        currency="usd",
        actor=STAFF,
        now=now or utc_now(),
    )


def in_force(instance: ProgramInstance, at: dt.datetime | None = None) -> list[RefundTier]:
    policy = find_policy(instance, at=at or utc_now())
    return policy.rules if policy else []


@pytest.fixture
def instance() -> ProgramInstance:
    made: ProgramInstance = InstanceFactory(start_date=dt.date(2026, 9, 15))
    return made


class TestAPolicy:
    @pytest.mark.sqlite
    def test_of_an_instance_goes_before_its_programs(self, instance: ProgramInstance) -> None:
        put_in_force(instance, FREE, of_program=True)
        assert in_force(instance) == [FREE]

        put_in_force(instance, HALF, FEE)
        assert in_force(instance) == [HALF, FEE]

        put_in_force(instance)
        assert in_force(instance) == [FREE]

    def test_is_replaced_and_never_changed(self, instance: ProgramInstance) -> None:
        early = utc_now()
        first = put_in_force(instance, FREE, now=early)
        assert put_in_force(instance, FREE) == first

        put_in_force(instance, HALF, now=early + dt.timedelta(hours=1))

        assert in_force(instance, early + dt.timedelta(minutes=59)) == [FREE]
        assert in_force(instance, early + dt.timedelta(hours=1)) == [HALF]
        assert RefundPolicy.objects.count() == 2

    @pytest.mark.parametrize(
        ("tiers", "field", "code"),
        [
            ([RefundTier()], "refundTiers[0].daysBeforeStart", "one_of"),
            ([replace(FREE, until_date=dt.date(2026, 9, 1))], "refundTiers[0].daysBeforeStart", "one_of"),
            ([HALF, FREE], "refundTiers[1].daysBeforeStart", "not_later"),
            ([FREE, FREE], "refundTiers[1].daysBeforeStart", "not_later"),
            ([FREE, RefundTier(until_date=dt.date(2026, 9, 1))], "refundTiers[1].daysBeforeStart", "mixed"),
            ([RefundTier(until_date=dt.date(2026, 9, 1))] * 2, "refundTiers[1].untilDate", "not_later"),
            ([RefundTier(until_date=dt.date(9000, 9, 1))], "refundTiers[0].untilDate", "out_of_range"),
            ([replace(FREE, kept_percent=101)], "refundTiers[0].keptPercent", "out_of_range"),
            ([RefundTier(days_before_start=4000)], "refundTiers[0].daysBeforeStart", "out_of_range"),
            ([FREE] * 7, "refundTiers", "too_many"),
        ],
    )
    def test_is_refused_with_what_is_wrong(
        self, instance: ProgramInstance, tiers: list[RefundTier], field: str, code: str
    ) -> None:
        with pytest.raises(Invalid) as refused:
            put_in_force(instance, *tiers)

        assert [(fault.field, fault.code) for fault in refused.value.errors] == [(field, code)]
        assert not RefundPolicy.objects.exists()

    def test_keeps_fees_in_the_currency_of_the_price_only(self, instance: ProgramInstance) -> None:
        with pytest.raises(Invalid, match="in the currency of the price: USD"):
            set_refund_policy(
                program=instance.program, instance=instance, tiers=[FEE], currency="eur", actor=STAFF, now=utc_now()
            )

        assert not RefundPolicy.objects.exists()


class TestAPurchase:
    def test_keeps_the_rules_that_were_in_force(self, instance: ProgramInstance) -> None:
        put_in_force(instance, FREE)
        enrollment: Enrollment = CandidateFactory(instance=instance, workspace=instance.workspace)
        Enrollment.objects.filter(pk=enrollment.pk).update(eligibility_status="submitted", payment_status="pending")

        pay(enrollment)
        put_in_force(instance, HALF)

        policy = policy_of_purchase(Enrollment.objects.get(pk=enrollment.pk))
        assert policy is not None
        assert policy.rules == [FREE]

    def test_without_rules_is_for_staff_whatever_comes_later(self, instance: ProgramInstance) -> None:
        enrollment: Enrollment = CandidateFactory(instance=instance, workspace=instance.workspace)
        Enrollment.objects.filter(pk=enrollment.pk).update(eligibility_status="submitted", payment_status="pending")

        pay(enrollment)
        put_in_force(instance, HALF)

        assert policy_of_purchase(Enrollment.objects.get(pk=enrollment.pk)) is None


class TestTheWords:
    def test_name_dates_where_the_start_is_known(self) -> None:
        assert tell_rules([FREE, FEE], "usd", starts_on=dt.date(2026, 9, 15)) == [
            "Until Sep 1, 2026: all of it comes back.",
            "Until Sep 22, 2026: all comes back but 50% and 5.00 USD.",
            "After that, nothing comes back.",
        ]

    def test_count_days_where_it_is_not(self) -> None:
        assert tell_rules([FREE, HALF, FEE], "usd", starts_on=None) == [
            "Until 14 days before the start: all of it comes back.",
            "Until the day of the start: all comes back but 50%.",
            "Until 7 days after the start: all comes back but 50% and 5.00 USD.",
            "After that, nothing comes back.",
        ]


class TestTheForm:
    def url(self, instance: ProgramInstance) -> str:
        return reverse("admin:enrollments_programinstance_set_refund_rules", args=[instance.pk])

    def test_shows_who_gets_what_before_anything_is_set(self, instance: ProgramInstance) -> None:
        desk = StaffClient(workspace=instance.workspace, role=Role.ADMIN)
        told = {"days_1": "14", "days_2": "0", "percent_2": "20", "fee_2": "5.00"}

        page = desk.post(self.url(instance), told).content.decode()

        assert "Leaves on Sep 1, 2026: gets 49.00 USD back." in page
        assert "Leaves on Sep 15, 2026: gets 34.20 USD back." in page
        assert "Leaves on Sep 16, 2026: gets 0.00 USD back." in page
        assert not RefundPolicy.objects.exists()

        desk.post(self.url(instance), {**told, "_confirm": "1"})

        assert in_force(instance) == [FREE, RefundTier(days_before_start=0, kept_percent=20, kept_fee_minor=500)]

    def test_says_at_the_field_what_is_wrong(self, instance: ProgramInstance) -> None:
        desk = StaffClient(workspace=instance.workspace, role=Role.ADMIN)

        page = desk.post(self.url(instance), {"days_1": "0", "days_3": "14"}).content.decode()

        assert "Each tier ends after the one before it: give fewer days." in page
        assert not RefundPolicy.objects.exists()

    def test_keeps_every_tier_that_the_api_takes(self, instance: ProgramInstance) -> None:
        tiers = [RefundTier(days_before_start=30 - 10 * n, kept_percent=10 * n) for n in range(6)]
        put_in_force(instance, *tiers)
        desk = StaffClient(workspace=instance.workspace, role=Role.ADMIN)
        fields = desk.get(self.url(instance)).context["form"].fields
        told = {name: field.initial for name, field in fields.items() if field.initial is not None}

        desk.post(self.url(instance), {**told, "percent_6": "60", "_confirm": "1"})

        assert in_force(instance) == [*tiers[:5], RefundTier(days_before_start=-20, kept_percent=60)]
