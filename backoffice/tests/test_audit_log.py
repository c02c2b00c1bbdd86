"""Staff actions are recorded in the same transaction, once, and the record never changes."""

import datetime as dt
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest
from django.urls import reverse

from accounts.models import Membership, Workspace
from accounts.states import Role
from accounts.tests.factories import LearnerFactory, MembershipFactory, WorkspaceFactory
from backoffice.admin.staff import MembershipAdmin
from backoffice.auditing.keeping import blank_reasons, forget_old_entries
from backoffice.auditing.recording import record_departure
from backoffice.models import AuditEntry, AuditLogIsKept, Export
from backoffice.tests.staff_client import StaffClient
from core.actors import SYSTEM
from core.clock import utc_now
from core.errors import DomainError
from core.personal import ERASED

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def owner(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.OWNER)


def entry(at: dt.datetime | None = None, **values: Any) -> AuditEntry:
    made: AuditEntry = AuditEntry.objects.create(
        at=at or utc_now(), actor="user:1", model="billing.payment", action="Refund", **values
    )
    return made


class TestAnEntry:
    def test_of_a_form_says_who_changed_what_from_what_to_what(self, owner: StaffClient, workspace: Workspace) -> None:
        fields = {"name": "Renamed", "timezone": workspace.timezone}
        before = workspace.name

        owner.post(
            reverse("admin:accounts_workspace_change", args=[workspace.pk]),
            fields,
            headers={"X-Request-Id": "request-1"},
        )

        written = AuditEntry.objects.get()
        assert (written.actor, written.workspace_id) == (f"user:{owner.user.pk}", workspace.pk)
        assert (written.model, written.object_id) == ("accounts.workspace", str(workspace.pk))
        assert written.changes == {"name": [before, "Renamed"]}
        assert (written.action, written.request_id) == ("Changed", "request-1")

    def test_of_a_row_that_is_added_names_it(self, owner: StaffClient, workspace: Workspace) -> None:
        owner.post(reverse("admin:accounts_lead_add"), {"workspace": workspace.pk, "email": "lead@home.test"})

        lead = workspace.leads.get()
        written = AuditEntry.objects.get()
        assert (written.action, written.model, written.object_id) == ("Added", "accounts.lead", str(lead.pk))
        assert written.workspace_id == workspace.pk

    def test_of_a_button_has_the_change_and_the_reason(self, owner: StaffClient, workspace: Workspace) -> None:
        member = MembershipFactory(workspace=workspace, role=Role.VIEWER)

        owner.post(reverse("admin:accounts_membership_give_role", args=[member.pk]), {"role": "finance"})

        written = AuditEntry.objects.get()
        assert (written.action, written.object_id) == ("Change the role", str(member.pk))
        assert written.changes == {"role": ["viewer", "finance"]}

    def test_of_a_row_that_is_gone_remains(self, owner: StaffClient, workspace: Workspace) -> None:
        member = MembershipFactory(workspace=workspace)

        owner.post(reverse("admin:accounts_membership_remove", args=[member.pk]))

        written = AuditEntry.objects.get()
        assert (written.action, written.object_id, written.changes) == ("Deleted", str(member.pk), {})

    def test_of_an_export_says_of_what(self, owner: StaffClient, workspace: Workspace) -> None:
        learner = LearnerFactory(workspace=workspace)

        owner.post(
            reverse("admin:accounts_learner_changelist"), {"action": "export_csv", "_selected_action": [learner.pk]}
        )

        written = AuditEntry.objects.get()
        assert (written.action, written.model) == ("Export of learners", "backoffice.export")
        assert (written.object_id, written.workspace_id) == (str(Export.objects.get().pk), workspace.pk)

    def test_keeps_no_value_of_a_learner(self, owner: StaffClient, workspace: Workspace) -> None:
        learner = LearnerFactory(workspace=workspace, first_name="Tala")
        page = owner.get(reverse("admin:accounts_learner_change", args=[learner.pk]))
        form = page.context["adminform"].form
        fields = {name: form[name].value() or "" for name in form.fields} | {"first_name": "Talia"}
        inlines = {
            f"{each.formset.prefix}-{name}": "0"
            for each in page.context["inline_admin_formsets"]
            for name in ("TOTAL_FORMS", "INITIAL_FORMS")
        }

        owner.post(reverse("admin:accounts_learner_change", args=[learner.pk]), {**fields, **inlines})

        written = AuditEntry.objects.get()
        assert written.changes["first_name"] is None
        assert not any(pair for pair in written.changes.values())
        assert "Talia" not in str(AuditEntry.objects.values().get())


class TestAButton:
    def test_that_is_refused_leaves_neither_change_nor_entry(self, owner: StaffClient) -> None:
        mine = Membership.objects.get(user=owner.user)

        owner.post(reverse("admin:accounts_membership_give_role", args=[mine.pk]), {"role": "viewer"})

        mine.refresh_from_db()
        assert mine.role == Role.OWNER
        assert AuditEntry.objects.count() == 0

    def test_that_fails_half_way_takes_back_what_it_did(
        self, owner: StaffClient, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def half(page: Any, request: HttpRequest, row: Membership, form: Any) -> str:
            Membership.objects.filter(pk=row.pk).update(role=Role.VIEWER)
            raise DomainError("Not now.")

        member = MembershipFactory(workspace=workspace, role=Role.ADMIN)
        monkeypatch.setattr(MembershipAdmin.__dict__["remove"], "perform", half)

        owner.post(reverse("admin:accounts_membership_remove", args=[member.pk]))

        member.refresh_from_db()
        assert member.role == Role.ADMIN
        assert AuditEntry.objects.count() == 0

    def test_that_reaches_out_is_written_down_before(
        self, owner: StaffClient, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[int] = []

        def ask(page: Any, request: HttpRequest, row: Membership, form: Any) -> str:
            seen.append(AuditEntry.objects.count())
            raise DomainError("The other side is down.")

        for name, value in (("perform", ask), ("reaches_out", True)):
            monkeypatch.setattr(MembershipAdmin.__dict__["remove"], name, value)
        owner.post(reverse("admin:accounts_membership_remove", args=[Membership.objects.get(user=owner.user).pk]))

        assert seen == [1]
        assert AuditEntry.objects.get().action == "Remove"


class TestTheLog:
    @pytest.mark.sqlite
    def test_is_only_added_to_in_the_database_itself(self) -> None:
        kept = entry(reason="Ana asked for it")
        update = "UPDATE backoffice_auditentry SET"

        for statement in (
            f"{update} reason = 'Other'",
            f"{update} reason = ''",
            f"{update} reason = '(erased)', request_id = 'other'",
            f"{update} reason = '(erased)', object_id = '2'",
            "DELETE FROM backoffice_auditentry",
        ):
            with (
                pytest.raises(DatabaseError, match="only added to"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(statement)

        assert AuditEntry.objects.get() == kept

    @pytest.mark.sqlite
    def test_loses_the_reasons_about_an_erased_person_and_nothing_else(self) -> None:
        named, other, without = (
            entry(object_id=number, reason=reason)
            for number, reason in (("12", "Ana asked for it"), ("13", "Paid twice"), ("12", ""))
        )

        assert [blank_reasons(model="billing.payment", object_ids=[12, 14]) for _ in range(2)] == [1, 0]

        rows = AuditEntry.objects.in_bulk()
        assert [rows[each.pk].reason for each in (named, other, without)] == [ERASED, "Paid twice", ""]
        assert (rows[named.pk].object_id, rows[named.pk].action) == ("12", "Refund")

    def test_refuses_in_words_before_that(self) -> None:
        kept = entry()

        for refused in (
            kept.save,
            kept.delete,
            AuditEntry.objects.all().delete,
            lambda: AuditEntry.objects.update(reason=""),
        ):
            with pytest.raises(AuditLogIsKept):
                refused()

    @pytest.mark.sqlite
    def test_forgets_what_is_past_its_time(self) -> None:
        now = utc_now()
        entry(at=now - dt.timedelta(days=3 * 365 + 1))
        younger = entry(at=now - dt.timedelta(days=3 * 365 - 1))

        assert [forget_old_entries(limit=10, now=now) for _ in range(2)] == [1, 0]
        assert list(AuditEntry.objects.all()) == [younger]


class TestThePage:
    def test_shows_owners_what_was_done_in_their_workspace(self, owner: StaffClient, workspace: Workspace) -> None:
        entry(workspace=workspace, reason="Canceled by us", changes={"status": ["paid", "refunded"], "note": None})
        entry(workspace=WorkspaceFactory(), reason="Elsewhere")
        record_departure(
            actor=SYSTEM,
            action="Taken out",
            model="accounts.learner",
            object_id=7,
            workspace_id=workspace.pk,
            now=utc_now(),
        )

        listed = owner.get(reverse("admin:backoffice_auditentry_changelist")).content.decode()
        shown = owner.get(reverse("admin:backoffice_auditentry_change", args=[AuditEntry.objects.earliest("pk").pk]))

        assert "Canceled by us" in listed
        assert "Taken out" in listed
        assert "Elsewhere" not in listed
        assert "paid → refunded" in shown.content.decode()
        assert "changed; values not kept" in shown.content.decode()

    def test_is_filtered_by_person_kind_and_row(self, owner: StaffClient, workspace: Workspace) -> None:
        address = reverse("admin:backoffice_auditentry_changelist")
        entry(workspace=workspace, object_id="12")

        found = [
            owner.get(address, query).context["cl"].result_count
            for query in (
                {"person": "1"},
                {"person": "2"},
                {"kind": "billing.payment"},
                {"kind": "billing.price"},
                {"q": "12"},
            )
        ]

        assert found == [1, 0, 1, 0, 1]

    @pytest.mark.parametrize("role", [Role.ADMIN, Role.VIEWER])
    def test_is_not_for_others(self, role: Role, workspace: Workspace) -> None:
        answer = StaffClient(workspace=workspace, role=role).get(reverse("admin:backoffice_auditentry_changelist"))

        assert answer.status_code == 403
