"""The address at which whoever is nudged stops that, without signing in.

It names the row of the nudges and is signed by us, so nothing secret is kept. It works for as long as the row exists,
and lets its holder do nothing but stop these nudges or have them again.
"""

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse

from core.errors import NotFound

from ..models import Nudge

_signer = Signer(salt="partners.nudges", sep=".")


def stop_url(nudge: Nudge) -> str:
    return f"{settings.PUBLIC_URL}{reverse('nudge', args=[_signer.sign(str(nudge.pk))])}"


def find_linked_nudge(token: str) -> Nudge:
    """The nudges that an address is about. Raises NotFound for one that is forged, or older than our present key."""
    try:
        key = int(_signer.unsign(token))  # we signed it
    except BadSignature as error:
        raise NotFound(_GONE) from error
    found = Nudge.objects.select_related("enrollment__instance__program", "provider", "workspace").filter(pk=key)
    nudge = found.first()
    if nudge is None:
        raise NotFound(_GONE)
    return nudge


_GONE = "This address is about no emails of ours."
