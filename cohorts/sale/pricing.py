"""What a place costs one learner: the price of its cohort, less the discount that they get."""

import datetime as dt
from collections.abc import Collection

from accounts.families import learners_of
from accounts.models import Learner, User
from billing.discounts import Granted, Sale, find_discount
from core.errors import require
from enrollments.discounts import NOT_KNOWN_YET, family_of, sale_of

from ..models import Cohort
from ..queries import cohort_offer


def find_discount_of_place(*, cohort: Cohort, learner: Learner, voucher: str, now: dt.datetime) -> Granted | None:
    """The discount on a place in a cohort that has a price, with the code that was typed. Raises VoucherNotAccepted."""
    return find_discount(code=voucher, sale=_sale(cohort, learner.pk, family_of(learner)), now=now)


def foresee_discount(
    *, user: User, cohort: Cohort, learner: Learner | None, voucher: str, now: dt.datetime
) -> Granted | None:
    """The same for a page that asks for nothing yet. A learner who is yet to be added is taken for a further child of
    the person. Raises VoucherNotAccepted."""
    if cohort.price_asked is None:
        return None
    if learner is not None:
        return find_discount_of_place(cohort=cohort, learner=learner, voucher=voucher, now=now)
    mine = learners_of(user).filter(workspace=cohort.instance.workspace_id)
    family = list(mine.order_by("pk").values_list("pk", flat=True))
    return find_discount(code=voucher, sale=_sale(cohort, NOT_KNOWN_YET, family), now=now)


def _sale(cohort: Cohort, learner_id: int, family: Collection[int]) -> Sale:
    return sale_of(
        instance=cohort.instance,
        price=require(cohort.instance.price, "what has no price is not for sale"),
        learner_id=learner_id,
        family=family,
        offers=[cohort_offer(cohort.pk)],
    )
