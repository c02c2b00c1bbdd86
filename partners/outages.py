"""When a partner stopped answering, and when it answered again. Nobody counts as stuck because of its outages."""

import datetime as dt

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce

from .gateways.contract import PartnerDown
from .models import Provider, ProviderOutage
from .states import OutageReason


def note_failure(provider: Provider, error: PartnerDown, *, now: dt.datetime) -> None:
    """Record that a call failed. One that was never made says nothing about the partner. A request to slow down is an
    answer: learners then wait because of us, so it is no outage of the partner's.
    """
    if error.is_busy:
        note_answer(provider, now=now)
    elif error.was_asked:
        note_silence(provider_id=provider.pk, now=now)


def note_silence(*, provider_id: int, now: dt.datetime) -> None:
    """Record that the partner did not answer just now: it has been out since the first time it did not."""
    Provider.objects.filter(pk=provider_id).update(
        silent_since=Coalesce(F("silent_since"), Value(now)), silent_until=now
    )


def note_answer(provider: Provider, *, now: dt.datetime) -> None:
    """Record that the partner answered, even with a refusal: if it was silent when it was read, the outage is over."""
    if provider.silent_since is not None:
        _end_silence(provider.pk, now)


@transaction.atomic
def _end_silence(provider_id: int, now: dt.datetime) -> None:
    """End the silence once: if it has already ended, nothing changes."""
    silent = Provider.objects.filter(pk=provider_id, silent_since__isnull=False)
    since = silent.select_for_update(no_key=True).values_list("silent_since", flat=True).first()
    if since is not None:
        silent.update(silent_since=None, silent_until=None)
        keep_outage(provider_id=provider_id, reason=OutageReason.SILENT, since=since, now=now)


def keep_outage(*, provider_id: int, reason: OutageReason, since: dt.datetime, now: dt.datetime) -> None:
    """Record an outage that is over; part of the caller's transaction."""
    ProviderOutage.objects.create(provider_id=provider_id, reason=reason, began_at=since, ended_at=max(now, since))
