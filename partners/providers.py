"""A workspace's partners: adding, changing, pausing, and resuming them."""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

import structlog
from celery import signature
from django.core.exceptions import ValidationError
from django.db import transaction

from core.errors import FieldError, invalid_field, invalid_fields, refuse
from core.logs import after_commit
from core.outbound import fault_of_address
from core.rows import insert_unless_present
from core.signing import BOTH_HOLD, new_signing_secret
from core.work import nudge

from .errors import FieldMapChanged, ProviderNotFound, SlugTaken
from .field_map import FieldMap, find_faults, keep_differing
from .history import UNDER_WAY
from .models import EnrollmentStep, EnrollmentStepQuerySet, Provider
from .outages import keep_outage
from .states import Adapter, OutageReason, PartnerStepStatus
from .unread import wake_unread

log = structlog.get_logger(__name__)

# Words used instead of a slug in /api/partners/...
RESERVED = ("pipeline",)
# What the rounds at a partner do: learners to accept, news to read, learners to let go.
ROUNDS = ("partners.tasks.enroll_at_provider", "partners.tasks.poll_provider", "partners.tasks.end_at_provider")
# The fields that may be changed later; not the slug, which is part of URLs that the partner knows.
CHANGEABLE = (
    "name",
    "adapter",
    "base_url",
    "api_key",
    "timeout_seconds",
    "expected_days",
    "accept_within_hours",
    "stuck_after_days",
    "contact_email",
    "field_map",
)


@transaction.atomic
def create_provider(*, workspace_id: int, slug: str, name: str, now: dt.datetime, **fields: Any) -> Provider:
    """Add a partner. Raises Invalid naming the field, SlugTaken."""
    provider = Provider(workspace_id=workspace_id, slug=slug, name=name, created_at=now, **fields)
    provider.webhook_secret = new_signing_secret()
    _check(provider)
    if slug in RESERVED:
        raise invalid_field("slug", "reserved", f"Choose another slug than {slug}: the API uses it.")
    if not insert_unless_present(provider):
        raise SlugTaken(f"Choose another slug than {slug}: it names a partner already, here or elsewhere.")
    after_commit(log.info, "partner_created", partner=provider.pk)
    return provider


@transaction.atomic
def change_provider(*, provider_id: int, now: dt.datetime, **changes: Any) -> Provider:
    """Change some of `CHANGEABLE`. A new field map is applied to the partner's earlier messages; a change of how the
    partner is called retries failed calls at once. Raises ProviderNotFound, Invalid naming the field.
    """
    provider = Provider.objects.select_for_update(no_key=True).filter(pk=provider_id).first()
    if provider is None:
        raise ProviderNotFound
    asked_by = how_it_is_asked(provider)
    for name, value in changes.items():
        if name not in CHANGEABLE:
            raise TypeError(f"{name} of a partner does not change")
        setattr(provider, name, value)
    _check(provider)
    provider.save(update_fields=list(changes))
    if how_it_is_asked(provider) != asked_by:
        _try_at_once(provider_id, now)
    if "field_map" in changes:
        wake_unread(provider_id=provider_id, now=now)
    after_commit(log.info, "partner_changed", partner=provider.pk, fields=sorted(changes))
    return provider


@transaction.atomic
def change_field_map(*, provider_id: int, field_map: dict[str, Any], replaces: str, now: dt.datetime) -> Provider:
    """Change a partner's field map, if the current one has the digest `replaces`. Raises FieldMapChanged if it does not
    any more, and what `change_provider` raises.
    """
    provider = Provider.objects.select_for_update(no_key=True).filter(pk=provider_id).first()
    if provider is not None and FieldMap(provider.field_map).digest != replaces:
        raise FieldMapChanged
    return change_provider(provider_id=provider_id, field_map=field_map, now=now)


@transaction.atomic
def rotate_webhook_secret(*, provider_id: int, now: dt.datetime) -> str:
    """Give the partner a new signing secret, shown once; the old one stays valid for a day. Raises ProviderNotFound."""
    provider = Provider.objects.select_for_update(no_key=True).filter(pk=provider_id).first()
    if provider is None:
        raise ProviderNotFound
    provider.previous_webhook_secret = provider.webhook_secret
    provider.previous_secret_until = now + BOTH_HOLD
    secret = new_signing_secret()
    provider.webhook_secret = secret
    provider.save(update_fields=["previous_webhook_secret", "previous_secret_until", "webhook_secret"])
    after_commit(log.info, "partner_secret_rotated", partner=provider.pk)
    return secret


def pause_provider(*, provider_id: int, now: dt.datetime) -> None:
    """Send nobody to this partner until it is resumed; learners who are there stay. A repeated call changes nothing."""
    if Provider.objects.filter(pk=provider_id, paused_at=None).update(paused_at=now):
        log.info("partner_paused", partner=provider_id)


@transaction.atomic
def resume_provider(*, provider_id: int, now: dt.datetime) -> None:
    """Send learners to this partner again. The pause is recorded, so that nobody counts as stuck because of it. A
    repeated call changes nothing.
    """
    paused = Provider.objects.filter(pk=provider_id, paused_at__isnull=False)
    since = paused.select_for_update(no_key=True).values_list("paused_at", flat=True).first()
    if since is not None:
        paused.update(paused_at=None)
        keep_outage(provider_id=provider_id, reason=OutageReason.PAUSED, since=since, now=now)
        after_commit(log.info, "partner_resumed", partner=provider_id)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many learners wait while a partner is paused: to be taken, for news of them, and to be let go."""

    to_take: int
    to_hear_of: int
    to_let_go: int


def count_waiting(*, provider_id: int) -> Waiting:
    """Return how many learners the partner is to be asked or told about once it is resumed."""
    steps = EnrollmentStep.objects.filter(provider=provider_id)
    return Waiting(
        to_take=steps.filter(status=PartnerStepStatus.QUEUED).count(),
        to_hear_of=steps.filter(status=PartnerStepStatus.IN_PROGRESS).count(),
        to_let_go=steps.untold().count(),
    )


def how_it_is_asked(provider: Provider) -> tuple[object, ...]:
    """Return the settings that staff correct when calls to a partner fail."""
    return (
        provider.adapter,
        provider.base_url,
        provider.api_key,
        provider.timeout_seconds,
        FieldMap(provider.field_map).digest,
    )


def list_postponed(*, provider_id: int, now: dt.datetime) -> EnrollmentStepQuerySet:
    """Return steps about which the partner did not answer and is asked again later; those that a worker may be asking
    about at this moment are left out, since two never ask at once.
    """
    failed = EnrollmentStep.objects.filter(provider=provider_id, attempts__gt=0)
    return failed.filter(next_attempt_at__gt=now + UNDER_WAY)


def _try_at_once(provider_id: int, now: dt.datetime) -> None:
    """End the pause after a silence, and the pauses of steps, because their cause has been corrected. The silence
    itself lasts until the partner answers. A worker in its round continues; steps are claimed one by one. A step that
    another transaction is changing is left to it: its partner's answer has just come in.
    """
    Provider.objects.filter(pk=provider_id).update(next_round_at=None)
    postponed = list_postponed(provider_id=provider_id, now=now).select_for_update(no_key=True, skip_locked=True)
    free = list(postponed.order_by("pk").values_list("pk", flat=True))
    EnrollmentStep.objects.filter(pk__among=free).update(next_attempt_at=now)
    for task in ROUNDS:
        nudge(signature(task), provider_id)


def _check(provider: Provider) -> None:
    if provider.adapter == Adapter.REST and not provider.base_url:
        raise invalid_field("base_url", "required", "Give the address of the partner's API.")
    refuse([replace(fault, field=f"field_map.{fault.field}") for fault in find_faults(provider.field_map)])
    provider.field_map = keep_differing(provider.field_map)
    try:
        provider.full_clean(exclude=["workspace"], validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        faults = tuple(
            FieldError(field, str(each.code or "invalid"), " ".join(each.messages))
            for field, found in error.error_dict.items()
            for each in found
        )
        raise invalid_fields(faults) from error
    if provider.base_url and (fault := fault_of_address(provider.base_url)):
        raise invalid_field("base_url", "not_allowed", fault)
