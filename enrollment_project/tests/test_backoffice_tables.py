"""Every registered page and every button, by every role. A page that no table of powers.py names fails."""

from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Membership, Workspace
from accounts.tests.factories import StaffFactory
from backoffice.actions import ConfirmForm
from backoffice.display import cards_for
from backoffice.models import AuditEntry
from backoffice.scoping import WorkspaceScopedAdmin
from backoffice.tests.staff_client import staff_request
from enrollments.models import Enrollment
from enrollments.queries import awaiting_review

from .matrix import pages_undrawn
from .powers import BUTTONS, PAGES
from .small_demo import ADMINS, MINE, OTHERS, ROLES, SignIn, border, buttons, holds, my_row_of, person, row_of, url


def every_text(model: type[Model], field: str) -> list[str]:
    return list(model._default_manager.values_list(field, flat=True))


KINDS_OF_SUBJECTS = 3  # what money may be for: a decision, an enrollment, a place


@pytest.mark.walk
class TestEveryPage:
    @pytest.mark.parametrize("model_admin", ADMINS)
    def test_is_named_in_the_table(self, model_admin: Any) -> None:
        named = PAGES[model_admin.opts.model_name]

        assert isinstance(model_admin, WorkspaceScopedAdmin)
        assert (model_admin.add_power, model_admin.change_power, model_admin.delete_power) == (named[1], named[2], None)

    @pytest.mark.parametrize("model_admin", ADMINS)
    def test_gives_each_role_the_powers_of_the_table(self, model_admin: Any, world: None, db: None) -> None:
        row = my_row_of(model_admin)
        requests = {role: staff_request(person(role)) for role in ROLES}

        given = {
            role: (
                model_admin.has_view_permission(request, row),
                model_admin.has_add_permission(request),
                model_admin.has_change_permission(request, row),
            )
            for role, request in requests.items()
        }

        named = PAGES[model_admin.opts.model_name]
        assert given == {role: tuple(holds(role, power) for power in named) for role in ROLES}

    @pytest.mark.parametrize("model_admin", ADMINS)
    def test_shows_no_card_twice_beside_a_row(self, model_admin: Any, world: None, db: None) -> None:
        cards = cards_for(staff_request(person("superuser")), my_row_of(model_admin))

        titles = [card.title for card in cards]
        assert sorted(titles) == sorted(set(titles))

    @pytest.mark.parametrize("model_admin", ADMINS)
    def test_opens_its_list_for_the_least_of_those_who_may_look(self, model_admin: Any, sign_in: SignIn) -> None:
        view, add, _ = PAGES[model_admin.opts.model_name]

        listed = [sign_in(role).get(url(model_admin, "changelist")).status_code for role in border(view)]
        added = [sign_in(role).get(url(model_admin, "add")).status_code for role in border(add)]

        assert listed == [403, 200]
        assert added == [403, 200][: len(border(add))]

    @pytest.mark.parametrize("model_admin", ADMINS)
    def test_opens_a_row_and_takes_changes_by_role(self, model_admin: Any, sign_in: SignIn) -> None:
        view, _, change = PAGES[model_admin.opts.model_name]
        address = url(model_admin, "change", my_row_of(model_admin).pk)

        shown = [sign_in(role).get(address).status_code for role in border(view)]
        posted = [sign_in(role).post(address, {}).status_code == 403 for role in border(change)]

        assert shown == [403, 200]
        assert posted == [True, False][: len(border(change))]

    @pytest.mark.parametrize("model_admin", ADMINS)
    def test_writes_down_what_its_forms_save(self, model_admin: Any, world: None, db: None) -> None:
        row = my_row_of(model_admin)
        request = staff_request(person("superuser"))
        before = AuditEntry.objects.count()

        for log in (model_admin.log_addition, model_admin.log_change):
            log(request, row, [{"changed": {"fields": ["Name"]}}])

        written = AuditEntry.objects.latest("pk")
        assert AuditEntry.objects.count() == before + 2
        assert (written.model, written.object_id) == (row._meta.label_lower, str(row.pk))
        assert written.workspace_id == model_admin.workspace_id_of(row)

    @pytest.mark.parametrize("role", ["owner", "superuser"])
    @pytest.mark.parametrize("model_admin", ADMINS)
    def test_deletes_for_nobody(self, model_admin: Any, role: str, sign_in: SignIn) -> None:
        row = my_row_of(model_admin)

        response = sign_in(role).post(url(model_admin, "delete", row.pk), {"post": "yes"})

        assert response.status_code in (302, 403)
        assert model_admin.model._default_manager.filter(pk=row.pk).exists()

    @pytest.mark.parametrize("model_admin", ADMINS)
    def test_hides_what_belongs_to_another_workspace(self, model_admin: Any, sign_in: SignIn) -> None:
        row = row_of(model_admin, OTHERS)
        owner = sign_in("owner")
        if row is None:  # people only count as others if they are in none of my workspaces
            row = StaffFactory(email="elsewhere@role.test")
            Membership.objects.create(workspace=Workspace.objects.get(slug=OTHERS), user=row)

        responses = [owner.get(url(model_admin, view, row.pk)) for view in ("change", "history", "delete")]
        with pages_undrawn():
            listed: Any = owner.get(url(model_admin, "changelist"), {"all": ""})

        assert [response.status_code for response in responses] in ([302, 302, 403], [403, 302, 403])
        assert listed.status_code == 403 or row not in list(listed.context_data["cl"].queryset)

    @pytest.mark.parametrize("model_admin", ADMINS)
    def test_asks_the_same_number_of_queries_for_any_number_of_rows(
        self, model_admin: Any, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = sign_in("superuser")

        counts = []
        for rows in (2, 30):
            monkeypatch.setattr(model_admin, "list_per_page", rows)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert client.get(url(model_admin, "changelist")).status_code == 200
            counts.append(len(queries))

        # Two rows may concern one kind of object, while many concern several; each kind is requested once.
        # What tasks and mails are about is of more kinds: each is asked for once, with what its name needs.
        texts = [text for field in model_admin.subject_fields for text in every_text(model_admin.model, field)]
        kinds = {part.partition(":")[0] for text in texts for part in text.split("/") if ":" in part}
        assert counts[1] - counts[0] <= KINDS_OF_SUBJECTS - 1 + 2 * max(len(kinds) - 1, 0)
        assert counts[0] <= 18


@pytest.mark.walk
class TestEveryButton:
    @pytest.mark.parametrize(("model_admin", "kind", "name", "button"), buttons())
    def test_takes_the_power_of_the_table(
        self, model_admin: Any, kind: str, name: str, button: Any, sign_in: SignIn
    ) -> None:
        row = row_of(model_admin, MINE) if kind == "row" else None
        path = reverse(f"admin:{button.action_name}", args=[row.pk] if row else [])
        power = BUTTONS[name]
        lacking, least = border(power)

        refused, opened = (sign_in(role).get(path).status_code for role in (lacking, least))

        given = {role: model_admin.may(staff_request(person(role)), button.method.button.power, row) for role in ROLES}
        assert given == {role: holds(role, power) for role in ROLES}
        seen = kind == "list" or holds(lacking, PAGES[model_admin.opts.model_name][0])
        assert refused == (403 if seen else 404)
        assert opened in (200, 302)  # 302: not possible in the row's present state

    @pytest.mark.parametrize(("model_admin", "kind", "name", "button"), [b for b in buttons() if b.values[1] == "row"])
    def test_does_nothing_to_rows_of_another_workspace(
        self, model_admin: Any, kind: str, name: str, button: Any, sign_in: SignIn
    ) -> None:
        row = row_of(model_admin, OTHERS)
        assert row is not None
        before = model_admin.model._default_manager.filter(pk=row.pk).values().get()

        response = sign_in("owner").post(
            reverse(f"admin:{button.action_name}", args=[row.pk]), {"reason": "guessed", "resolution": "guessed"}
        )

        assert response.status_code == 404
        assert model_admin.model._default_manager.filter(pk=row.pk).values().get() == before

    @pytest.mark.parametrize(("model_admin", "kind", "name", "button"), buttons())
    def test_writes_down_who_pressed_it_where(
        self,
        model_admin: Any,
        kind: str,
        name: str,
        button: Any,
        monkeypatch: pytest.MonkeyPatch,
        world: None,
        db: None,
    ) -> None:
        pressed = button.method.button
        monkeypatch.setattr(pressed, "perform", lambda *_: "Done.")
        request = staff_request(person("superuser"))
        form = ConfirmForm({}, request=request)
        assert form.is_valid()
        row = row_of(model_admin, MINE)
        before = AuditEntry.objects.count()

        pressed.carry_out(model_admin, request, *([row] if kind == "row" else []), form)

        written = AuditEntry.objects.latest("pk")
        assert AuditEntry.objects.count() == before + 1
        assert (written.actor, written.action) == (f"user:{person('superuser').pk}", pressed.description)
        assert written.workspace_id == (model_admin.workspace_id_of(row) if kind == "row" else None)

    def test_only_those_possible_now_are_shown(self, sign_in: SignIn) -> None:
        client = sign_in("reviewer")
        mine = Enrollment.objects.filter(workspace__slug=MINE)
        shown = {}
        for status in ("submitted", "approved", "candidate"):
            enrollment = mine.filter(eligibility_status=status).first()
            assert enrollment is not None
            page = client.get(reverse("admin:enrollments_enrollment_change", args=[enrollment.pk]))
            shown[status] = [str(button["title"]) for button in page.context["actions_detail"]]

        assert shown == {
            "submitted": ["Approve", "Reject"],
            "approved": ["Unenroll"],
            "candidate": ["Evaluate", "Set by hand"],
        }

    def test_a_viewer_is_shown_none(self, sign_in: SignIn) -> None:
        enrollment = awaiting_review(Enrollment.objects.filter(workspace__slug=MINE)).first()
        assert enrollment is not None

        page = sign_in("viewer").get(reverse("admin:enrollments_enrollment_change", args=[enrollment.pk]))

        assert page.context["actions_detail"] == []
