"""Who was faster: the latest decision about an enrollment, for a person who comes too late with another."""

import datetime as dt

from accounts.models import ApiKey, User
from core.errors import TransitionNotAllowed
from core.numbers import counted

from .models import Enrollment, EnrollmentTransition
from .states import EligibilityStatus, Facet

_DID = {
    EligibilityStatus.CANDIDATE: "made it a candidate again",
    EligibilityStatus.ELIGIBLE: "found it eligible",
    EligibilityStatus.INELIGIBLE: "found it not eligible",
    EligibilityStatus.SUBMITTED: "submitted it",
    EligibilityStatus.APPROVED: "approved it",
    EligibilityStatus.REJECTED: "rejected it",
    EligibilityStatus.UNENROLLED: "unenrolled the learner",
}


def tell_latest_change(enrollment: Enrollment, now: dt.datetime) -> str:
    """Say, for example, "Ana Ruiz approved it 2 minutes ago."; empty while nothing has been decided. Takes one or two
    queries, so call it only after a refusal.
    """
    if enrollment.pk is None:
        return ""
    changes = EnrollmentTransition.objects.filter(enrollment=enrollment.pk, facet=Facet.ELIGIBILITY)
    latest = changes.order_by("-number").first()
    if latest is None:
        return ""
    did = _DID[EligibilityStatus(latest.to_status)]
    return f"{name_actor(latest.actor)} {did} {_how_long_ago(now - latest.created_at)}."


def not_allowed(enrollment: Enrollment, *, before: str, target: str, now: dt.datetime) -> TransitionNotAllowed:
    """Return the refusal that names both states, and who brought the enrollment to its current one."""
    sentences = (f"An enrollment that is {before} can't become {target}.", tell_latest_change(enrollment, now))
    return TransitionNotAllowed(" ".join(filter(None, sentences)), from_status=before, to_status=target)


def name_actor(actor: str) -> str:
    """Return the actor's name as colleagues know it; one query at most."""
    kind, _, number = actor.partition(":")
    if kind == "user":
        user = User.objects.filter(pk=number).first()
        return (user.get_full_name() if user else "") or "A member of staff"
    if kind == "key":
        name = ApiKey.objects.filter(pk=number).values_list("name", flat=True).first()
        return f"The API key “{name}”" if name else "An API key"
    return {"application": "The family", "stripe": "A payment"}.get(kind, "The platform")


def tell_duration(passed: dt.timedelta) -> str:
    """Return, for example, "2 days", "1 hour", or "5 minutes"; empty for less than a minute."""
    minutes = int(passed.total_seconds()) // 60
    for unit, size in (("day", 24 * 60), ("hour", 60), ("minute", 1)):
        count = minutes // size
        if count > 0:
            return counted(count, unit)
    return ""


def _how_long_ago(passed: dt.timedelta) -> str:
    duration = tell_duration(passed)
    return f"{duration} ago" if duration else "just now"
