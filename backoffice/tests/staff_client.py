"""A browser signed in to the back office, for every app's admin tests."""

import html
import re
from typing import Any
from unittest import mock

from django import forms
from django.contrib.messages import get_messages
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts import passwords
from accounts.models import Membership, User, Workspace
from accounts.passwords import SIGNED_IN_BY_PASSWORD
from accounts.states import Role
from accounts.tests.factories import MembershipFactory
from backoffice.scoping import WorkspaceModelForm
from backoffice.seen import SEEN

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


def as_shown(client: Client, address: str) -> tuple[dict[str, Any], forms.BaseForm]:
    """Return what a browser would send of an untouched form."""
    context = client.get(address).context
    form: forms.BaseForm = context["adminform"].form
    sets = [each.formset for each in context["inline_admin_formsets"]]
    every = [form, *[each.management_form for each in sets], *[one for each in sets for one in each.initial_forms]]
    sent = {}
    for one in every:
        for bound in one:
            value = bound.value()
            if value is not None and value is not False and value not in ("", []):
                sent[bound.html_name] = "on" if value is True else value
    if isinstance(form, WorkspaceModelForm) and form.seen:
        sent[SEEN] = form.seen
    return sent | {name: value for each in sets for name, value in each.seen}, form


def opened(button: str, row: Any, *fields: str) -> tuple[StaffClient, str, dict[str, Any]]:
    """Return an owner who has opened the button's form, its address, and what these fields show."""
    owner = StaffClient(workspace=getattr(row, "workspace", None) or row.district.workspace, role=Role.OWNER)
    url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{button}", args=[row.pk])
    shown = owner.get(url).context["form"]
    return owner, url, {**{name: shown[name].value() for name in fields}, SEEN: shown.seen}


def listed(client: Client, address: str) -> list[list[str]]:
    """Return the words in each cell of a list's rows, without the empty cells."""
    page = client.get(address).content.decode()
    rows = re.findall(r"<tr\b[^>]*>(.*?)</tr>", page.partition('id="result_list"')[2].partition("</table>")[0], re.S)
    told = [[_words(cell) for cell in re.findall(r"<t[dh]\b[^>]*>(.*?)</t[dh]>", row, re.S)] for row in rows[1:]]
    return [[words for words in row if words] for row in told]


def card(client: Client, address: str, title: str) -> list[tuple[str, str, str]]:
    """Return title, badge, and note of each row of a card on an object's page."""
    (found,) = [each for each in client.get(address).context["neighbor_cards"] if each.title == title]
    return [(str(row.title), _words(row.badge), _words(row.note)) for row in found.rows]


def foreseen(answer: Any) -> tuple[str, ...]:
    """Return what the preview of one row says, its word about mails last."""
    ((_, preview),) = answer.context["previews"]
    return (*preview.sentences, preview.mails)


def _words(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", markup)).split())
