from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, object]:
    """What the frame of every page needs."""
    return {
        "SANDBOX": settings.SANDBOX,
        "SANDBOX_URL": settings.SANDBOX_URL,
        "API_DOCS_URL": "/api/docs",
    }
