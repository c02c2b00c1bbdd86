from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from core.http.client_address import client_address


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Answers allauth's questions by our own rules."""

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request)
