import datetime as dt

import pytest
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.urls import reverse

from accounts.api_keys import create_api_key, find_principal
from accounts.models import ApiKey, Guardianship, Learner, Membership, StaffTask, Workspace
from accounts.staff_tasks import complete_staff_task, raise_staff_task
from accounts.states import Role, TaskStatus
from accounts.task_kinds import NO_ADDRESS, UNANSWERED, TaskKind, find_kind
from accounts.tests.factories import GuardianFactory, LearnerFactory, WorkspaceFactory
from backoffice.scoping import CappedPaginator
from backoffice.tests.staff_client import StaffClient, listed, said
from core.clock import utc_now

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory(slug="north", name="North")


@pytest.fixture
def owner(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.OWNER)


def make_key(workspace: Workspace) -> tuple[ApiKey, str]:
    return create_api_key(workspace_id=workspace.pk, name="Portal", scopes=["decisions:read"], now=utc_now())


class TestCreatingAKey:
    def test_shows_it_once_and_lets_nothing_keep_it(self, workspace: Workspace, owner: StaffClient) -> None:
        response = owner.post(
            reverse("admin:accounts_apikey_create"),
            {"workspace": workspace.pk, "name": "Portal", "scopes": ["decisions:read"], "expires_in_days": 30},
        )

        key = ApiKey.objects.get()
        text = response.context["text"]
        principal = find_principal(text, now=utc_now())
        assert principal is not None
        assert principal.workspace_id == workspace.pk
        assert text in response.content.decode()
        assert "no-store" in response["Cache-Control"]
        assert key.created_by == owner.user
        assert key.expires_at is not None
        assert dt.timedelta(days=29) < key.expires_at - utc_now() <= dt.timedelta(days=30)

    def test_never_shows_it_again(self, workspace: Workspace, owner: StaffClient) -> None:
        key, text = make_key(workspace)

        page = owner.get(reverse("admin:accounts_apikey_change", args=[key.pk])).content.decode()
        listed = owner.get(reverse("admin:accounts_apikey_changelist")).content.decode()

        assert text not in page + listed
        assert key.digest not in page + listed
        assert f"{key.prefix}…{key.last_four}" in page

    def test_lists_whether_it_can_be_used(self, workspace: Workspace, owner: StaffClient) -> None:
        now = utc_now()
        states = {"Usable": {}, "Expired": {"expires_at": now}, "Revoked": {"revoked_at": now, "expires_at": now}}
        for name, fields in states.items():
            ApiKey.objects.filter(pk=make_key(workspace)[0].pk).update(name=name, **fields)
        make_key(WorkspaceFactory())

        rows = listed(owner, reverse("admin:accounts_apikey_changelist"))

        assert sorted(name for name in states for row in rows if row.count(name) == 2) == sorted(states)
        assert len(rows) == 3

    def test_refuses_a_workspace_of_others(self, owner: StaffClient) -> None:
        elsewhere = WorkspaceFactory()

        response = owner.post(
            reverse("admin:accounts_apikey_create"),
            {"workspace": elsewhere.pk, "name": "Portal", "scopes": ["decisions:read"]},
        )

        assert list(response.context["form"].errors) == ["workspace"]
        assert not ApiKey.objects.exists()

    def test_refuses_a_key_without_scopes(self, workspace: Workspace, owner: StaffClient) -> None:
        response = owner.post(reverse("admin:accounts_apikey_create"), {"workspace": workspace.pk, "name": "Portal"})

        assert list(response.context["form"].errors) == ["scopes"]
        assert not ApiKey.objects.exists()


class TestEndingAKey:
    def test_by_revoking_asks_first(self, workspace: Workspace, owner: StaffClient) -> None:
        key, text = make_key(workspace)

        asked = owner.get(reverse("admin:accounts_apikey_revoke", args=[key.pk]))

        assert "You can&#x27;t undo this" in asked.content.decode()
        assert find_principal(text, now=utc_now()) is not None

    def test_by_revoking_is_at_once_and_logged(self, workspace: Workspace, owner: StaffClient) -> None:
        key, text = make_key(workspace)

        response = owner.post(reverse("admin:accounts_apikey_revoke", args=[key.pk]))

        assert said(response) == ["Portal is revoked."]
        assert find_principal(text, now=utc_now()) is None
        assert LogEntry.objects.get().change_message == "Revoke"

    def test_by_rotation_leaves_both_during_the_overlap(self, workspace: Workspace, owner: StaffClient) -> None:
        key, text = make_key(workspace)

        response = owner.post(reverse("admin:accounts_apikey_rotate", args=[key.pk]), {"overlap_hours": 2})

        key.refresh_from_db()
        assert find_principal(response.context["text"], now=utc_now()) is not None
        assert find_principal(text, now=utc_now()) is not None
        assert key.expires_at is not None
        assert key.expires_at - utc_now() <= dt.timedelta(hours=2)
        assert key.replaced_by == response.context["key"]


class TestMembers:
    def test_are_invited_by_address(self, workspace: Workspace, owner: StaffClient) -> None:
        response = owner.post(
            reverse("admin:accounts_membership_invite"),
            {"workspace": workspace.pk, "email": "new@north.test", "role": Role.REVIEWER},
        )

        assert said(response) == ["new@north.test has been sent an invitation to North."]
        assert [(mailed.to, mailed.subject) for mailed in mail.outbox] == [
            (["new@north.test"], "Join the staff of North")
        ]
        assert not Membership.objects.filter(user__email="new@north.test").exists()

    def test_can_not_leave_a_workspace_without_an_owner(self, workspace: Workspace, owner: StaffClient) -> None:
        mine = Membership.objects.get(user=owner.user)

        demoted = owner.post(reverse("admin:accounts_membership_give_role", args=[mine.pk]), {"role": Role.VIEWER})
        removed = owner.post(reverse("admin:accounts_membership_remove", args=[mine.pk]))

        for response in (demoted, removed):
            assert response.context["form"].non_field_errors() == ["Make somebody else an owner first."]
        mine.refresh_from_db()
        assert mine.role == Role.OWNER

    def test_are_removed(self, workspace: Workspace, owner: StaffClient) -> None:
        other = StaffClient(workspace=workspace, role=Role.ADMIN)
        membership = Membership.objects.get(user=other.user)

        response = owner.post(reverse("admin:accounts_membership_remove", args=[membership.pk]))

        assert said(response) == [f"{other.user} is no longer a member."]
        assert not Membership.objects.filter(user=other.user).exists()
        assert other.get(reverse("admin:index")).status_code == 302


class TestStaffTasks:
    def test_are_completed_with_a_resolution(self, workspace: Workspace) -> None:
        reviewer = StaffClient(workspace=workspace, role=Role.REVIEWER)
        task = raise_staff_task(
            workspace_id=workspace.pk, kind=find_kind("dispute"), subject="payment:1", summary="Disputed"
        )

        response = reviewer.post(
            reverse("admin:accounts_stafftask_complete", args=[task.pk]), {"resolution": "Evidence sent"}
        )

        task.refresh_from_db()
        assert said(response) == ["Done. Thank you."]
        assert (task.status, task.resolution, task.done_by) == (TaskStatus.DONE, "Evidence sent", reviewer.user)

    def test_stay_open_without_one(self, workspace: Workspace) -> None:
        reviewer = StaffClient(workspace=workspace, role=Role.REVIEWER)
        task = raise_staff_task(
            workspace_id=workspace.pk, kind=find_kind("dispute"), subject="payment:1", summary="Disputed"
        )

        response = reviewer.post(reverse("admin:accounts_stafftask_complete", args=[task.pk]), {"resolution": " "})

        task.refresh_from_db()
        assert list(response.context["form"].errors) == ["resolution"]
        assert task.status == TaskStatus.OPEN

    def test_say_what_they_are_who_can_do_them_and_how(self, workspace: Workspace) -> None:
        viewer = StaffClient(workspace=workspace, role=Role.VIEWER)
        task = raise_staff_task(workspace_id=workspace.pk, kind=NO_ADDRESS, subject="guardian:1", summary="Who is it?")

        page = viewer.get(reverse("admin:accounts_stafftask_change", args=[task.pk])).content.decode()

        assert "Guardian without an address" in page
        assert "admin or owner" in page
        assert NO_ADDRESS.remedy in page

    def test_are_filtered_by_what_they_are(self, workspace: Workspace) -> None:
        viewer = StaffClient(workspace=workspace, role=Role.VIEWER)
        for kind in (NO_ADDRESS, UNANSWERED):
            raise_staff_task(workspace_id=workspace.pk, kind=kind, subject="guardian:1", summary=f"About {kind.name}")

        page = viewer.get(
            reverse("admin:accounts_stafftask_changelist"), {"kind__exact": UNANSWERED.name}
        ).content.decode()

        assert [f"About {kind.name}" in page for kind in (NO_ADDRESS, UNANSWERED)] == [False, True]

    def test_that_are_open_come_before_those_that_are_done(self, workspace: Workspace) -> None:
        viewer = StaffClient(workspace=workspace, role=Role.VIEWER)
        tasks = [
            raise_staff_task(workspace_id=workspace.pk, kind=NO_ADDRESS, subject=f"guardian:{n}", summary="Who is it?")
            for n in range(3)
        ]
        complete_staff_task(task_id=tasks[2].pk, user=viewer.user, resolution="Called.", now=utc_now())

        page = viewer.get(reverse("admin:accounts_stafftask_changelist"))

        assert [task.pk for task in page.context["cl"].result_list] == [tasks[n].pk for n in (1, 0, 2)]

    def test_of_a_kind_that_is_raised_no_more_stay_readable(self, workspace: Workspace) -> None:
        viewer = StaffClient(workspace=workspace, role=Role.VIEWER)
        kind = TaskKind(name="of_old", label="Of old", role=Role.REVIEWER, subjects=(), remedy="Look at it.")
        task = raise_staff_task(workspace_id=workspace.pk, kind=kind, subject="a:1", summary="Long ago")

        page = viewer.get(reverse("admin:accounts_stafftask_change", args=[task.pk]))

        assert (page.status_code, "Long ago" in page.content.decode()) == (200, True)

    def test_are_completed_together_after_one_question(self, workspace: Workspace) -> None:
        reviewer = StaffClient(workspace=workspace, role=Role.REVIEWER)
        tasks = [
            raise_staff_task(
                workspace_id=workspace.pk, kind=find_kind("dispute"), subject=f"payment:{n}", summary="Disputed"
            )
            for n in range(3)
        ]
        chosen = {"action": "complete_selected", "_selected_action": [task.pk for task in tasks[:2]]}
        url = reverse("admin:accounts_stafftask_changelist")

        asked = reviewer.post(url, chosen)
        answered = reviewer.post(url, {**chosen, "_confirmed": "1", "resolution": "All answered"})

        assert asked.status_code == 200
        assert [pk for pk, _ in asked.context["selected"]] == [tasks[1].pk, tasks[0].pk]
        assert "2 staff tasks selected. 2 can be done." in " ".join(asked.content.decode().split())
        assert said(answered) == ["Complete: 2 done."]
        assert StaffTask.objects.filter(status=TaskStatus.OPEN).get() == tasks[2]

    @pytest.mark.parametrize("key", ["abc", "9" * 5_000, "1\x00", ""])
    @pytest.mark.parametrize("action", ["complete_selected", "export_csv"])
    def test_are_chosen_by_their_keys_and_by_nothing_else(self, workspace: Workspace, action: str, key: str) -> None:
        reviewer = StaffClient(workspace=workspace, role=Role.REVIEWER)

        answer = reviewer.post(
            reverse("admin:accounts_stafftask_changelist"), {"action": action, "_selected_action": [key]}
        )

        assert answer.status_code == 400


class TestLearnerPage:
    def test_changes_contact_data(self, workspace: Workspace) -> None:
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)
        learner = LearnerFactory(workspace=workspace, email="old@family.test")

        response = manager.post(
            reverse("admin:accounts_learner_change", args=[learner.pk]),
            {**_form_of(learner), "email": "new@family.test"},
        )

        learner.refresh_from_db()
        assert response.status_code == 302
        assert learner.email == "new@family.test"

    @pytest.mark.parametrize(
        ("change", "field"),
        [({"external_id": "S-1"}, "external_id"), ({"first_name": "Ann", "last_name": "Lee"}, "email")],
    )
    def test_refuses_to_make_two_learners_one(self, workspace: Workspace, change: dict[str, str], field: str) -> None:
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)
        LearnerFactory(workspace=workspace, external_id="S-1")
        LearnerFactory(workspace=workspace, email="lee@family.test", first_name="Ann", last_name="Lee")
        learner = LearnerFactory(workspace=workspace, email="lee@family.test", first_name="Bob", last_name="Lee")

        response = manager.post(
            reverse("admin:accounts_learner_change", args=[learner.pk]), {**_form_of(learner), **change}
        )

        assert response.status_code == 200
        assert field in response.context["adminform"].form.errors
        assert Learner.objects.get(pk=learner.pk).first_name == "Bob"

    def test_ties_only_guardians_of_its_own_workspace(self, workspace: Workspace) -> None:
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)
        learner = LearnerFactory(workspace=workspace)
        elsewhere = GuardianFactory()

        response = manager.post(
            reverse("admin:accounts_learner_change", args=[learner.pk]),
            {**_form_of(learner), "guardianships-TOTAL_FORMS": "1", "guardianships-0-guardian": elsewhere.pk},
        )

        assert response.status_code == 200
        assert not Guardianship.objects.exists()


class TestASearchedList:
    @pytest.mark.parametrize("made_up", ["9" * 40, str(2**63), "-1", "1.0"])
    def test_takes_only_the_number_of_a_row(self, workspace: Workspace, made_up: str) -> None:
        """SQLite fails on a longer number than it keeps when Django looks it up to show it again."""
        client = StaffClient(workspace=workspace, role=Role.ADMIN)

        response = client.post(reverse("admin:accounts_learner_add"), {"guardianships-0-guardian": made_up})

        assert response.status_code == 400
        assert not Learner.objects.exists()


class TestALongList:
    def test_offers_no_months_to_choose_from(
        self, workspace: Workspace, owner: StaffClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        learner = LearnerFactory(workspace=workspace, last_name="Larsen")
        url = reverse("admin:accounts_learner_changelist")

        offered = [owner.get(url, query).context["cl"].date_hierarchy for query in ({}, {"q": learner.last_name})]
        monkeypatch.setattr("backoffice.scoping.COUNT_CAP", 1)

        assert offered == ["created_at", None]
        assert owner.get(url).context["cl"].date_hierarchy is None

    @pytest.mark.parametrize(("cap", "offered"), [(4, "created_at"), (3, None)])
    def test_of_which_few_rows_are_filtered_offers_none_either(
        self,
        workspace: Workspace,
        owner: StaffClient,
        monkeypatch: pytest.MonkeyPatch,
        cap: int,
        offered: str | None,
    ) -> None:
        for number, kind in enumerate((NO_ADDRESS, NO_ADDRESS, UNANSWERED)):
            raise_staff_task(workspace_id=workspace.pk, kind=kind, subject=f"learner:{number}", summary="Look")
        monkeypatch.setattr("backoffice.scoping.COUNT_CAP", cap)

        page = owner.get(reverse("admin:accounts_stafftask_changelist"), {"kind__exact": UNANSWERED.name})

        shown = page.context["cl"]
        assert (shown.result_count, shown.date_hierarchy) == (1, offered)

    def test_in_the_order_of_another_table_has_the_rows_of_its_pages_in_that_order(self) -> None:
        south, north = WorkspaceFactory(name="South"), WorkspaceFactory(name="North")
        learners = [LearnerFactory(workspace=workspace) for workspace in (north, south, north)]
        paginator = CappedPaginator(Learner.objects.order_by("workspace__name", "-pk"), 2)

        pages = [list(paginator.page(number).object_list) for number in (1, 2)]

        assert pages == [[learners[2], learners[0]], [learners[1]]]


class TestAnEmptyList:
    def test_says_whether_nothing_is_there_or_nothing_matches(self, workspace: Workspace) -> None:
        client = StaffClient(workspace=workspace, role=Role.ADMIN)
        learners = reverse("admin:accounts_learner_changelist")

        empty = client.get(learners).content.decode()
        searched = client.get(learners, {"q": "Ann"}).content.decode()

        assert "Nothing here yet" in empty
        assert "Show all" not in empty
        assert "Nothing matches" in searched
        assert "Show all" in searched


class TestGuardianPage:
    def test_refuses_somebody_known_by_nothing(self, workspace: Workspace) -> None:
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)

        response = manager.post(
            reverse("admin:accounts_guardian_add"),
            {"workspace": workspace.pk, "first_name": "Gail", **_no_rows("guardianships")},
        )

        assert response.status_code == 200
        assert response.context["adminform"].form.errors

    def test_refuses_an_address_another_guardian_has(self, workspace: Workspace) -> None:
        manager = StaffClient(workspace=workspace, role=Role.ADMIN)
        GuardianFactory(workspace=workspace, email="gail@family.test")
        other = GuardianFactory(workspace=workspace, email="other@family.test")

        response = manager.post(
            reverse("admin:accounts_guardian_change", args=[other.pk]),
            {"email": "gail@family.test", "external_id": other.external_id, **_no_rows("guardianships")},
        )

        other.refresh_from_db()
        assert response.status_code == 200
        assert other.email == "other@family.test"


def _form_of(learner: Learner) -> dict[str, str]:
    values = {
        name: getattr(learner, name) or ""
        for name in ("first_name", "last_name", "email", "phone", "grade_level", "school", "external_id")
    }
    return {**values, **_no_rows("guardianships")}


def _no_rows(prefix: str) -> dict[str, str]:
    return {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}
