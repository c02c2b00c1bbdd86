"""The district's contact, who receives mails about its seats in the district's language until they opt out.

The URL in each mail names the district and is signed by us, so no secret is stored; whoever has the URL can stop these
mails or resume them.
"""

import datetime as dt

import structlog
from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.urls import reverse

from core.errors import NotFound
from core.logs import after_commit

from ..models import District

log = structlog.get_logger(__name__)

_signer = Signer(salt="enrollments.district_contacts", sep=".")
_GONE = "There are no emails of ours at this address."


def hears_of_seats(district: District) -> bool:
    """Return whether anybody at the district receives mails."""
    return bool(district.contact_email) and district.contact_stopped_at is None


def stop_url(district: District) -> str:
    """Return the URL where the contact stops these mails. It contains the address, so it can't affect a new contact."""
    token = _signer.sign(f"{district.pk}:{district.contact_email}")
    return f"{settings.PUBLIC_URL}{reverse('district-emails', args=[token])}"


def find_linked_district(token: str) -> District:
    """Return the district of this link. Raises NotFound for a forged link, and for one sent to a previous contact."""
    try:
        key, _, email = _signer.unsign(token).partition(":")
    except BadSignature as error:
        raise NotFound(_GONE) from error
    district = District.objects.select_related("workspace").filter(pk=int(key), contact_email=email).first()
    if district is None:
        raise NotFound(_GONE)
    return district


@transaction.atomic
def stop_mails(*, district_id: int, now: dt.datetime) -> None:
    """Stop the mails about seats to the contact. A repeated call changes nothing."""
    if District.objects.filter(pk=district_id, contact_stopped_at=None).update(contact_stopped_at=now):
        after_commit(log.info, "district_mails_stopped", district=district_id)


@transaction.atomic
def resume_mails(*, district_id: int) -> None:
    """Resume the mails to the contact."""
    if District.objects.filter(pk=district_id, contact_stopped_at__isnull=False).update(contact_stopped_at=None):
        after_commit(log.info, "district_mails_resumed", district=district_id)
