"""Tells the people in charge of a workspace that one of its endpoints was disabled: a task and a mail."""

import datetime as dt

from django.conf import settings
from django.urls import reverse

from accounts.models import Membership
from accounts.staff_tasks import raise_staff_task
from accounts.states import Role
from notifications.letters import Email, compose, register_email
from notifications.models import Notification
from notifications.sending import notify

from ..models import WebhookEndpoint
from ..states import DisabledReason
from ..task_kinds import ENDPOINT_DISABLED
from .endpoints import subject_of

DISABLED = "webhook_endpoint_disabled"


def tell_that_disabled(*, endpoint: WebhookEndpoint, reason: DisabledReason, now: dt.datetime) -> None:
    """Create the task and the mail. Joins the caller's transaction."""
    raise_staff_task(
        workspace_id=endpoint.workspace_id,
        kind=ENDPOINT_DISABLED,
        subject=subject_of(endpoint.pk),
        summary=f"It is told nothing any more. {reason.label}.",
    )
    owners = Membership.objects.filter(workspace=endpoint.workspace_id, role=Role.OWNER, user__is_active=True)
    for membership in owners.select_related("user").order_by("pk"):
        notify(
            workspace_id=endpoint.workspace_id,
            kind=DISABLED,
            recipient=membership.user.email,
            subject_key=f"{subject_of(endpoint.pk)}/{int(now.timestamp())}",
            params={"endpoint": endpoint.pk},
            now=now,
        )


def render_disabled(notification: Notification) -> Email | None:
    """Render the mail; None if the endpoint was enabled again or deleted."""
    endpoint = WebhookEndpoint.objects.kept().filter(pk=notification.params["endpoint"]).first()
    if endpoint is None or endpoint.is_enabled:
        return None
    page = reverse("admin:events_webhookendpoint_change", args=[endpoint.pk])
    return compose(
        "events/endpoint_disabled",
        {
            "workspace": notification.workspace.name,
            "url": endpoint.url,
            "is_gone": endpoint.disabled_reason == DisabledReason.GONE,
            "link": f"{settings.PUBLIC_URL}{page}",
        },
    )


register_email(DISABLED, render_disabled)
