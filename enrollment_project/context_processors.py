from django.conf import settings
from django.http import HttpRequest

from demo.progress import loaded_percent

from .dashboard.navigation import page_of_its_own_at, path_of
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


def trail(request: HttpRequest) -> dict[str, object]:
    """Return the name and the address under which the sidebar lists a page that is no model's list."""
    entry = page_of_its_own_at(request.path)
    return {"PLACE_IN_SIDEBAR": (entry.title, path_of(entry)) if entry else None}
