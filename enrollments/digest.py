"""The reviewers' morning mail about what waits in their workspace: one per day and person, none if nothing waits."""

import datetime as dt

from django.conf import settings
from django.db.models import Min
from django.urls import reverse

from accounts.models import Membership, Workspace
from accounts.roles import POWERS, Power
from core.local_time import local_date, wall_clock
from core.numbers import counted
from core.time_words import plain_day
from notifications.letters import Email, register_email
from notifications.models import Notification
from notifications.sending import notify
from notifications.wording import Placeholder, Wording, register_wording, write_letter

from .models import Enrollment
from .queries import awaiting_review

DIGEST = "review_digest"
BEGINS_AT = 7  # in the workspace's time zone
ENDS_AT = 12  # a scheduler that was down until then has missed the morning
_REVIEWERS = [role for role, powers in POWERS.items() if Power.DECIDE in powers]

register_wording(
    Wording(
        DIGEST,
        "Reviewers: what waits",
        "enrollments/review_digest",
        (
            Placeholder("waiting", "how many wait", "12 enrollments"),
            Placeholder("since", "when the longest of them came", "September 2, 2026"),
            Placeholder("workspace", "your organization", "Riverside Academy"),
            Placeholder("link", "the address of the reviewers' desk", "https://enroll.example.org/admin/"),
        ),
    )
)


def write_digests(*, now: dt.datetime) -> int:
    """Write to the reviewers of each workspace where it is morning and something waits; returns how many mails were
    written. Reviewers who already have today's mail are skipped.
    """
    written = 0
    for workspace in Workspace.objects.order_by("pk"):
        if BEGINS_AT <= wall_clock(now, workspace.timezone).hour < ENDS_AT and _waiting_in(workspace.pk):
            written += sum(_tell(workspace, membership, now) for membership in _reviewers_of(workspace))
    return written


def _tell(workspace: Workspace, membership: Membership, now: dt.datetime) -> bool:
    today = local_date(now, workspace.timezone)
    return notify(
        workspace_id=workspace.pk,
        kind=DIGEST,
        recipient=membership.user.email,
        subject_key=f"workspace:{workspace.pk}/{today}",
        params={"membership": membership.pk},
        now=now,
    )


def _reviewers_of(workspace: Workspace) -> list[Membership]:
    members = Membership.objects.filter(workspace=workspace, role__in=_REVIEWERS, user__is_active=True)
    return list(members.select_related("user").order_by("pk"))


def _waiting_in(workspace_id: int) -> bool:
    return awaiting_review(Enrollment.objects.kept().filter(workspace=workspace_id)).exists()


def render_digest(notification: Notification) -> Email | None:
    """Return None if everything was decided in the meantime, or if the person no longer reviews here."""
    member = Membership.objects.filter(pk=notification.params["membership"], role__in=_REVIEWERS)
    waiting = awaiting_review(Enrollment.objects.kept().filter(workspace=notification.workspace_id))
    count = waiting.count()
    if not count or not member.exists():
        return None
    workspace = notification.workspace
    oldest = waiting.aggregate(oldest=Min("created_at"))["oldest"]
    values = {
        "waiting": counted(count, "enrollment"),
        "since": plain_day(local_date(oldest, workspace.timezone)),
        "workspace": workspace.name,
        "link": f"{settings.PUBLIC_URL}{reverse('admin:enrollments_enrollment_review')}",
    }
    return write_letter(kind=DIGEST, workspace_id=workspace.pk, values=values)


register_email(DIGEST, render_digest)
