"""The URL at which a family answers a reviewer's question.

It names the question's row and is signed by us, so no secret is stored. Whoever has it reads the question and answers
it once, and learns nothing else.
"""

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse

from core.errors import NotFound

from ..models import Inquiry

_signer = Signer(salt="enrollments.inquiries", sep=".")


def answer_url(inquiry_id: int) -> str:
    """Return the full URL of the page."""
    return f"{settings.PUBLIC_URL}{reverse('inquiry', args=[_signer.sign(str(inquiry_id))])}"


def find_linked_inquiry(token: str) -> Inquiry:
    """Return the question of this link. Raises NotFound if it is forged or was signed with a key we no longer use."""
    try:
        key = int(_signer.unsign(token))  # we signed it
    except BadSignature as error:
        raise NotFound("There is no question of ours at this address.") from error
    found = Inquiry.objects.select_related("enrollment__instance__program", "enrollment__workspace").filter(
        pk=key, enrollment__deleted_at=None
    )
    inquiry = found.first()
    if inquiry is None:
        raise NotFound("There is no question of ours at this address.")
    return inquiry
