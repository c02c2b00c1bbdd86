from django.conf import settings
from django.http import HttpRequest

from .mailbox import may_read_mailbox


def site(request: HttpRequest) -> dict[str, object]:
    """What the frame of every page needs."""
    return {
        "SANDBOX": settings.SANDBOX,
        "MAILBOX_PAGE": may_read_mailbox(request),
        "SANDBOX_URL": settings.SANDBOX_URL,
        "API_DOCS_URL": "/api/docs",
    }
