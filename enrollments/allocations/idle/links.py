"""The URL at which a family says that it is still coming.

It names the row and is signed by us, so no secret is stored. Whoever has it can keep the seat, and learns nothing but
the program's name.
"""

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse

from core.errors import NotFound

from ...models import IdleSeat

_signer = Signer(salt="enrollments.idle_seats", sep=".")
_GONE = "There is no seat of ours at this address."


def keep_url(idle_seat_id: int) -> str:
    """Return the full URL of the page."""
    return f"{settings.PUBLIC_URL}{reverse('idle-seat', args=[_signer.sign(str(idle_seat_id))])}"


def find_linked_seat(token: str) -> IdleSeat:
    """Return the idle seat of this link. Raises NotFound if it is forged or was signed with a key we no longer use."""
    try:
        key = int(_signer.unsign(token))  # we signed it
    except BadSignature as error:
        raise NotFound(_GONE) from error
    rows = IdleSeat.objects.filter(pk=key, seat__enrollment__deleted_at=None)
    idle = rows.select_related("seat__enrollment__instance__program", "seat__enrollment__workspace").first()
    if idle is None:
        raise NotFound(_GONE)
    return idle
