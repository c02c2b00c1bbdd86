"""How many sign-in codes are sent: enough for the mailbox's owner, too few to flood it.

Requests are counted per mailbox and caller's network, so that a stranger's requests use up the stranger's share. What
all strangers together may send to a mailbox is limited too, and that limit resets by itself; a browser that has signed
in to the account before is not counted among them.
"""

import hashlib

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _

from core.addresses import canonical_address
from core.counters import count_in_database
from core.errors import DomainError
from core.http.client_address import client_network

from .devices import known_device
from .models import User
from .passwords import in_words

MINUTE = 60


class CodesPaused(DomainError):
    status = 429
    code = "codes_paused"
    title = "Too many codes were asked for"

    def __init__(self, detail: str, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(detail % {"time": in_words(retry_after)})


def count_code_request(*, email: str, request: HttpRequest) -> None:
    """Count a request for a code. Raises CodesPaused if it is one too many, the same for every address."""
    address = canonical_address(email)
    mailbox = hashlib.sha256(address.encode()).hexdigest()[:32]
    network = client_network(request)
    known = User.objects.filter(email=address).first()
    device = known_device(request, user_id=known.pk if known else None)
    caller = hashlib.sha256(f"{device or network}".encode()).hexdigest()[:32]
    _count(
        f"codes:from:{network}",
        limit=settings.SIGN_IN_CODES_PER_NETWORK,
        seconds=MINUTE,
        detail=_("Many codes were requested from your network. Try again in %(time)s."),
    )
    _count(
        f"codes:{mailbox}:{caller}",
        limit=settings.SIGN_IN_CODES_PER_CALLER,
        seconds=10 * MINUTE,
        detail=_("You have asked for several codes. The newest one works; you can have another in %(time)s."),
    )
    if device is None:
        _count(
            f"codes:{mailbox}",
            limit=settings.SIGN_IN_CODES_PER_MAILBOX,
            seconds=30 * MINUTE,
            detail=_("We sent several codes to this address. You can have another in %(time)s."),
        )


def _count(key: str, *, limit: int, seconds: int, detail: str) -> None:
    number, starts_anew = count_in_database(key, seconds=seconds)
    if number > limit:
        raise CodesPaused(detail, starts_anew)
