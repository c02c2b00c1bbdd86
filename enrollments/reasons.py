"""The reasons that the platform itself gives families for an end. They are stored in English, as the API returns them,
and families read them in their language. What staff wrote is shown as they wrote it.
"""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

SEAT_GIVEN_BACK = gettext_noop("We heard nothing from you, so the seat was given back.")
FAMILY_LEFT = gettext_noop("The family asked to leave")
LEFT_THE_CLASS = gettext_noop("The school's roster no longer lists this learner in the class.")
REFUNDED = gettext_noop("The payment was refunded")
RETURNED = gettext_noop("The payment was given back")

OURS = frozenset({SEAT_GIVEN_BACK, FAMILY_LEFT, LEFT_THE_CLASS, REFUNDED, RETURNED})


def tell_reason(reason: str) -> str:
    """Return the reason in the reader's language if we gave it, and as it is otherwise."""
    return _(reason) if reason in OURS else reason
