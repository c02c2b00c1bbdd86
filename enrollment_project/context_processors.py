from django.conf import settings
from django.http import HttpRequest

from demo.progress import loaded_percent

from .mailbox import may_read_mailbox


def site(request: HttpRequest) -> dict[str, object]:
    """Return what the frame of every page needs."""
    return {
        "SANDBOX": settings.SANDBOX,
        "MAILBOX_PAGE": may_read_mailbox(request),
        "GRAPHIQL_PAGE": settings.GRAPHIQL_PAGE,
        "DEMO_PERCENT": loaded_percent() if settings.SANDBOX else None,
        "SANDBOX_URL": settings.SANDBOX_URL,
        "API_DOCS_URL": "/api/docs",
    }
