"""When a partner stopped answering, and when it answered again. Time in which it was out makes no learner stuck."""

import datetime as dt

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce

from .gateways.contract import PartnerDown
from .models import Provider, ProviderOutage
from .states import OutageReason


def note_failure(provider: Provider, error: PartnerDown, *, now: dt.datetime) -> None:
    """A call came to nothing. One that we did not even make says nothing about the partner. One that asks us to slow
    down is an answer: learners wait because of us then, and that is no outage of the partner's."""
    if error.is_busy:
        note_answer(provider, now=now)
    elif error.was_asked:
        note_silence(provider_id=provider.pk, now=now)


def note_silence(*, provider_id: int, now: dt.datetime) -> None:
    """The partner did not answer just now: it is out since it first did not."""
    Provider.objects.filter(pk=provider_id).update(
        silent_since=Coalesce(F("silent_since"), Value(now)), silent_until=now
    )


def note_answer(provider: Provider, *, now: dt.datetime) -> None:
    """The partner answered, be it with a refusal: if it was silent when it was read, that is over."""
    if provider.silent_since is not None:
        _end_silence(provider.pk, now)


@transaction.atomic
def _end_silence(provider_id: int, now: dt.datetime) -> None:
    """Once: whoever finds it ended already changes nothing."""
    silent = Provider.objects.filter(pk=provider_id, silent_since__isnull=False)
    since = silent.select_for_update(no_key=True).values_list("silent_since", flat=True).first()
    if since is not None:
        silent.update(silent_since=None, silent_until=None)
        keep_outage(provider_id=provider_id, reason=OutageReason.SILENT, since=since, now=now)


def keep_outage(*, provider_id: int, reason: OutageReason, since: dt.datetime, now: dt.datetime) -> None:
    """Write down an outage that is over; part of the caller's transaction."""
    ProviderOutage.objects.create(provider_id=provider_id, reason=reason, began_at=since, ended_at=max(now, since))
