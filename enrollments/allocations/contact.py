"""The district's contact, who reads about its seats: in the district's language, and for as long as they want to.

The address in each mail names the district and is signed by us, so nothing secret is kept; its holder can stop these
mails or have them again.
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
_GONE = "This address is about no emails of ours."


def hears_of_seats(district: District) -> bool:
    """Whether somebody of the district is written to."""
    return bool(district.contact_email) and district.contact_stopped_at is None


def stop_url(district: District) -> str:
    """Where the contact stops these mails. It names the address too: a new contact has not stopped them."""
    token = _signer.sign(f"{district.pk}:{district.contact_email}")
    return f"{settings.PUBLIC_URL}{reverse('district-emails', args=[token])}"


def find_linked_district(token: str) -> District:
    """The district whose contact has this address. Raises NotFound for one that is forged, and for that of a contact
    before."""
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
    """Write to the contact no more about seats. Again changes nothing."""
    if District.objects.filter(pk=district_id, contact_stopped_at=None).update(contact_stopped_at=now):
        after_commit(log.info, "district_mails_stopped", district=district_id)


@transaction.atomic
def resume_mails(*, district_id: int) -> None:
    """Write to the contact again."""
    if District.objects.filter(pk=district_id, contact_stopped_at__isnull=False).update(contact_stopped_at=None):
        after_commit(log.info, "district_mails_resumed", district=district_id)
