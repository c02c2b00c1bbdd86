"""The sale of an instance as vouchers and the sibling discount see it (docs/vouchers.md)."""

import datetime as dt
from collections.abc import Collection
from decimal import Decimal

from accounts.families import siblings_of
from accounts.models import Learner
from billing.discounts import Granted, Sale, find_discount
from billing.models import Price
from billing.purposes import Offer

from .models import Enrollment, Program, ProgramInstance
from .states import GOING_ON, PAID

NOT_KNOWN_YET = 0  # the key of a learner who is created with the purchase


def sale_of(
    *, instance: ProgramInstance, price: Price, learner_id: int, family: Collection[int], offers: Collection[str] = ()
) -> Sale:
    """Return the sale of an instance to a learner of this family; `offers` are further names of what is sold."""
    return Sale(
        price=price,
        learner_id=learner_id,
        family=family,
        offers={program_offer(instance.program_id), instance_offer(instance.pk), *offers},
        sibling_percent=_sibling_percent(instance, set(family) - {learner_id}),
    )


def find_discount_on(
    *,
    instance: ProgramInstance,
    price: Price,
    learner: Learner,
    voucher: str,
    offers: Collection[str] = (),
    now: dt.datetime,
) -> Granted | None:
    """Return the discount on an instance for the code that was typed (empty for none). Raises VoucherNotAccepted."""
    if not voucher and not instance.sibling_discount_percent:
        return None
    family = family_of(learner)
    sale = sale_of(instance=instance, price=price, learner_id=learner.pk, family=family, offers=offers)
    return find_discount(code=voucher, sale=sale, now=now)


def family_of(learner: Learner) -> list[int]:
    """Return the ids of the learner and of those who share a guardian with them."""
    return list(siblings_of(learner).order_by("pk").values_list("pk", flat=True))


def program_offer(program_id: int) -> str:
    """Return the name by which a voucher is limited to a program."""
    return f"program:{program_id}"


def instance_offer(instance_id: int) -> str:
    """Return the name by which a voucher is limited to an instance."""
    return f"instance:{instance_id}"


def find_programs_offered(workspace_ids: Collection[int] | None) -> dict[str, Offer]:
    """Return programs and their instances as offers to which a voucher can be limited."""
    programs = Program.objects.filter(active=True)
    instances = ProgramInstance.objects.filter(active=True).select_related("program")
    if workspace_ids is not None:
        programs = programs.filter(workspace__in=workspace_ids)
        instances = instances.filter(workspace__in=workspace_ids)
    return {
        program_offer(each.pk): Offer(each.workspace_id, f"{each.title} (all terms)")
        for each in programs.order_by("title", "pk")
    } | {
        instance_offer(each.pk): Offer(each.workspace_id, each.full_title)
        for each in instances.order_by("program__title", "-start_date", "pk")
    }


def _sibling_percent(instance: ProgramInstance, others: Collection[int]) -> Decimal | None:
    """Return the percentage that the instance takes off while another child of the family takes part in it, provided
    that child's enrollment is paid.
    """
    if not instance.sibling_discount_percent:
        return None
    paid = Enrollment.objects.current().filter(
        instance=instance, learner__in=others, payment_status__in=PAID, eligibility_status__in=GOING_ON
    )
    return instance.sibling_discount_percent if paid.exists() else None
