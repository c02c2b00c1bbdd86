from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, object]:
    """What the frame of every page needs."""
    return {"SANDBOX": settings.SANDBOX}
