"""A browser signed in to the back office, for every app's admin tests."""

from typing import Any
from unittest import mock

from django.contrib.messages import get_messages
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.http import HttpRequest
from django.test import Client, RequestFactory

from accounts import passwords
from accounts.models import Membership, User, Workspace
from accounts.passwords import SIGNED_IN_BY_PASSWORD
from accounts.states import Role
from accounts.tests.factories import MembershipFactory

PASSWORD = "correct horse battery"


class StaffClient(Client):
    """A client of the back office with its user."""

    def __init__(self, *, workspace: Workspace, role: Role) -> None:
        super().__init__()
        self.user = MembershipFactory(workspace=workspace, role=role).user
        self.force_login(self.user, backend=SIGNED_IN_BY_PASSWORD)

    def confirm(self, url: str, answers: dict[str, Any] | None = None) -> Any:
        """Answer a question, view the preview, and press the button."""
        return self.post(url, {**(answers or {}), "_confirm": "1"})


def member_with_password(role: Role = Role.ADMIN) -> Membership:
    membership: Membership = MembershipFactory(role=role)
    membership.user.set_password(PASSWORD)
    membership.user.save()
    return membership


def sign_in(user: User, client: Client | None = None, *, then: str = "/admin/") -> Client:
    """Sign in through the form, like a person. However many sign in on this machine at once, none has to wait."""
    client = client or Client()
    with mock.patch.object(passwords, "STRANGERS_AT_ONCE", 100):
        answer = client.post(f"/admin/login/?next={then}", {"username": user.email, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def staff_request(user: User) -> HttpRequest:
    """Return a request of somebody signed in to the back office, for code that needs no full page."""
    request = RequestFactory().get("/admin/")
    request.user = user
    request.session = SessionStore()
    request.session["_auth_user_backend"] = SIGNED_IN_BY_PASSWORD
    return request


def said(response: Any) -> list[str]:
    """Return the messages a page leaves for the next one."""
    return [str(message) for message in get_messages(response.wsgi_request)]
