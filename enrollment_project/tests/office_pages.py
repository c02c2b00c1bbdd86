"""The pages of the back office that are no model's list or form, found in the URL configuration, and who opens them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.test import Client
from django.urls import reverse

from accounts.models import Membership, User, Workspace
from accounts.passwords import SIGNED_IN_BY_PASSWORD
from accounts.roles import POWERS, Power
from accounts.states import Role
from accounts.tests.factories import StaffFactory
from backoffice.actions import ListButton, RowButton
from backoffice.guided import ListLink, RowLink
from backoffice.scoping import WorkspaceScopedAdmin
from backoffice.tests.staff_client import staff_request
from partners.admin.page_button import PageButton

from .deeds_answers import BEFORE, SUITED
from .matrix import Needed, admin_routes, own_ways, pages
from .office_rows import add_rows_for_buttons
from .small_demo import MINE, OTHERS, person

BOTH = "both@role.test"
_LINKS = (RowLink, ListLink, PageButton)
_STANDARD = ("changelist", "add", "change", "delete", "history")

# No pages: files, what machines ask for, and what only takes what is sent.
NO_PAGES = {
    "admin/(?P<url>.*)$": "no address",
    "autocomplete": "for scripts",
    "billing_invoice_pdf": "a file",
    "enrollments_application_file": "a file",
    "enrollments_enrollment_review_undo": "is sent",
    "enrollments_whatif_file": "a file",
    "figure-file": "a file",
    "jsi18n": "for scripts",
    "logout": "is sent",
    "partners_certificate_pdf": "a file",
    "search": "a part of the window that Ctrl + K opens",
    "view_on_site": "leads nowhere",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A button's page: its model's page, its attribute there, and the button."""

    page: WorkspaceScopedAdmin
    attribute: str
    button: ListButton | RowButton

    @property
    def name(self) -> str:
        return f"{self.page.opts.app_label}_{self.page.opts.model_name}_{self.attribute}"


def own_pages() -> list[str]:
    """Return the names of the routes that are no model's standard page, no button, and show a page."""
    standard = {f"{page.opts.app_label}_{page.opts.model_name}_{view}" for page in pages() for view in _STANDARD}
    return sorted(name for name in admin_routes() - standard - _buttons().keys() - NO_PAGES.keys() if _is_own(name))


def asking_pages() -> list[str]:
    """Return the names of the routes on which a button asks before it acts."""
    asking = {name for name, asked in _buttons().items() if not isinstance(asked.button, _LINKS)}
    return sorted(asking)


def _is_own(name: str) -> bool:
    return not name.endswith("<path:object_id>/")  # Django's old address of a row


def _buttons() -> dict[str, Asked]:
    found = [
        Asked(page, attribute, getattr(type(page), attribute))
        for page in pages()
        for attribute in dir(type(page))
        if isinstance(getattr(type(page), attribute, None), ListButton | RowButton)
    ]
    return {asked.name: asked for asked in found}


def add_owner_of_both() -> None:
    """Add somebody who owns both workspaces, and so sees the columns and choices that tell them apart."""
    user = StaffFactory(email=BOTH)
    for slug in (MINE, OTHERS):
        Membership.objects.create(workspace=Workspace.objects.get(slug=slug), user=user, role=Role.OWNER)


def opener_of(needed: Needed) -> User:
    """Return the owner of both workspaces, unless only a platform operator has the power."""
    is_owners = not isinstance(needed, Power) or needed in POWERS[Role.OWNER]
    return User.objects.get(email=BOTH) if is_owners else person("superuser")


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=SIGNED_IN_BY_PASSWORD)
    return client


class OfficePlaces:
    """Where each of these pages is, and somebody who opens it."""

    def __init__(self) -> None:
        self._found: dict[str, list[tuple[User | None, str]]] = {"login": [(None, reverse("admin:login"))]}
        for way in own_ways():
            self._found.setdefault(way.route, []).append((opener_of(way.opens), way.address))
        apps = self._found["app_list"]  # which look alike
        self._found["app_list"] = [max(apps, key=lambda found: "enrollments" in found[1])]
        self._found["status"] = [(person("superuser"), reverse("status"))]
        self._found["money-days"] = [(opener_of(Power.MONEY), reverse("money-days"))]
        add_rows_for_buttons()
        for page in pages():
            BEFORE.get(str(page.opts.model_name), _nothing)()
        for name, asked in _buttons().items():
            self._found[name] = list(_of_button(asked))

    def of(self, name: str) -> list[tuple[User | None, str]]:
        found = self._found.get(name, [])
        assert found, f"Nobody knows where {name} is: say in {__name__} where, or why it is no page."
        return found


def _nothing() -> None:
    """Nothing has to be there before."""


def _of_button(asked: Asked) -> Iterator[tuple[User | None, str]]:
    user = opener_of(asked.button.power)
    if isinstance(asked.button, ListButton):
        yield user, reverse(f"admin:{asked.name}")
        return
    model = f"{asked.page.opts.model_name}.{asked.attribute}"
    is_suited: Callable[[Any], bool] = SUITED.get(model, lambda row: True)
    for row in asked.page.get_queryset(staff_request(user))[:200]:
        if is_suited(row) and asked.button.possible(row):
            yield user, reverse(f"admin:{asked.name}", args=[row.pk])
            return
