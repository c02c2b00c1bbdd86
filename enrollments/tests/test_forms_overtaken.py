"""Buttons of the back office that edit what somebody else has changed since their form was opened."""

import pytest

from accounts.tests.factories import WorkspaceFactory
from backoffice.seen import SEEN
from backoffice.tests.staff_client import opened
from core.clock import utc_now
from enrollments.eligibility.criteria import CriterionDraft, change_criteria
from enrollments.models import DistrictSeatAllocation

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
