"""Buttons and pages of the back office that edit what somebody else has changed since they were opened."""

import re

import pytest
from django.urls import reverse

from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.inlines import REMOVED
from backoffice.seen import SEEN
from backoffice.tests.staff_client import StaffClient, as_shown, opened
from core.clock import utc_now
from enrollments.eligibility.criteria import CriterionDraft, change_criteria
from enrollments.models import ApplicationQuestion, DistrictSeatAllocation
from enrollments.states import QuestionKind

from .factories import STAFF, InstanceFactory, seats

pytestmark = pytest.mark.django_db


class TestAButtonsFormThatOthersOvertook:
    def test_tells_in_its_preview_what_it_showed_at_first(self) -> None:
        """What changes while the preview is read is noticed, too."""
        allocation = seats(WorkspaceFactory(), total=3)
        owner, url, form = opened("change_seats", allocation, "total_seats", "is_active")
        told = {**form, "total_seats": "5", "is_active": "on", "note": "More"}

        foreseen = owner.post(url, told)
        DistrictSeatAllocation.objects.update(is_active=False)
        answer = owner.confirm(url, told)

        assert f'name="{SEEN}" value="{form[SEEN]}"' in foreseen.content.decode()
        assert answer.context["form"].errors["is_active"] == [
            "Somebody changed this to “not checked” after you opened the page. Save again to replace it."
        ]
        allocation.refresh_from_db()
        assert (allocation.total_seats, allocation.is_active) == (3, False)

    def test_of_criteria_keeps_those_of_the_other(self) -> None:
        instance = InstanceFactory()
        owner, url, form = opened("edit_criteria", instance, "sample")
        draft = CriterionDraft("Nobody", "email == ''", "No")
        change_criteria(instance_id=instance.pk, drafts=[draft], actor=STAFF, now=utc_now())
        mine = {
            "rows": "1",
            "name_0": "Mine",
            "expression_0": "email != ''",
            "otherwise_0": "No",
            "_save_criteria": "1",
        }

        answer = owner.post(url, {**form, **mine})

        instance.refresh_from_db()
        assert answer.context["form"].errors["name_0"] == [
            "Somebody changed this to “Nobody” after you opened the page. Save again to replace it."
        ]
        assert instance.criteria_version == 2


class TestARowOnThePageOfAnotherThatOthersOvertook:
    @pytest.fixture
    def question(self) -> ApplicationQuestion:
        return ApplicationQuestion.objects.create(
            instance=InstanceFactory(), position=1, label="School", kind=QuestionKind.SHORT_TEXT, help_text="Its name"
        )

    @pytest.fixture
    def manager(self, question: ApplicationQuestion) -> StaffClient:
        return StaffClient(workspace=question.instance.workspace, role=Role.ADMIN)

    @pytest.fixture
    def address(self, question: ApplicationQuestion) -> str:
        return reverse("admin:enrollments_programinstance_change", args=[question.instance_id])

    def change(self, question: ApplicationQuestion) -> None:
        ApplicationQuestion.objects.filter(pk=question.pk).update(label="Your school")

    def test_is_not_changed_back(self, question: ApplicationQuestion, manager: StaffClient, address: str) -> None:
        form, _ = as_shown(manager, address)
        self.change(question)

        answer = manager.post(address, {**form, "questions-0-help_text": "Its full name"})

        (formset,) = [each.formset for each in answer.context["inline_admin_formsets"] if each.formset.seen]
        assert formset.errors == [
            {"label": ["Somebody changed this to “Your school” after you opened the page. Save again to replace it."]}
        ]
        question.refresh_from_db()
        assert (question.label, question.help_text) == ("Your school", "Its name")

    def test_is_replaced_when_the_page_is_sent_again(
        self, question: ApplicationQuestion, manager: StaffClient, address: str
    ) -> None:
        form, _ = as_shown(manager, address)
        self.change(question)
        refused = manager.post(address, form).content.decode()
        ((name, told),) = re.findall(r'name="(questions-0-_seen)" value="([^"]+)"', refused)

        answer = manager.post(address, {**form, name: told})

        question.refresh_from_db()
        assert answer.status_code == 302
        assert question.label == "School"

    def test_says_only_that_it_is_gone_if_it_was_removed(
        self, question: ApplicationQuestion, manager: StaffClient, address: str
    ) -> None:
        form, _ = as_shown(manager, address)
        question.delete()

        answer = manager.post(address, {**form, "name": "Another", "questions-0-help_text": "Its full name"})

        question.instance.refresh_from_db()
        assert question.instance.name != "Another"
        assert [each.formset.non_form_errors() for each in answer.context["inline_admin_formsets"]] == [[REMOVED]]
        assert REMOVED in answer.content.decode()
        assert "Somebody changed" not in answer.content.decode()

    def test_is_told_only_to_people_who_may_change_it(
        self, question: ApplicationQuestion, manager: StaffClient, address: str
    ) -> None:
        viewer = StaffClient(workspace=question.instance.workspace, role=Role.VIEWER)

        shown = viewer.get(address).content.decode()

        assert question.label in shown
        assert SEEN not in shown
        assert SEEN in manager.get(address).content.decode()

    def test_is_saved_if_nobody_else_changed_it(
        self, question: ApplicationQuestion, manager: StaffClient, address: str
    ) -> None:
        form, _ = as_shown(manager, address)

        answer = manager.post(address, {**form, "questions-0-label": "Its name"})

        question.refresh_from_db()
        assert answer.status_code == 302
        assert question.label == "Its name"
