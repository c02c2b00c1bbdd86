"""The URL at which the recipient of nudges stops them, without signing in.

It names the row of the nudges and is signed by us, so no secret is stored. It works for as long as the row exists, and
only lets its holder stop or resume these nudges.
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
    """Return the nudges of this link. Raises NotFound if it is forged or was signed with a key we no longer use."""
    try:
        key = int(_signer.unsign(token))  # we signed it
    except BadSignature as error:
        raise NotFound(_GONE) from error
    found = Nudge.objects.select_related("enrollment__instance__program", "provider", "workspace").filter(pk=key)
    nudge = found.first()
    if nudge is None:
        raise NotFound(_GONE)
    return nudge


_GONE = "There are no emails of ours at this address."
