"""Two colleagues merge learners, and an integrator enrolls one of them, at the same moment."""

from collections.abc import Callable, Collection
from typing import Any

import pytest
from django.db import transaction

from accounts import learners, merging
from accounts.belongings import belongings
from accounts.guardian_records import register_guardian
from accounts.learners import lock_live_learners
from accounts.merging import merge_learners
from accounts.models import Guardian, Learner, LearnerMerge, Workspace
from accounts.tests.factories import LearnerFactory, WorkspaceFactory
from cohorts.sale import waitlist
from cohorts.sale.places import hold_place
from cohorts.sale.waitlist import join_waitlist, offer_free_places
from cohorts.tests.factories import buy_on_rows, cohort_with
from core.actors import SYSTEM
from core.clock import utc_now
from core.errors import DomainError
from enrollments.models import Enrollment, SeatAssignment
from enrollments.tests.factories import InstanceFactory, route, seats
from operations.doctor import examine
from tests.processes import BOTH_COME, KEPT_OUT, Meeting, at_once

from .attempts import four_times_in_walks

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

PARENT = "parent@home.test"
JANE: dict[str, Any] = {"email": "jane@school.test", "first_name": "Jane", "last_name": "Doe"}


def merge(keep: Learner, drop: Learner) -> str:
    try:
        merge_learners(keep_id=keep.pk, drop_id=drop.pk, actor=SYSTEM, reason="Entered twice", now=utc_now())
    except DomainError as refusal:
        return refusal.code
    return "done"


def merged() -> set[tuple[int, int | None]]:
    return set(Learner.objects.exclude(merged_into=None).values_list("pk", "merged_into"))


class TestTwoMergesAtOnce:
    @pytest.fixture
    def pair(self) -> tuple[Learner, Learner]:
        workspace = WorkspaceFactory()
        return LearnerFactory(workspace=workspace), LearnerFactory(workspace=workspace)

    @four_times_in_walks
    def test_in_opposite_directions_leave_one_of_the_two(self, pair: tuple[Learner, Learner], attempt: int) -> None:
        first, second = pair

        answers = at_once(lambda: merge(first, second), lambda: merge(second, first))

        assert sorted(answers) == ["already_merged", "done"]
        assert len(merged()) == LearnerMerge.objects.count() == 1
        assert examine() == {}

    def test_that_take_no_lock_are_left_to_the_database_to_refuse(
        self, pair: tuple[Learner, Learner], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: without the lock, the second takes the first one's learner for a live one, and gets an error from
        the constraint instead of a refusal.
        """
        first, second = pair
        looked, done = Meeting(lambda: None), Meeting(lambda: None)

        def look(keep_id: int, drop_id: int) -> tuple[Learner, Learner]:
            found = merging._get_both(keep_id, drop_id)
            if drop_id == first.pk:
                looked()
                done()
            return found

        def merge_meanwhile() -> str:
            looked()
            answer = merge(first, second)
            done()
            return answer

        monkeypatch.setattr(merging, "_lock_both", look)
        answers = at_once(merge_meanwhile, lambda: merge(second, first))

        assert answers[0] == "done"
        assert answers[1].kind == "IntegrityError"
        assert "learner_not_merged_into_itself" in answers[1].message

    def test_of_a_chain_leave_the_last(self, pair: tuple[Learner, Learner]) -> None:
        first, second = pair
        third = LearnerFactory(workspace=first.workspace)

        answers = at_once(lambda: merge(second, third), lambda: merge(first, second))

        assert "done" in answers
        assert set(answers) <= {"done", "already_merged"}
        assert examine() == {}


class TestAMergeOfALearnerWhoIsBeingEnrolled:
    """The enrolling integrator knows them by the address and names of the one who is merged."""

    @pytest.fixture
    def workspace(self) -> Workspace:
        workspace: Workspace = WorkspaceFactory()
        InstanceFactory(workspace=workspace)
        seats(workspace, total=5)
        return workspace

    def at_once(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, look: Callable[..., Any]
    ) -> tuple[list[Any], Learner]:
        """Begin the merge once the request has looked the learner up, and end it before the request continues."""
        keep, drop = LearnerFactory(workspace=workspace), LearnerFactory(workspace=workspace, **JANE)
        looked, done = Meeting(lambda: None), Meeting(lambda: None)

        def look_and_wait(asked: Learner) -> Learner | None:
            found: Learner | None = look(asked)
            if found is not None and found.pk == drop.pk and found.merged_into_id is None:
                looked()
                done()
            return found

        monkeypatch.setattr(learners, "_look_up", look_and_wait)

        def merge_meanwhile() -> str:
            looked()
            answer = merge(keep, drop)
            done()
            return answer

        answers = at_once(lambda: route(workspace, **JANE).decision.learner_id, merge_meanwhile)
        return answers, keep

    def test_leaves_the_enrollment_with_the_one_who_stays(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers, keep = self.at_once(workspace, monkeypatch, learners._look_up)

        assert answers == [keep.pk, "done"]
        assert Enrollment.objects.get().learner == SeatAssignment.objects.get().learner == keep
        assert examine() == {}

    def test_without_checking_the_locked_row_again_leaves_the_enrollment_with_nobody(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: the learner who was found is taken for what they were."""
        look = learners._look_up
        monkeypatch.setattr(learners, "_find", lambda asked: learners._look_up(asked))

        answers, keep = self.at_once(workspace, monkeypatch, look)

        assert answers[1] == "done"
        assert Enrollment.objects.get().learner != keep
        assert "accounts.nothing_belongs_to_a_merged_learner" in examine()

    @four_times_in_walks
    def test_waits_for_one_that_came_first_and_moves_it(self, workspace: Workspace, attempt: int) -> None:
        keep, drop = LearnerFactory(workspace=workspace), LearnerFactory(workspace=workspace, **JANE)

        answers = at_once(lambda: route(workspace, **JANE).decision.pk, lambda: merge(keep, drop))

        assert answers[1] == "done"
        assert Enrollment.objects.get().learner == SeatAssignment.objects.get().learner == keep
        assert examine() == {}


class TestAMergeOfALearnerWhoIsOfferedAPlace:
    """While it creates the place that it offers, the sweep holds the cohort, not the learner."""

    def offer_while_merging(self, monkeypatch: pytest.MonkeyPatch, patience: float) -> Learner:
        cohort = cohort_with(options=(1,), max_enrollment=1)
        workspace = cohort.instance.workspace
        keep, drop = LearnerFactory(workspace=workspace), LearnerFactory(workspace=workspace)
        buy_on_rows(cohort)
        join_waitlist(learner_id=drop.pk, cohort_id=cohort.pk, now=utc_now())
        cohort.max_enrollment = 2
        cohort.save(update_fields=["max_enrollment"])
        chosen, merged_meanwhile = Meeting(lambda: None), Meeting(lambda: None, patience=patience)
        hold = hold_place

        def wait_and_hold(**values: Any) -> Any:
            chosen()
            merged_meanwhile()
            return hold(**values)

        monkeypatch.setattr(waitlist, "hold_place", wait_and_hold)

        def merge_meanwhile() -> str:
            chosen()
            answer = merge(keep, drop)
            merged_meanwhile()
            return answer

        def offer() -> int:
            with transaction.atomic():
                return len(offer_free_places(cohort_id=cohort.pk, now=utc_now()))

        assert at_once(offer, merge_meanwhile) == [1, "done"]
        return keep

    def test_waits_for_the_cohort_and_moves_the_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        keep = self.offer_while_merging(monkeypatch, patience=KEPT_OUT)

        assert list(keep.places.values_list("status", flat=True)) == ["held"]
        assert examine() == {}

    def test_without_the_lock_on_the_cohort_leaves_the_place_with_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        places = next(each for each in belongings() if each.lock.__name__ == "lock_cohorts_where_learner_waits")
        monkeypatch.setattr("cohorts.belongings.lock_cohorts_where_learner_waits", lambda keep_id, drop_id: None)
        unlocked = [
            each if each is not places else type(each)(each.model, each.field, each.plural) for each in belongings()
        ]
        monkeypatch.setattr(merging, "belongings", lambda: unlocked)

        keep = self.offer_while_merging(monkeypatch, patience=BOTH_COME)

        assert not keep.places.exists()
        assert "accounts.nothing_belongs_to_a_merged_learner" in examine()


class TestAMergeOfALearnerWhomAGuardianIsGiven:
    """The integrator's system names the learner, who is found before the merge and locked after it."""

    def link_while_merging(self, monkeypatch: pytest.MonkeyPatch, lock: Callable[..., dict[int, Learner]]) -> Any:
        keep, drop = LearnerFactory.create_batch(2, workspace=WorkspaceFactory())
        found, done = Meeting(lambda: None), Meeting(lambda: None)

        def wait_and_lock(learner_ids: Collection[int]) -> dict[int, Learner]:
            found()
            done()
            return lock(learner_ids)

        def merge_meanwhile() -> str:
            found()
            answer = merge(keep, drop)
            done()
            return answer

        def register() -> Any:
            return register_guardian(
                workspace_id=drop.workspace_id, external_id=None, email=PARENT, learner_ids=[drop.cuid]
            ).pk

        monkeypatch.setattr("accounts.guardian_records.lock_live_learners", wait_and_lock)
        registered, answer = at_once(register, merge_meanwhile)
        assert answer == "done"
        return registered

    def test_is_told_to_repeat_the_request(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.link_while_merging(monkeypatch, lock_live_learners).kind == "LearnerMerged"
        assert not Guardian.objects.exists()
        assert examine() == {}

    def test_without_looking_again_would_leave_the_guardian_with_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: the learner is locked, and taken for what they were."""
        locked = Learner.objects.select_for_update(no_key=True)

        self.link_while_merging(monkeypatch, locked.in_bulk)

        assert "accounts.nothing_belongs_to_a_merged_learner" in examine()
