"""A merged learner leads to the one who remains, by whatever name; and so do the questions staff were asked."""

from typing import Any

import pytest
from django.db import transaction

from accounts.families import learners_of
from accounts.guardians import link_guardian
from accounts.learners import LearnerMerged, find_or_create_learner, lock_live_learner
from accounts.merging import find_by_reference
from accounts.models import Learner, StaffTask, Workspace
from accounts.staff_tasks import complete_staff_task
from accounts.tests.factories import (
    GuardianFactory,
    UserFactory,
    WorkspaceFactory,
)
from cohorts.models import CohortPlace
from cohorts.sale.participants import Participant, find_participant
from cohorts.sale.transfer import move_package
from cohorts.tests.factories import CohortFactory, buy_on_rows, cohort_with
from core.actors import Actor
from core.clock import utc_now
from enrollments.models import SeatAssignment
from enrollments.tests.factories import InstanceFactory, route
from operations.doctor import examine
from tests.contracts.merges import JANE, district, learner, merge

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


class TestTheOldIdentity:
    @pytest.fixture
    def pair(self, workspace: Workspace) -> tuple[Learner, Learner]:
        return learner(workspace), learner(workspace, **JANE)

    def ask(self, workspace: Workspace, **profile: Any) -> tuple[Learner, bool]:
        with transaction.atomic():
            return find_or_create_learner(workspace_id=workspace.pk, **(JANE | profile))

    def test_leads_to_the_one_who_stays_by_address_and_names(
        self, workspace: Workspace, pair: tuple[Learner, Learner]
    ) -> None:
        keep, drop = pair
        merge(keep, drop)

        assert self.ask(workspace) == (keep, False)

    def test_leads_there_by_cuid_which_becomes_nobodys_external_id(
        self, workspace: Workspace, pair: tuple[Learner, Learner]
    ) -> None:
        keep, drop = pair
        merge(keep, drop)

        assert self.ask(workspace, learner_id=drop.cuid, email="new@school.test") == (keep, False)
        keep.refresh_from_db()
        assert keep.external_id is None

    @pytest.mark.parametrize("kept_id", [None, "S-1"])
    def test_leads_there_by_external_id(self, workspace: Workspace, kept_id: str | None) -> None:
        keep, drop = learner(workspace, external_id=kept_id), learner(workspace, external_id="S-2", **JANE)
        merge(keep, drop)

        found = self.ask(workspace, learner_id="S-2", email="new@school.test")

        assert found == (keep, False)
        keep.refresh_from_db()
        assert keep.external_id == (kept_id or "S-2")

    def test_lets_the_one_who_stays_take_an_external_id_that_comes_with_it(
        self, workspace: Workspace, pair: tuple[Learner, Learner]
    ) -> None:
        keep, drop = pair
        merge(keep, drop)

        assert self.ask(workspace, learner_id="S-9") == (keep, False)

        keep.refresh_from_db()
        assert keep.external_id == "S-9"

    def test_is_no_way_to_one_who_has_another_external_id(self, workspace: Workspace) -> None:
        keep, drop = learner(workspace, external_id="S-1"), learner(workspace, **JANE)
        merge(keep, drop)

        newcomer, is_new = self.ask(workspace, learner_id="S-9")

        assert is_new
        assert newcomer.external_id == "S-9"

    def test_leads_there_over_two_merges(self, workspace: Workspace, pair: tuple[Learner, Learner]) -> None:
        keep, drop = pair
        merge(keep, drop)
        last = learner(workspace)

        merge(last, keep)

        assert self.ask(workspace) == (last, False)
        drop.refresh_from_db()
        assert drop.merged_into == last

    def test_routes_to_the_enrollment_that_stands(self, workspace: Workspace) -> None:
        InstanceFactory(workspace=workspace)
        decision = district(workspace, total=5).decision
        drop = learner(workspace, email="old@school.test", first_name="Old", last_name="Name", external_id="S-2")
        merge(decision.learner, drop)

        again = [
            route(workspace, email="old@school.test", first_name="Old", last_name="Name").decision,
            route(workspace, learner_id="S-2").decision,
            route(workspace, learner_id=drop.cuid).decision,
        ]

        assert [each.pk for each in again] == [decision.pk] * 3
        assert SeatAssignment.objects.count() == 1

    def test_is_named_by_a_family_that_has_the_old_cuid(self, workspace: Workspace) -> None:
        user = UserFactory()
        keep, drop = learner(workspace), learner(workspace, user=user)
        merge(keep, drop)

        found = find_participant(user=user, workspace_id=workspace.pk, participant=Participant(cuid=drop.cuid))

        assert found == keep

    def test_counts_no_more_among_a_familys_learners(self, workspace: Workspace) -> None:
        user = UserFactory(email="jane@school.test")
        keep, drop = learner(workspace, **JANE), learner(workspace, **(JANE | {"first_name": "Janey"}))

        merge(keep, drop)

        assert list(learners_of(user)) == [keep]

    @pytest.mark.sqlite
    def test_can_be_taken_on_by_the_one_who_stays(self, workspace: Workspace, pair: tuple[Learner, Learner]) -> None:
        """Staff correct the name and address to those that the merged learner had."""
        keep, drop = pair
        merge(keep, drop)
        keep.refresh_from_db()

        for name, value in JANE.items():
            setattr(keep, name, value)
        keep.save()

        assert self.ask(workspace) == (keep, False)

    def test_is_locked_by_nobody(self, workspace: Workspace, pair: tuple[Learner, Learner]) -> None:
        keep, drop = pair
        merge(keep, drop)

        with transaction.atomic(), pytest.raises(LearnerMerged):
            lock_live_learner(drop.pk)

    @pytest.mark.parametrize("reference", ["cuid", "external_id", "pk"])
    def test_is_found_by_staff_as_the_one_who_stays(self, workspace: Workspace, reference: str) -> None:
        keep, drop = learner(workspace, external_id="S-1"), learner(workspace, external_id="S-2")
        merge(keep, drop)

        for one in (keep, drop):
            text = str(getattr(one, reference))
            assert find_by_reference(workspace_id=workspace.pk, reference=text) == keep

    def test_moves_a_course_to_another_cohort_afterwards(self, workspace: Workspace) -> None:
        cohort = cohort_with(options=(1,), instance__workspace=workspace)
        target = CohortFactory(instance=cohort.instance)
        keep, drop = learner(workspace), learner(workspace)
        package = buy_on_rows(cohort, drop)
        merge(keep, drop)

        move_package(package_id=package.pk, cohort_id=target.pk, now=utc_now())

        assert set(CohortPlace.objects.values_list("learner", flat=True)) == {keep.pk}
        assert examine() == {}


class TestTheTask:
    def twins(self, workspace: Workspace, *ids: str) -> list[Learner]:
        with transaction.atomic():
            return [find_or_create_learner(workspace_id=workspace.pk, learner_id=each, **JANE)[0] for each in ids]

    def state(self) -> list[tuple[str, str]]:
        return list(StaffTask.objects.order_by("pk").values_list("subject", "status"))

    def test_is_done_by_the_merge(self, workspace: Workspace) -> None:
        keep, drop = self.twins(workspace, "1", "2")
        user = UserFactory()

        merge(keep, drop, actor=Actor("user", user.pk))

        task = StaffTask.objects.get()
        assert (task.status, task.done_by) == ("done", user)
        assert task.resolution == f"Learner {drop.pk} is learner {keep.pk}. The school says so"

    def test_about_a_third_learner_is_about_the_one_who_stays_then(self, workspace: Workspace) -> None:
        first, second, third = self.twins(workspace, "1", "2", "3")
        StaffTask.objects.filter(subject=f"learner:{first.pk}/learner:{third.pk}").delete()

        merge(first, second)

        assert self.state() == [
            (f"learner:{first.pk}/learner:{second.pk}", "done"),
            (f"learner:{first.pk}/learner:{third.pk}", "open"),
        ]

    def test_that_asks_what_another_asks_already_is_done(self, workspace: Workspace) -> None:
        first, second, third = self.twins(workspace, "1", "2", "3")

        merge(first, second)

        assert self.state() == [
            (f"learner:{first.pk}/learner:{second.pk}", "done"),
            (f"learner:{first.pk}/learner:{third.pk}", "open"),
            (f"learner:{second.pk}/learner:{third.pk}", "done"),
        ]

    def test_that_was_answered_of_the_merged_one_is_answered_of_the_one_who_stays(self, workspace: Workspace) -> None:
        first, second, third = self.twins(workspace, "1", "2", "3")
        about = StaffTask.objects.get(subject=f"learner:{second.pk}/learner:{third.pk}")
        complete_staff_task(task_id=about.pk, user=UserFactory(), resolution="Two people: cousins.", now=utc_now())

        merge(first, second)

        answered = StaffTask.objects.get(subject=f"learner:{first.pk}/learner:{third.pk}")
        assert (answered.status, answered.resolution) == ("done", "Two people: cousins.")

    def test_is_raised_for_twins_that_only_the_merge_brought_together(self, workspace: Workspace) -> None:
        guardian = GuardianFactory(workspace=workspace)
        keep, drop = learner(workspace), learner(workspace)
        for child in (keep, drop):
            link_guardian(guardian_id=guardian.pk, learner_id=child.pk)
        other = learner(
            workspace, email=keep.email, first_name=keep.first_name, last_name=keep.last_name, external_id="1"
        )

        merge(keep, drop)

        assert self.state() == [(f"learner:{keep.pk}/learner:{other.pk}", "open")]
