"""A browser signed in to the back office, for every app's admin tests."""

from typing import Any

from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import MembershipFactory


class StaffClient(Client):
    """A client of the back office with its user."""

    def __init__(self, *, workspace: Workspace, role: Role) -> None:
        super().__init__()
        self.user = MembershipFactory(workspace=workspace, role=role).user
        self.force_login(self.user, backend="django.contrib.auth.backends.ModelBackend")

    def confirm(self, url: str, answers: dict[str, Any] | None = None) -> Any:
        """Answer a question, look at the preview, and press the button."""
        return self.post(url, {**(answers or {}), "_confirm": "1"})


def said(response: HttpResponse) -> list[str]:
    """The messages a page leaves for the next one."""
    return [str(message) for message in get_messages(response.wsgi_request)]
