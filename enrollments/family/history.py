"""An enrollment's transitions in words for its family."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from ..models import EnrollmentTransition
from ..reasons import tell_reason
from ..states import OVER, EligibilityStatus, EnrollmentPaymentStatus, Facet, ParticipationStatus

# Transitions that are missing here are mere bookkeeping to a family.
_SENTENCES: dict[tuple[str, str], str] = {
    (Facet.ELIGIBILITY, EligibilityStatus.CANDIDATE): gettext_noop("Looked at again, because the criteria changed"),
    (Facet.ELIGIBILITY, EligibilityStatus.INELIGIBLE): gettext_noop("Does not meet the program's criteria"),
    (Facet.ELIGIBILITY, EligibilityStatus.SUBMITTED): gettext_noop("Meets the criteria, sent to review"),
    (Facet.ELIGIBILITY, EligibilityStatus.APPROVED): gettext_noop("Accepted into the program"),
    (Facet.ELIGIBILITY, EligibilityStatus.REJECTED): gettext_noop("Not accepted"),
    (Facet.ELIGIBILITY, EligibilityStatus.UNENROLLED): gettext_noop("Left the program"),
    (Facet.PARTICIPATION, ParticipationStatus.COMPLETED): gettext_noop("Program completed"),
    (Facet.PAYMENT, EnrollmentPaymentStatus.PENDING): gettext_noop("A payment was requested"),
    (Facet.PAYMENT, EnrollmentPaymentStatus.PAID): gettext_noop("Payment received"),
    (Facet.PAYMENT, EnrollmentPaymentStatus.FAILED): gettext_noop("The payment did not go through"),
    (Facet.PAYMENT, EnrollmentPaymentStatus.NOT_REQUIRED): gettext_noop("Nothing is left to pay"),
    (Facet.PAYMENT, EnrollmentPaymentStatus.PARTIALLY_REFUNDED): gettext_noop("Part of the payment was returned"),
    (Facet.PAYMENT, EnrollmentPaymentStatus.REFUNDED): gettext_noop("The payment was returned"),
}
# What became of money that had counted, or had been returned: by the status before, and the one after.
_MONEY_AGAIN: dict[str, dict[str, str]] = {
    EnrollmentPaymentStatus.PAID: {
        EnrollmentPaymentStatus.PENDING: gettext_noop("The payment did not arrive after all")
    },
    EnrollmentPaymentStatus.PARTIALLY_REFUNDED: {
        EnrollmentPaymentStatus.PAID: gettext_noop("The part that was returned came back")
    },
}


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened, with its reason if the family should know it."""

    at: dt.datetime
    sentence: str
    reason: str = ""
    is_end: bool = False


def retell(*, asked_at: dt.datetime, transitions: Iterable[EnrollmentTransition]) -> list[Moment]:
    """Return what happened, oldest first, beginning with the request itself."""
    moments = [Moment(asked_at, _("Asked to enroll"))]
    for change in transitions:
        sentence = _sentence(change)
        if sentence:
            # For other transitions the reason may be an internal note.
            is_end = change.facet == Facet.ELIGIBILITY and change.to_status in OVER
            moments.append(Moment(change.created_at, _(sentence), tell_reason(change.reason) if is_end else "", is_end))
    return moments


def _sentence(change: EnrollmentTransition) -> str:
    again = _MONEY_AGAIN.get(change.from_status, {}).get(change.to_status)
    return again or _SENTENCES.get((change.facet, change.to_status), "")
