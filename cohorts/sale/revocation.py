"""The end of an enrollment: its course is revoked, and its place goes to the next in line."""

import datetime as dt

from billing.checkout import request_cancellation
from enrollments.funding import ask_what_to_refund

from ..models import CohortPlace, StudentPackage
from .fulfilment import revoke_package


def give_back(*, enrollment_cuid: str, is_paid: bool, reason: str, now: dt.datetime) -> None:
    """Revoke what was bought for an enrollment that ended, and end the checkouts that could still pay for it;
    everything is locked. Staff decide how much to refund (`is_paid`: some of the money is still here).
    """
    package = StudentPackage.objects.live().filter(enrollment__cuid=enrollment_cuid).first()
    if package is not None:
        revoke_package(package_id=package.pk, reason=reason, now=now)
        if is_paid and package.payment_id is not None:
            ask_what_to_refund(
                workspace_id=package.learner.workspace_id,
                enrollment_cuid=enrollment_cuid,
                payment_id=package.payment_id,
            )
    unpaid = CohortPlace.objects.in_checkout().filter(enrollment__cuid=enrollment_cuid)
    for checkout_id in unpaid.order_by("checkout_id").values_list("checkout_id", flat=True):
        request_cancellation(checkout_id=checkout_id, now=now)
