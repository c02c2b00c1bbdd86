"""The address at which a family answers a reviewer's question.

It names the row of the question and is signed by us, so nothing secret is kept. Its holder reads the question and
answers it once, and learns nothing else.
"""

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse

from core.errors import NotFound

from ..models import Inquiry

_signer = Signer(salt="enrollments.inquiries", sep=".")


def answer_url(inquiry_id: int) -> str:
    """The page's whole address."""
    return f"{settings.PUBLIC_URL}{reverse('inquiry', args=[_signer.sign(str(inquiry_id))])}"


def find_linked_inquiry(token: str) -> Inquiry:
    """The question that an address is about. Raises NotFound for one that is forged, or older than our present key."""
    try:
        key = int(_signer.unsign(token))  # we signed it
    except BadSignature as error:
        raise NotFound("This address is about no question of ours.") from error
    found = Inquiry.objects.select_related("enrollment__instance__program", "enrollment__workspace").filter(
        pk=key, enrollment__deleted_at=None
    )
    inquiry = found.first()
    if inquiry is None:
        raise NotFound("This address is about no question of ours.")
    return inquiry
