"""A form that staff save while somebody else changes its row: Django writes every column back as it was read."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse

from accounts.merging import merge_learners
from accounts.models import Guardian, Guardianship, Learner
from accounts.states import Role
from accounts.tests.factories import GuardianFactory, LearnerFactory, WorkspaceFactory
from backoffice.tests.staff_client import StaffClient, as_shown
from core.clock import utc_now
from core.errors import Invalid
from enrollments.eligibility.criteria import CriterionDraft, change_criteria
from enrollments.models import ProgramInstance
from enrollments.programs import make_default
from enrollments.tests.factories import STAFF, InstanceFactory
from operations.doctor import examine
from tests.processes import BOTH_COME, KEPT_OUT, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def save_while(
    change: Callable[[], object],
    row: Any,
    monkeypatch: pytest.MonkeyPatch,
    *,
    patience: float,
    **filled_in: Any,
) -> None:
    """Save the row's page with this filled in, and let somebody change the row between the reading and the writing."""
    read, changed = Meeting(lambda: None), Meeting(lambda: None, patience=patience)
    manager = StaffClient(workspace=row.workspace, role=Role.ADMIN)
    url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    form, _ = as_shown(manager, url)
    page = type(admin.site.get_model_admin(type(row)))
    save = page.save_model

    def wait_and_save(*args: Any) -> None:
        read()
        changed()
        save(*args)

    def change_meanwhile() -> str:
        read()
        change()
        changed()
        return "done"

    monkeypatch.setattr(page, "save_model", wait_and_save)
    answers = at_once(lambda: manager.post(url, {**form, **filled_in}).status_code, change_meanwhile)
    assert answers == [302, "done"]


def unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backoffice.scoping.WorkspaceScopedAdmin.lock_before_saving", lambda *args: None)
    monkeypatch.setattr("backoffice.admin.people.GuardianAdmin.lock_before_saving", lambda *args: None)


class TestALearnersPageThatIsSavedDuringAMerge:
    def save_and_merge(self, monkeypatch: pytest.MonkeyPatch, *, patience: float) -> Learner:
        keep, drop = LearnerFactory.create_batch(2, workspace=WorkspaceFactory())

        def merge() -> None:
            merge_learners(keep_id=keep.pk, drop_id=drop.pk, actor=STAFF, reason="Twins", now=utc_now())

        save_while(merge, drop, monkeypatch, patience=patience, school="Hill")
        return Learner.objects.get(pk=drop.pk)

    def test_does_not_bring_the_merged_learner_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        dropped = self.save_and_merge(monkeypatch, patience=KEPT_OUT)

        assert dropped.merged_into is not None
        assert dropped.merged_into.school == dropped.school == "Hill"
        assert examine() == {}

    def test_without_the_lock_would_bring_them_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        unlocked(monkeypatch)

        assert self.save_and_merge(monkeypatch, patience=BOTH_COME).merged_into is None
        assert "accounts.merged_learners_lead_to_a_live_one" in examine()


class TestAGuardiansPageThatLinksALearnerDuringAMerge:
    def link_and_merge(self, monkeypatch: pytest.MonkeyPatch, *, patience: float) -> Guardian:
        keep, drop = LearnerFactory.create_batch(2, workspace=WorkspaceFactory())
        guardian = GuardianFactory(workspace=keep.workspace, email="parent@home.test")

        def merge() -> None:
            merge_learners(keep_id=keep.pk, drop_id=drop.pk, actor=STAFF, reason="Twins", now=utc_now())

        link = {"guardianships-TOTAL_FORMS": "1", "guardianships-0-learner": drop.pk}
        save_while(merge, guardian, monkeypatch, patience=patience, **link)
        assert Guardianship.objects.filter(guardian=guardian).count() == 1
        return guardian

    def test_ends_with_the_learner_who_stays(self, monkeypatch: pytest.MonkeyPatch) -> None:
        guardian = self.link_and_merge(monkeypatch, patience=KEPT_OUT)

        assert [learner.merged_into for learner in guardian.learners.all()] == [None]
        assert examine() == {}

    def test_without_the_lock_would_end_with_the_one_who_is_gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        unlocked(monkeypatch)

        self.link_and_merge(monkeypatch, patience=BOTH_COME)

        assert "accounts.nothing_belongs_to_a_merged_learner" in examine()


class TestAnInstancesPageThatIsSavedWhileItsCriteriaChange:
    def version_after(self, monkeypatch: pytest.MonkeyPatch, *, patience: float) -> int:
        instance = InstanceFactory()
        drafts = [CriterionDraft("Nobody", "email == ''", "No")]

        def change() -> None:
            change_criteria(instance_id=instance.pk, drafts=drafts, actor=STAFF, now=utc_now())

        save_while(change, instance, monkeypatch, patience=patience, name="Spring")
        return ProgramInstance.objects.get(pk=instance.pk).criteria_version - instance.criteria_version

    def test_leaves_them_at_their_new_version(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.version_after(monkeypatch, patience=KEPT_OUT) == 1
        assert examine() == {}

    def test_without_the_lock_would_take_the_version_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        unlocked(monkeypatch)

        assert self.version_after(monkeypatch, patience=BOTH_COME) == 0


class TestAnInstanceThatIsSwitchedOffOnItsPageWhileItBecomesTheDefault:
    def switch_off_and_make_default(self, monkeypatch: pytest.MonkeyPatch, *, patience: float) -> ProgramInstance:
        """Without the lock on the workspace, the other one waits for the instance itself, which it has read before: it
        has `patience` seconds to come so far.
        """
        before = InstanceFactory()
        instance = InstanceFactory(workspace=before.workspace, is_default=False)

        def change() -> None:
            with suppress(Invalid):
                make_default(instance_id=instance.pk)

        save_while(change, instance, monkeypatch, patience=patience, active="")
        return ProgramInstance.objects.get(pk=instance.pk)

    def test_does_not_become_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        switched_off = self.switch_off_and_make_default(monkeypatch, patience=KEPT_OUT)

        assert (switched_off.active, switched_off.is_default) == (False, False)
        assert ProgramInstance.objects.filter(is_default=True, active=True).count() == 1

    def test_without_the_lock_would_become_it_switched_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        monkeypatch.setattr("enrollments.admin.programs.lock_default", lambda workspace_id: None)

        switched_off = self.switch_off_and_make_default(monkeypatch, patience=3)

        assert (switched_off.active, switched_off.is_default) == (False, True)
