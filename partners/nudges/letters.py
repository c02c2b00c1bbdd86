"""The texts of nudges. A workspace may write its own, or switch nudges off; the URL that stops them is always included.

The mail to a partner names no learner: it contains the references that the partner received with our requests.
"""

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from enrollments.emails import may_read
from notifications.letters import Email, register_email
from notifications.models import Notification
from notifications.wording import Placeholder, Wording, register_wording, write_letter

from ..models import EnrollmentStep, Nudge
from ..stuck import StuckStep, Turn, describe_stuck
from .links import stop_url

TO_FAMILY = "partner_nudge_family"
TO_CONTACT = "partner_nudge_contact"
LISTED = 20

_STOP = Placeholder("workspace", "your organization", "Riverside Academy")

register_wording(
    Wording(
        TO_FAMILY,
        "Partners: nudge to a family whose turn it is",
        "partners/nudge_family",
        (
            Placeholder("learner", "the learner's first name", "Mia"),
            Placeholder("program", "the program", "Robotics"),
            Placeholder("partner", "the partner where the learner is", "Code School"),
            Placeholder("days", "for how long nothing was finished", "9 days"),
            _STOP,
            Placeholder("link", "the address of the progress page", "https://enroll.example.org/student/progress"),
        ),
    )
)
register_wording(
    Wording(
        TO_CONTACT,
        "Partners: nudge to a partner that learners wait for",
        "partners/nudge_contact",
        (
            Placeholder("partner", "the partner", "Code School"),
            Placeholder("waiting", "how many learners wait", "3 learners"),
            Placeholder("days", "for how long the first of them has waited", "4 days"),
            Placeholder(
                "references",
                "how the partner knows their requests: our references and its courses",
                "cm1x9k2qv0000 (course intro-1), cm1x9k2qv0001 (course intro-1)",
            ),
            _STOP,
        ),
    )
)


def render_to_family(notification: Notification) -> Email | None:
    """Return None if the learner has moved on since, it is no longer their turn, or the family stopped these mails."""
    nudge = _find(notification)
    steps = _stuck(nudge, Turn.LEARNER, notification)
    if nudge is None or nudge.enrollment is None or not steps or not may_read(nudge.enrollment, notification):
        return None
    longest = max(steps, key=lambda stuck: stuck.days)
    enrollment = nudge.enrollment
    values = {
        "learner": enrollment.person.first_name,
        "program": enrollment.instance.program.title,
        "partner": longest.step.provider.name,
        "days": _days(longest.days),
        "workspace": nudge.workspace.name,
        "link": f"{settings.PUBLIC_URL}{reverse('my-progress')}",
    }
    return write_letter(kind=TO_FAMILY, workspace_id=nudge.workspace_id, values=values, stop_url=stop_url(nudge))


def render_to_contact(notification: Notification) -> Email | None:
    """Return None if the partner has accepted all of them since, or its contact stopped these mails or was replaced."""
    nudge = _find(notification)
    steps = _stuck(nudge, Turn.PARTNER, notification)
    if nudge is None or nudge.provider is None or nudge.provider.contact_email != nudge.recipient or not steps:
        return None
    count = len(steps)
    values = {
        "partner": nudge.provider.name,
        "waiting": ngettext("%(count)d learner", "%(count)d learners", count) % {"count": count},
        "days": _days(max(stuck.days for stuck in steps)),
        "references": _references(steps),
        "workspace": nudge.workspace.name,
    }
    return write_letter(kind=TO_CONTACT, workspace_id=nudge.workspace_id, values=values, stop_url=stop_url(nudge))


def _find(notification: Notification) -> Nudge | None:
    rows = Nudge.objects.filter(pk=notification.params["nudge"], stopped_at=None)
    return rows.select_related(
        "enrollment__learner", "enrollment__lead", "enrollment__instance__program", "provider", "workspace"
    ).first()


def _stuck(nudge: Nudge | None, turn: Turn, notification: Notification) -> list[StuckStep]:
    """Return the steps the nudge is about that are still where they were when the mail was recorded."""
    if nudge is None:
        return []
    moment = notification.created_at
    steps = EnrollmentStep.objects.current().stuck(moment).select_related("provider", "item")
    about = Q(enrollment=nudge.enrollment_id) if nudge.enrollment_id else Q(provider=nudge.provider_id)
    found = describe_stuck(list(steps.filter(about).order_by("changed_at", "pk")), now=moment)
    return [stuck for stuck in found if stuck.turn == turn and stuck.step.provider.is_reachable]


def _days(days: int) -> str:
    if days == 0:
        return _("less than a day")
    return ngettext("%(count)d day", "%(count)d days", days) % {"count": days}


def _references(steps: list[StuckStep]) -> str:
    told = [
        _("%(reference)s (course %(course)s)") % {"reference": stuck.step.cuid, "course": stuck.step.course}
        for stuck in steps[:LISTED]
    ]
    more = len(steps) - LISTED
    if more > 0:
        told.append(ngettext("%(count)d more", "%(count)d more", more) % {"count": more})
    return ", ".join(told)


register_email(TO_FAMILY, render_to_family)
register_email(TO_CONTACT, render_to_contact)
