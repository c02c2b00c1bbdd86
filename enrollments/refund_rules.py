"""Which refund policy applies: it is set for a program or an instance, and kept with each purchase.

A policy is replaced, never changed: purchases made under an earlier one keep it.
"""

import datetime as dt
from collections.abc import Collection, Sequence

from django.db import transaction
from django.db.models import Q, QuerySet

from billing.refund_policy import RefundTier
from core.actors import Actor
from core.compiled import compiled
from core.errors import FieldError, Invalid, item_of
from core.local_time import FIRST_DAY, LAST_DAY

from .models import Enrollment, Program, ProgramInstance, RefundPolicy, RefundPolicyTier

MAX_TIERS = 6


def find_policy(instance: ProgramInstance, *, at: dt.datetime) -> RefundPolicy | None:
    """Return the policy then in force for an instance: its own, or else its program's; None if staff decide."""
    found = _policies_at.all(instance.pk, instance.program_id, at)
    own = next((policy for policy in found if policy.instance_id is not None), None)
    return own or next(iter(found), None)


@compiled
def _policies_at(instance_id: int, program_id: int, at: dt.datetime) -> QuerySet[RefundPolicy]:
    concerned = Q(instance=instance_id) | Q(instance=None, program=program_id)
    rows = RefundPolicy.objects.filter(concerned, Q(replaced_at=None) | Q(replaced_at__gt=at), created_at__lte=at)
    return rows.order_by("-pk")


def find_policies(instances: Collection[ProgramInstance], *, at: dt.datetime) -> dict[int, RefundPolicy]:
    """Return the policy of each of these instances that has one, by instance id; a constant number of queries."""
    concerned = Q(instance__in=instances) | Q(instance=None, program__in={each.program_id for each in instances})
    rows = RefundPolicy.objects.filter(concerned, Q(replaced_at=None) | Q(replaced_at__gt=at), created_at__lte=at)
    found = {(row.program_id, row.instance_id): row for row in rows.order_by("pk").prefetch_related("tiers")}
    either = {each.pk: found.get((each.program_id, each.pk), found.get((each.program_id, None))) for each in instances}
    return {pk: policy for pk, policy in either.items() if policy is not None}


def own_policy(program: Program, instance: ProgramInstance | None) -> RefundPolicy | None:
    """Return the policy that is in force and was set for just this program, or just this instance."""
    rows = RefundPolicy.objects.filter(program=program, instance=instance, replaced_at=None)
    return rows.prefetch_related("tiers").first()


def policy_of_purchase(enrollment: Enrollment) -> RefundPolicy | None:
    """Return the policy under which an enrollment was bought; None if there was none, so that staff decide."""
    if enrollment.refund_policy_id is None:
        return None
    return RefundPolicy.objects.prefetch_related("tiers").get(pk=enrollment.refund_policy_id)


@transaction.atomic
def set_refund_policy(
    *,
    program: Program,
    instance: ProgramInstance | None,
    tiers: Sequence[RefundTier],
    currency: str,
    actor: Actor,
    now: dt.datetime,
) -> RefundPolicy | None:
    """Put these tiers in force for future purchases of the program or of one instance. Passing no tiers ends the
    policy: an instance then follows its program's, and without that, staff decide. The same tiers change nothing.

    Raises Invalid, naming the tiers that are wrong.
    """
    check_tiers(program=program, instance=instance, tiers=tiers, currency=currency)
    fee_currency = _currency_of_fees(tiers, currency)
    Program.objects.select_for_update(no_key=True).get(pk=program.pk)  # serializes concurrent changes
    present = own_policy(program, instance)
    if present is not None and present.rules == list(tiers) and present.currency == fee_currency:
        return present
    RefundPolicy.objects.filter(program=program, instance=instance, replaced_at=None).update(replaced_at=now)
    if not tiers:
        return None
    policy = RefundPolicy.objects.create(
        program=program, instance=instance, currency=fee_currency, actor=str(actor), created_at=now
    )
    for tier in tiers:
        RefundPolicyTier.objects.create(
            policy=policy,
            days_before_start=tier.days_before_start,
            until_date=tier.until_date,
            kept_percent=tier.kept_percent,
            kept_fee_minor=tier.kept_fee_minor,
        )
    return policy


def check_tiers(
    *, program: Program, instance: ProgramInstance | None, tiers: Sequence[RefundTier], currency: str
) -> None:
    """Raise Invalid, naming what is wrong with which tier, unless these tiers could be put in force."""
    if len(tiers) > MAX_TIERS:
        raise Invalid(errors=(FieldError("refundTiers", "too_many", f"At most {MAX_TIERS} tiers, please."),))
    faults = [
        FieldError(item_of("refundTiers", number, field), code, detail)
        for number, tier in enumerate(tiers)
        for field, code, detail in _faults(tier, tiers[number - 1] if number else None)
    ]
    if faults:
        raise Invalid(" ".join(fault.detail for fault in faults[:3]), errors=tuple(faults))
    _check_currency(program, instance, _currency_of_fees(tiers, currency))


def _currency_of_fees(tiers: Sequence[RefundTier], currency: str) -> str:
    return currency if any(tier.kept_fee_minor for tier in tiers) else ""


def _faults(tier: RefundTier, earlier: RefundTier | None) -> list[tuple[str, str, str]]:
    """Return what is wrong with a tier, by itself and in relation to the previous one."""
    days = tier.days_before_start
    date = tier.until_date
    faults = []
    if (days is None) == (date is None):
        return [("daysBeforeStart", "one_of", "Give either days before the start or a date.")]
    least, most = RefundPolicyTier.LAST_DAYS
    if days is not None and not least <= days <= most:
        faults.append(("daysBeforeStart", "out_of_range", f"Give a number from {least} to {most}."))
    if date is not None and not FIRST_DAY <= date <= LAST_DAY:
        faults.append(("untilDate", "out_of_range", f"Give a date from {FIRST_DAY} to {LAST_DAY}."))
    if not 0 <= tier.kept_percent <= 100:
        faults.append(("keptPercent", "out_of_range", "Give a percentage from 0 to 100."))
    if earlier is None:
        return faults
    if (days is None) != (earlier.days_before_start is None):
        faults.append(("daysBeforeStart", "mixed", "Count all tiers in days before the start, or give all a date."))
    elif days is not None and earlier.days_before_start is not None and days >= earlier.days_before_start:
        faults.append(("daysBeforeStart", "not_later", "Each tier ends after the one before it: give fewer days."))
    elif date is not None and earlier.until_date is not None and date <= earlier.until_date:
        faults.append(("untilDate", "not_later", "Each tier ends after the one before it: give a later date."))
    return faults


def _check_currency(program: Program, instance: ProgramInstance | None, currency: str) -> None:
    """Require a fee to be in the currency of the price that it is deducted from."""
    if not currency:
        return
    sold = ProgramInstance.objects.filter(program=program, active=True, price__isnull=False)
    sold = sold.filter(pk=instance.pk) if instance else sold
    asked = set(sold.values_list("price__currency", flat=True))
    if asked != {currency}:
        told = ", ".join(sorted(asked)).upper() or "no currency at all, as nothing is sold"
        raise Invalid(
            f"A fee is in the currency of the price: {told}.",
            errors=(FieldError("refundTiers", "other_currency", "Keep a percentage instead, or give prices first."),),
        )
