"""A browser signed in to the back office, for every app's admin tests."""

from typing import Any

from django.contrib.messages import get_messages
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.http import HttpRequest
from django.test import Client, RequestFactory

from accounts.models import User, Workspace
from accounts.passwords import SIGNED_IN_BY_PASSWORD
from accounts.states import Role
from accounts.tests.factories import MembershipFactory


class StaffClient(Client):
    """A client of the back office with its user."""

    def __init__(self, *, workspace: Workspace, role: Role) -> None:
        super().__init__()
        self.user = MembershipFactory(workspace=workspace, role=role).user
        self.force_login(self.user, backend=SIGNED_IN_BY_PASSWORD)

    def confirm(self, url: str, answers: dict[str, Any] | None = None) -> Any:
        """Answer a question, look at the preview, and press the button."""
        return self.post(url, {**(answers or {}), "_confirm": "1"})


def staff_request(user: User) -> HttpRequest:
    """A request of somebody signed in to the back office, for what needs no more of a page than that."""
    request = RequestFactory().get("/admin/")
    request.user = user
    request.session = SessionStore()
    request.session["_auth_user_backend"] = SIGNED_IN_BY_PASSWORD
    return request


def said(response: Any) -> list[str]:
    """The messages a page leaves for the next one."""
    return [str(message) for message in get_messages(response.wsgi_request)]
