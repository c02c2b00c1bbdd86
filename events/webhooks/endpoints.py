"""Webhook endpoints: added, changed, given new secrets, disabled and enabled, deleted."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import structlog
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import transaction
from django.db.models import F, QuerySet

from accounts.models import Workspace
from accounts.staff_tasks import settle_staff_task
from core.errors import NotFound, invalid_field
from core.logs import after_commit
from core.outbound import fault_of_address
from core.signing import BOTH_HOLD, new_signing_secret

from ..models import WebhookEndpoint
from ..states import DisabledReason
from ..task_kinds import ENDPOINT_DISABLED
from .choosing import check_types
from .errors import EndpointNotFound, TooManyEndpoints

log = structlog.get_logger(__name__)

MAX_ENDPOINTS = 20
# Longer than a single try can take: how long a sender holds an endpoint.
LEASE = dt.timedelta(seconds=30)
CHANGEABLE = ("url", "description", "event_types")
_check_shape = URLValidator(["http", "https"])


def list_endpoints(*, workspace_id: int) -> QuerySet[WebhookEndpoint]:
    return WebhookEndpoint.objects.kept().filter(workspace=workspace_id).order_by("-pk")


def get_endpoint(*, workspace_id: int, cuid: str) -> WebhookEndpoint:
    """Return the endpoint. Raises EndpointNotFound."""
    endpoint = WebhookEndpoint.objects.kept().filter(workspace=workspace_id, cuid=cuid).first()
    if endpoint is None:
        raise EndpointNotFound
    return endpoint


@transaction.atomic
def create_endpoint(
    *, workspace_id: int, url: str, event_types: Sequence[str], description: str = "", now: dt.datetime
) -> WebhookEndpoint:
    """Register an address that receives everything that happens from now on. Show its `secret` once.

    Raises NotFound, Invalid naming the field, TooManyEndpoints.
    """
    fields = _checked({"url": url, "event_types": event_types, "description": description})
    if not Workspace.objects.select_for_update(no_key=True).filter(pk=workspace_id).exists():
        raise NotFound("There is no such workspace.")
    if list_endpoints(workspace_id=workspace_id).count() >= MAX_ENDPOINTS:
        raise TooManyEndpoints(f"Delete one first: a workspace may have {MAX_ENDPOINTS} webhook endpoints.")
    endpoint = WebhookEndpoint.objects.create(
        workspace_id=workspace_id,
        secret=new_signing_secret(),
        listens_since=now,
        next_attempt_at=now,
        created_at=now,
        **fields,
    )
    after_commit(log.info, "webhook_endpoint_created", endpoint=endpoint.pk)
    return endpoint


@transaction.atomic
def change_endpoint(*, endpoint_id: int, **changes: Any) -> WebhookEndpoint:
    """Change some of `CHANGEABLE`; pending deliveries go to the new address. Raises EndpointNotFound, Invalid."""
    endpoint = lock_endpoint(endpoint_id)
    for name, value in _checked(changes).items():
        setattr(endpoint, name, value)
    endpoint.save(update_fields=list(changes))
    after_commit(log.info, "webhook_endpoint_changed", endpoint=endpoint.pk, fields=sorted(changes))
    return endpoint


@transaction.atomic
def rotate_secret(*, endpoint_id: int, now: dt.datetime) -> WebhookEndpoint:
    """Give it a new secret, shown once. Both sign for a day, so the receiver can switch. Raises EndpointNotFound."""
    endpoint = lock_endpoint(endpoint_id)
    endpoint.previous_secret = endpoint.secret
    endpoint.previous_secret_until = now + BOTH_HOLD
    endpoint.secret = new_signing_secret()
    endpoint.save(update_fields=["previous_secret", "previous_secret_until", "secret"])
    after_commit(log.info, "webhook_secret_rotated", endpoint=endpoint.pk)
    return endpoint


def signing_secrets(endpoint: WebhookEndpoint, now: dt.datetime) -> list[str]:
    """Return the current secret, and the previous one while both are valid."""
    until = endpoint.previous_secret_until
    return [endpoint.secret, *([endpoint.previous_secret] if until is not None and now < until else [])]


def disable_endpoint(*, endpoint_id: int, reason: DisabledReason, now: dt.datetime) -> bool:
    """Stop sending to it; pending deliveries wait until it is enabled. Repeating this changes nothing."""
    listening = WebhookEndpoint.objects.listening().filter(pk=endpoint_id)
    if not listening.update(disabled_at=now, disabled_reason=reason):
        return False
    after_commit(log.warning, "webhook_endpoint_disabled", endpoint=endpoint_id, reason=reason)
    return True


@transaction.atomic
def enable_endpoint(*, endpoint_id: int, now: dt.datetime) -> WebhookEndpoint:
    """Send it everything that happens from now on, and what is still pending; what happened meanwhile can be replayed.
    Repeating this changes nothing. Raises EndpointNotFound."""
    endpoint = lock_endpoint(endpoint_id)
    if endpoint.is_enabled:
        return endpoint
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
        disabled_at=None,
        disabled_reason="",
        failures_in_a_row=0,
        failing_since=None,
        listens_since=now,
        next_attempt_at=now,
    )
    settle_staff_task(
        kind=ENDPOINT_DISABLED, subject=subject_of(endpoint.pk), resolution="It was enabled again.", now=now
    )
    after_commit(log.info, "webhook_endpoint_enabled", endpoint=endpoint.pk)
    endpoint.refresh_from_db()
    return endpoint


@transaction.atomic
def delete_endpoint(*, endpoint_id: int, now: dt.datetime) -> None:
    """Stop sending to it for good; a sweep deletes its deliveries. Raises EndpointNotFound."""
    endpoint = lock_endpoint(endpoint_id)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
        deleted_at=now,
        disabled_at=F("disabled_at") if endpoint.disabled_at else now,
        disabled_reason=endpoint.disabled_reason or DisabledReason.BY_HAND,
        secret="",
        previous_secret="",
        previous_secret_until=None,
    )
    settle_staff_task(kind=ENDPOINT_DISABLED, subject=subject_of(endpoint.pk), resolution="It was deleted.", now=now)
    after_commit(log.info, "webhook_endpoint_deleted", endpoint=endpoint.pk)


def lock_endpoint(endpoint_id: int) -> WebhookEndpoint:
    """Return the row, locked for this transaction. Raises EndpointNotFound."""
    rows = WebhookEndpoint.objects.kept().select_for_update(no_key=True)
    endpoint = rows.filter(pk=endpoint_id).first()
    if endpoint is None:
        raise EndpointNotFound
    return endpoint


def subject_of(endpoint_id: int) -> str:
    """Return how staff tasks and mails refer to it."""
    return f"webhook-endpoint:{endpoint_id}"


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    checked = dict(fields)
    for name in checked:
        if name not in CHANGEABLE:
            raise TypeError(f"{name} of a webhook endpoint does not change")
    if "url" in checked:
        try:
            _check_shape(checked["url"])
        except ValidationError as error:
            raise invalid_field("url", "invalid", "Give an address as in https://example.org/webhooks.") from error
        if fault := fault_of_address(checked["url"]):
            raise invalid_field("url", "not_allowed", fault)
    if "event_types" in checked:
        checked["event_types"] = check_types(checked["event_types"])
    return checked
