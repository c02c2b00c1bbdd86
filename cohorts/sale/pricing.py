"""The price of a place for one learner: the price of its cohort, less their discount."""

import datetime as dt

from accounts.families import learners_of
from accounts.models import Learner, User
from billing.discounts import Granted, find_discount
from billing.models import Price
from core.errors import require
from enrollments.discounts import NOT_KNOWN_YET, find_discount_on, sale_of

from ..models import Cohort
from ..queries import cohort_offer


def find_discount_of_place(*, cohort: Cohort, learner: Learner, voucher: str, now: dt.datetime) -> Granted | None:
    """Return the discount on a place in a cohort with a price, for the typed code. Raises VoucherNotAccepted."""
    return find_discount_on(
        instance=cohort.instance,
        price=_price_of(cohort),
        learner=learner,
        voucher=voucher,
        offers=[cohort_offer(cohort.pk)],
        now=now,
    )


def foresee_discount(
    *, user: User, cohort: Cohort, learner: Learner | None, voucher: str, now: dt.datetime
) -> Granted | None:
    """Return the discount for a page that charges nothing yet. A learner who is not added yet counts as another child
    of the user. Raises VoucherNotAccepted.
    """
    if cohort.price_asked is None:
        return None
    if learner is not None:
        return find_discount_of_place(cohort=cohort, learner=learner, voucher=voucher, now=now)
    mine = learners_of(user).filter(workspace=cohort.instance.workspace_id)
    family = list(mine.order_by("pk").values_list("pk", flat=True))
    sale = sale_of(
        instance=cohort.instance,
        price=_price_of(cohort),
        learner_id=NOT_KNOWN_YET,
        family=family,
        offers=[cohort_offer(cohort.pk)],
    )
    return find_discount(code=voucher, sale=sale, now=now)


def _price_of(cohort: Cohort) -> Price:
    return require(cohort.instance.price, "what has no price is not for sale")
