"""Somebody who owns one workspace and may only view another: no power of the first reaches into the second.

The tests cover every registered page, button, bulk action, and form. The control is somebody who owns both.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse

from accounts.models import Membership, User, Workspace
from accounts.roles import POWERS, Power
from accounts.states import Role
from accounts.tests.factories import LeadFactory, StaffFactory
from backoffice.actions import ConfirmForm
from backoffice.guided import ListLink
from backoffice.scoping import WorkspaceScopedAdmin
from backoffice.tests.staff_client import staff_request
from enrollments.models import ProgramInstance
from enrollments.queries import awaiting_review

from .powers import PAGES
from .small_demo import MINE, OTHERS, buttons, small_demo, url

pytestmark = pytest.mark.walk

ADMINS = [
    pytest.param(page, id=str(model._meta.model_name))
    for model, page in admin.site._registry.items()
    if isinstance(page, WorkspaceScopedAdmin) and page.workspace_path
]
ADDED: list[Any] = [page for page in ADMINS if page.values[0].add_power not in (None, Power.OPERATE)]
ROW_BUTTONS = [button for button in buttons() if button.values[1] == "row" and button.values[0].workspace_path]
# These link to pages of their own, which check the power and offer the workspaces where it is held.
LIST_BUTTONS = [
    button
    for button in buttons()
    if button.values[1] == "list" and not isinstance(button.values[3].method.button, ListLink)
]
ASIDE, BOTH = "aside@role.test", "both@role.test"


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any, folder_of_the_demo: Path) -> Iterator[None]:
    with small_demo(django_db_blocker, folder_of_the_demo):
        mine, others = (Workspace.objects.get(slug=slug) for slug in (MINE, OTHERS))
        for email, role in ((ASIDE, Role.VIEWER), (BOTH, Role.OWNER)):
            user = StaffFactory(email=email)
            Membership.objects.create(workspace=mine, user=user, role=Role.OWNER)
            Membership.objects.create(workspace=others, user=user, role=role)
        LeadFactory(workspace=others)
        yield


@pytest.fixture(autouse=True)
def _in_the_world(world: None, db: None) -> None:
    """All tests here use it."""


def browser(email: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(email=email), backend="django.contrib.auth.backends.ModelBackend")
    return client


def request_of(email: str) -> HttpRequest:
    return staff_request(User.objects.get(email=email))


def their_row(page: WorkspaceScopedAdmin) -> models.Model:
    return some_row(page, OTHERS)


def my_row(page: WorkspaceScopedAdmin) -> models.Model:
    return some_row(page, MINE)


def some_row(page: Any, slug: str) -> models.Model:
    """Return a row that the page shows."""
    path = "slug" if page.workspace_path == "id" else f"{page.workspace_path}__slug"
    row = page.get_queryset(request_of("superuser@role.test")).filter(**{path: slug}).first()
    assert row is not None
    return row


def values_of(row: models.Model) -> dict[str, Any]:
    values: dict[str, Any] = type(row)._default_manager.filter(pk=row.pk).values().get()
    return values


def workspaces_in(page: WorkspaceScopedAdmin, rows: Any) -> set[int | None]:
    return {page.workspace_id_of(row) for row in rows}


def ids(*slugs: str) -> set[int]:
    return set(Workspace.objects.filter(slug__in=slugs).values_list("pk", flat=True))


class TestEveryPage:
    @pytest.mark.parametrize("page", ADMINS)
    def test_lists_of_each_workspace_what_the_role_there_may_see(self, page: WorkspaceScopedAdmin) -> None:
        seen = ids(MINE, OTHERS) if PAGES[str(page.opts.model_name)][0] in POWERS[Role.VIEWER] else ids(MINE)

        listed = [workspaces_in(page, page.get_queryset(request_of(email))) for email in (ASIDE, BOTH)]

        assert listed == [seen, ids(MINE, OTHERS)]

    @pytest.mark.parametrize("page", ADMINS)
    def test_gives_each_row_the_powers_held_in_its_own_workspace(self, page: WorkspaceScopedAdmin) -> None:
        view, _, change = PAGES[str(page.opts.model_name)]
        request = request_of(ASIDE)

        given = [
            (page.has_view_permission(request, row), page.has_change_permission(request, row))
            for row in (my_row(page), their_row(page))
        ]

        assert given == [(True, change in POWERS[Role.OWNER]), (view in POWERS[Role.VIEWER], False)]

    @pytest.mark.parametrize("page", ADMINS)
    def test_takes_no_change_of_what_may_only_be_looked_at(self, page: WorkspaceScopedAdmin) -> None:
        row = their_row(page)
        before = values_of(row)

        changed = browser(ASIDE).post(url(page, "change", row.pk), {"name": "Taken over"})

        is_seen = PAGES[str(page.opts.model_name)][0] in POWERS[Role.VIEWER]
        assert changed.status_code == (403 if is_seen or page.change_power is None else 302)
        assert values_of(row) == before

    @pytest.mark.parametrize("page", ADMINS)
    def test_gives_inlines_the_powers_held_in_the_parent_s_workspace(self, page: WorkspaceScopedAdmin) -> None:
        request = request_of(ASIDE)
        inlines = [found(page.model, admin.site) for found in page.get_inlines(request, their_row(page))]

        def given(row: models.Model) -> list[bool]:
            return [
                bool(ask(request, row))
                for inline in inlines
                for ask in (
                    inline.has_add_permission,
                    inline.has_change_permission,
                    inline.has_delete_permission,
                )
            ]

        powers = [power for inline in inlines for power in (inline.add_power, inline.change_power, inline.delete_power)]
        assert given(my_row(page)) == [power in POWERS[Role.OWNER] for power in powers]
        assert given(their_row(page)) == [False] * len(powers)

    @pytest.mark.parametrize("page", ADDED)
    def test_adds_only_where_that_power_is_held(self, page: WorkspaceScopedAdmin) -> None:
        """A row belongs to its workspace through one field, which offers and accepts only rows of those workspaces."""
        owner: Any = page.model._meta.get_field(page.owner_field).related_model
        path = "__".join([*page.workspace_path.split("__")[1:], "slug"])
        theirs = owner.objects.filter(**{path: OTHERS}).first()
        before = page.model._default_manager.count()

        offered = []
        for email in (ASIDE, BOTH):
            field = browser(email).get(url(page, "add")).context["adminform"].form.fields[page.owner_field]
            offered.append(theirs in field.queryset)
        answer = browser(ASIDE).post(url(page, "add"), {page.owner_field: theirs.pk})

        assert offered == [False, True]
        assert page.owner_field in answer.context["adminform"].form.errors
        assert page.model._default_manager.count() == before

    def test_mixes_no_workspaces_even_where_both_are_owned(self) -> None:
        page = admin.site.get_model_admin(ProgramInstance)
        client, mine = browser(BOTH), Workspace.objects.get(slug=MINE)
        fields = client.get(url(page, "add")).context["adminform"].form.fields
        foreign = {
            name: some_row(admin.site.get_model_admin(field.queryset.model), OTHERS).pk
            for name, field in fields.items()
            if isinstance(field, forms.ModelChoiceField) and name != "workspace"
        }

        answer = client.post(url(page, "add"), {"workspace": mine.pk, **foreign})

        errors = answer.context["adminform"].form.errors
        assert set(foreign) == {"program", "price"}
        assert [errors[name] for name in foreign] == [["This belongs to another workspace."]] * 2

    def test_that_chooses_what_belongs_elsewhere_is_the_only_one(self) -> None:
        """If you give another page such a choice, write the test above for it."""
        request = request_of(BOTH)
        choices = {
            f"{page.opts.model_name}.{name}"
            for page in (each.values[0] for each in ADDED)
            for name, field in page.get_form(request).base_fields.items()
            if isinstance(field, forms.ModelChoiceField) and name != page.owner_field
            if getattr(admin.site.get_model_admin(field.queryset.model), "workspace_path", "")
        }

        assert choices == {"programinstance.program", "programinstance.price"}


class TestEveryButton:
    @pytest.mark.parametrize(("page", "kind", "name", "button"), ROW_BUTTONS)
    def test_of_a_row_takes_the_power_in_its_workspace(
        self, page: WorkspaceScopedAdmin, kind: str, name: str, button: Any
    ) -> None:
        row = their_row(page)
        before = values_of(row)
        path = reverse(f"admin:{button.action_name}", args=[row.pk])

        offered = [
            button.action_name in {each.action_name for each in page.get_actions_detail(request_of(email), row.pk)}
            for email in (ASIDE, BOTH)
        ]
        refused = browser(ASIDE).post(path, {"_confirm": "1", "reason": "Guessed", "note": "Guessed"})

        seen = PAGES[str(page.opts.model_name)][0] in POWERS[Role.VIEWER]
        assert refused.status_code == (403 if seen else 404)
        assert values_of(row) == before
        assert offered == [False, button.method.button.possible(row)]

    @pytest.mark.parametrize(("page", "kind", "name", "button"), LIST_BUTTONS)
    def test_above_a_list_makes_things_only_where_the_power_is_held(
        self, page: WorkspaceScopedAdmin, kind: str, name: str, button: Any
    ) -> None:
        path = reverse(f"admin:{button.action_name}")
        before = page.model._default_manager.count()
        if not page.workspace_path:  # the platform's, which no membership opens
            assert [browser(email).post(path).status_code for email in (ASIDE, BOTH)] == [403, 403]
            return

        fields, wider = (
            {
                name: field
                for name, field in browser(email).get(path).context["form"].fields.items()
                if isinstance(field, forms.ModelChoiceField)
            }
            for email in (ASIDE, BOTH)
        )
        guesses = {name: field.queryset.exclude(pk__in=fields[name].queryset)[0].pk for name, field in wider.items()}
        answer = browser(ASIDE).post(path, guesses)

        assert guesses
        assert set(guesses) <= set(answer.context["form"].errors)
        assert page.model._default_manager.count() == before


def bulk_actions() -> Iterator[Any]:
    for each in ADMINS:
        page = each.values[0]
        for name in page.actions or ():
            button = getattr(getattr(type(page), name), "button", None)
            yield pytest.param(page, name, button, id=f"{page.opts.model_name}.{name}")


class TestEveryBulkAction:
    @pytest.mark.parametrize(("page", "name", "button"), list(bulk_actions()))
    def test_acts_on_the_selected_rows_of_workspaces_where_the_power_is_held(
        self, page: WorkspaceScopedAdmin, name: str, button: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mine, theirs = my_row(page), their_row(page)
        acted: list[int] = []
        monkeypatch.setattr(button, "perform", lambda admin, request, row, form: acted.append(row.pk) or "Done.")
        monkeypatch.setattr(button, "form", ConfirmForm)
        monkeypatch.setattr(button, "preview", None)
        bulk = getattr(type(page), name)
        monkeypatch.setattr(bulk, "possible", lambda row: True)
        monkeypatch.setattr(bulk, "preview_all", None)
        selected = {"action": name, "_selected_action": [mine.pk, theirs.pk], "_confirmed": "1"}

        counts = []
        for email in (ASIDE, BOTH):
            browser(email).post(f"{url(page, 'changelist')}?all=", selected)
            counts.append(sorted(acted))
            acted.clear()

        assert counts == [[mine.pk], sorted([mine.pk, theirs.pk])]

    def test_is_there(self) -> None:
        """The list above is generated from the pages: this is what it must find."""
        found = {each.id for each in bulk_actions()}

        assert {"enrollment.approve_selected", "enrollment.reject_selected", "stafftask.complete_selected"} <= found

    def test_approves_for_a_reviewer_nothing_of_where_they_only_look(self) -> None:
        """The whole path, through the form that staff see."""
        reviewer = StaffFactory(email="reviewer-aside@role.test")
        waiting = {}
        for slug, role in ((MINE, Role.REVIEWER), (OTHERS, Role.VIEWER)):
            workspace = Workspace.objects.get(slug=slug)
            Membership.objects.create(workspace=workspace, user=reviewer, role=role)
            waiting[slug] = awaiting_review(workspace.enrollments.all()).first()
            assert waiting[slug] is not None
        selected = {"action": "approve_selected", "_selected_action": [row.pk for row in waiting.values()]}

        browser(reviewer.email).post(
            reverse("admin:enrollments_enrollment_changelist"), {**selected, "_confirmed": "1", "_confirm": "1"}
        )

        states = {slug: type(row).objects.get(pk=row.pk).eligibility_status for slug, row in waiting.items()}
        assert states == {MINE: "approved", OTHERS: "submitted"}
