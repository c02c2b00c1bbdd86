"""A form that was open while others changed its row does not change that back unasked."""

from typing import Any

import pytest
from django.urls import reverse

from accounts.models import Guardianship, Learner, Membership, Workspace
from accounts.states import Role
from accounts.tests.factories import GuardianFactory, LearnerFactory, MembershipFactory, WorkspaceFactory
from backoffice.seen import SEEN
from core.clock import utc_now

from .staff_client import StaffClient, as_shown, opened

pytestmark = pytest.mark.django_db


@pytest.fixture
def learner() -> Learner:
    made: Learner = LearnerFactory(email="old@home.test", school="Hill", phone="")
    return made


@pytest.fixture
def manager(learner: Learner) -> StaffClient:
    return StaffClient(workspace=learner.workspace, role=Role.ADMIN)


def page_of(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def change(learner: Learner, **changes: Any) -> None:
    Learner.objects.filter(pk=learner.pk).update(**changes)


class TestAFormThatOthersOvertook:
    def test_is_refused_and_says_what_is_there_now(self, learner: Learner, manager: StaffClient) -> None:
        form, _ = as_shown(manager, page_of(learner))
        change(learner, email="new@home.test", grade_level="7")

        answer = manager.post(page_of(learner), {**form, "school": "Lake"})

        assert answer.context["adminform"].form.errors == {
            "email": [
                "Somebody changed this to “new@home.test” after you opened the page. Save again to replace it.",
            ],
            "grade_level": ["Somebody changed this to “7” after you opened the page. Save again to replace it."],
        }
        learner.refresh_from_db()
        assert (learner.email, learner.grade_level, learner.school) == ("new@home.test", "7", "Hill")

    def test_keeps_what_was_entered_and_is_saved_when_it_is_sent_again(
        self, learner: Learner, manager: StaffClient
    ) -> None:
        form, _ = as_shown(manager, page_of(learner))
        change(learner, email="new@home.test")
        shown = manager.post(page_of(learner), {**form, "school": "Lake"}).context["adminform"].form

        answer = manager.post(
            page_of(learner), {**form, "email": shown["email"].value(), "school": "Lake", SEEN: shown.seen}
        )

        learner.refresh_from_db()
        assert answer.status_code == 302
        assert (learner.email, learner.school) == ("old@home.test", "Lake")

    def test_says_that_a_value_is_gone(self, learner: Learner, manager: StaffClient) -> None:
        form, _ = as_shown(manager, page_of(learner))
        change(learner, school="")

        errors = manager.post(page_of(learner), form).context["adminform"].form.errors

        assert errors["school"] == [
            "Somebody changed this to “nothing” after you opened the page. Save again to replace it."
        ]

    def test_is_saved_if_it_says_the_same(self, learner: Learner, manager: StaffClient) -> None:
        form, _ = as_shown(manager, page_of(learner))
        change(learner, school="Lake")

        assert manager.post(page_of(learner), {**form, "school": "Lake"}).status_code == 302

    @pytest.mark.parametrize("seen", [None, "", "school", "school:", ":", "nothing:1 nothing:2"])
    def test_is_saved_if_it_does_not_say_what_it_showed(
        self, learner: Learner, manager: StaffClient, seen: str | None
    ) -> None:
        """A script's form says nothing of the kind; what names a field without a digest is refused."""
        form, _ = as_shown(manager, page_of(learner))
        del form[SEEN]
        told = {} if seen is None else {SEEN: seen}

        answer = manager.post(page_of(learner), {**form, **told, "school": "Lake"})

        assert answer.status_code == (200 if seen in ("school", "school:") else 302)

    def test_is_not_asked_about_fields_that_are_not_on_it(self, learner: Learner, manager: StaffClient) -> None:
        form, _ = as_shown(manager, page_of(learner))
        change(learner, address={"city": "Springfield"})

        answer = manager.post(page_of(learner), {**form, "school": "Lake"})

        learner.refresh_from_db()
        assert answer.status_code == 302
        assert (learner.address, learner.school) == ({"city": "Springfield"}, "Lake")

    def test_tells_in_its_page_what_it_showed_without_showing_it_there(
        self, learner: Learner, manager: StaffClient
    ) -> None:
        page = manager.get(page_of(learner))
        seen = page.context["adminform"].form.seen

        assert f'<input type="hidden" name="{SEEN}" value="{seen}">' in page.content.decode()
        assert "old@home.test" not in seen
        assert {entry.partition(":")[0] for entry in seen.split()} == set(page.context["adminform"].form.fields)

    def test_that_adds_a_row_has_nothing_to_tell(self, manager: StaffClient) -> None:
        page = manager.get(reverse("admin:accounts_learner_add"))

        assert SEEN not in page.content.decode()


class TestALearnerWhoIsLinkedOnAGuardiansPage:
    @pytest.mark.parametrize("gone", ["merged", "erased"])
    def test_is_one_who_is_still_there(self, learner: Learner, manager: StaffClient, gone: str) -> None:
        other = LearnerFactory(workspace=learner.workspace)
        change(learner, **({"merged_into": other} if gone == "merged" else {"erased_at": utc_now()}))
        guardian = GuardianFactory(workspace=learner.workspace, email="parent@home.test")
        form, _ = as_shown(manager, page_of(guardian))

        answer = manager.post(
            page_of(guardian), {**form, "guardianships-TOTAL_FORMS": "1", "guardianships-0-learner": learner.pk}
        )

        assert answer.status_code == 200
        assert not Guardianship.objects.exists()

    def test_is_of_the_new_guardians_workspace(self, learner: Learner, manager: StaffClient) -> None:
        """Though the staff work in both."""
        other: Workspace = WorkspaceFactory()
        MembershipFactory(workspace=other, user=manager.user, role=Role.ADMIN)
        form = {"workspace": other.pk, "email": "parent@home.test", "guardianships-INITIAL_FORMS": "0"}

        answer = manager.post(
            reverse("admin:accounts_guardian_add"),
            {**form, "guardianships-TOTAL_FORMS": "1", "guardianships-0-learner": learner.pk},
        )

        assert not Guardianship.objects.exists()
        assert answer.status_code == 200


class TestAButtonsFormThatOthersOvertook:
    def test_is_refused_before_it_foresees_anything(self) -> None:
        owner, url, form = opened("give_role", MembershipFactory(role=Role.VIEWER), "role")

        Membership.objects.exclude(user=owner.user).update(role=Role.FINANCE)
        answer = owner.post(url, {**form, "role": Role.ADMIN})

        assert answer.context["form"].errors["role"] == [
            "Somebody changed this to “Finance” after you opened the page. Save again to replace it."
        ]
        assert f'name="{SEEN}" value="{answer.context["form"].seen}"' in answer.content.decode()
        assert answer.context["form"].seen != form[SEEN]
