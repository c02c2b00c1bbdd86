"""Two learners turn out to be one: everything of one moves to the other, whatever app stores it, or nothing does."""

from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, transaction
from django.db.models import ForeignKey

from accounts.belongings import LEFT, belongings
from accounts.merging import AlreadyMerged, LearnersClash, foresee_merge, merge_learners
from accounts.models import Guardianship, Lead, Learner, LearnerMerge, StaffTask, Workspace
from accounts.tests.factories import (
    GuardianFactory,
    GuardianshipFactory,
    LeadFactory,
    UserFactory,
    WorkspaceFactory,
)
from cohorts.learning.booking import Selection, book_sessions
from cohorts.models import CohortPlace, CohortSession, StudentPackage, WaitlistEntry
from cohorts.sale.waitlist import join_waitlist, leave_waitlist
from cohorts.tests.factories import CohortFactory, buy_on_rows, cohort_with, reserve
from core.actors import Actor
from core.clock import utc_now
from core.errors import Invalid, NotFound
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import Enrollment, EnrollmentDecision, SeatAssignment
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats
from operations.doctor import examine
from tests.constraints import drop_constraint
from tests.contracts.merges import JANE, district, full_cohort, learner, merge

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


def everything() -> dict[str, Any]:
    """Return all that a refused merge must leave unchanged."""
    models = {each.model for each in belongings()} | {Learner, LearnerMerge, StaffTask}
    return {model.__name__: list(model._default_manager.order_by("pk").values()) for model in models}


def clashes_of(keep: Learner, drop: Learner) -> list[str]:
    """Return how a merge is refused; nothing has changed."""
    before = everything()
    with pytest.raises(LearnersClash) as refused:
        merge(keep, drop)
    assert everything() == before
    clashes: Any = refused.value.extra["clashes"]
    assert foresee_merge(keep_id=keep.pk, drop_id=drop.pk).clashes == tuple(clashes)
    return list(clashes)


class TestEveryForeignKeyToALearner:
    def test_is_registered_or_left_for_a_reason(self) -> None:
        found = {
            (model, field.name)
            for model in apps.get_models()
            for field in model._meta.concrete_fields
            if isinstance(field, ForeignKey) and field.related_model is Learner
        }

        assert {(each.model, each.field) for each in belongings()} | set(LEFT) == found
        assert len(belongings()) + len(LEFT) == len(found)

    def test_is_moved_in_the_order_of_locks(self) -> None:
        moved = [each.model.__name__ for each in belongings()]

        assert moved == [
            "Enrollment",
            "SeatAssignment",
            "EnrollmentDecision",
            "CohortPlace",
            "WaitlistEntry",
            "Voucher",
            "StudentPackage",
            "Guardianship",
            "Lead",
            "NameChange",
            "Consent",
        ]


class TestAMerge:
    @pytest.mark.sqlite
    def test_moves_an_enrollment_with_its_seat_and_decision(self, workspace: Workspace) -> None:
        InstanceFactory(workspace=workspace)
        allocation = seats(workspace, total=5)
        keep = learner(workspace)
        decision = route(workspace, **JANE).decision

        record = merge(keep, decision.learner)

        assert list(Enrollment.objects.values_list("pk", "learner")) == [(decision.enrollment_id, keep.pk)]
        assert list(SeatAssignment.objects.values_list("pk", "learner", "status")) == [
            (decision.seat_id, keep.pk, "used")
        ]
        assert list(EnrollmentDecision.objects.values_list("pk", "learner")) == [(decision.pk, keep.pk)]
        assert record.moved == {
            "enrollments": [decision.enrollment_id],
            "seats": [decision.seat_id],
            "decisions": [decision.pk],
        }
        allocation.refresh_from_db()
        assert allocation.used_seats == 1
        assert examine() == {}

    @pytest.mark.sqlite
    def test_moves_a_course_with_its_place_and_bookings(self, workspace: Workspace) -> None:
        cohort = cohort_with(options=(1, 2), instance__workspace=workspace)
        keep, drop = learner(workspace), learner(workspace)
        package = buy_on_rows(cohort, drop)
        session = CohortSession.objects.filter(cohort=cohort, step__order=2).earliest("pk")

        merge(keep, drop)

        book_sessions(package_id=package.pk, selections=[Selection(session.step_id, session.option_id)], now=utc_now())
        assert StudentPackage.objects.get().learner == CohortPlace.objects.get().learner == keep
        assert package.progress.filter(status="BOOKED").count() == 2
        assert examine() == {}

    def test_moves_an_unpaid_place_and_what_is_paid_for_it_later(self, workspace: Workspace) -> None:
        cohort = cohort_with(options=(1,), instance__workspace=workspace)
        keep, drop = learner(workspace), learner(workspace)
        reserve(cohort, drop)

        merge(keep, drop)

        package = buy_on_rows(cohort, keep)
        assert list(CohortPlace.objects.values_list("learner", "status")) == [(keep.pk, "taken")]
        assert package.learner == keep
        assert examine() == {}

    @pytest.mark.sqlite
    def test_moves_a_place_in_line(self, workspace: Workspace) -> None:
        cohort, keep, drop = full_cohort(workspace), learner(workspace), learner(workspace)
        entry = join_waitlist(learner_id=drop.pk, cohort_id=cohort.pk, now=utc_now())

        merge(keep, drop)

        assert list(WaitlistEntry.objects.values_list("pk", "learner", "status")) == [(entry.pk, keep.pk, "waiting")]
        leave_waitlist(learner_id=keep.pk, cohort_id=cohort.pk, now=utc_now())
        assert examine() == {}

    @pytest.mark.sqlite
    def test_joins_the_guardians(self, workspace: Workspace) -> None:
        keep, drop = learner(workspace), learner(workspace)
        both, only = GuardianFactory(workspace=workspace), GuardianFactory(workspace=workspace)
        for guardian, child in ((both, keep), (both, drop), (only, drop)):
            GuardianshipFactory(guardian=guardian, learner=child)

        merge(keep, drop)

        assert set(Guardianship.objects.values_list("guardian", "learner")) == {(both.pk, keep.pk), (only.pk, keep.pk)}

    @pytest.mark.sqlite
    def test_moves_the_lead_they_came_from(self, workspace: Workspace) -> None:
        keep, drop = learner(workspace), learner(workspace)
        LeadFactory(workspace=workspace, converted_to=drop)

        merge(keep, drop)

        assert Lead.objects.get().converted_to == keep

    def test_fills_in_what_was_unknown_and_changes_nothing_that_was_known(self, workspace: Workspace) -> None:
        user = UserFactory()
        keep = learner(workspace, grade_level="3rd", **JANE)
        drop = learner(workspace, grade_level="4th", school="Lincoln", phone="555", user=user, external_id="S-2")

        merge(keep, drop)

        keep.refresh_from_db()
        drop.refresh_from_db()
        assert (keep.email, keep.first_name, keep.last_name) == ("jane@school.test", "Jane", "Doe")
        assert (keep.grade_level, keep.school, keep.phone, keep.user) == ("3rd", "Lincoln", "555", user)
        assert (keep.external_id, keep.identity) == ("S-2", "ext:S-2")
        assert (drop.merged_into, drop.user, drop.external_id) == (keep, None, None)

    @pytest.mark.sqlite
    def test_is_on_record(self, workspace: Workspace) -> None:
        user, now = UserFactory(), utc_now()
        keep, drop = learner(workspace), learner(workspace)

        merge(keep, drop, actor=Actor("user", user.pk), now=now)

        found = LearnerMerge.objects.values("kept", "dropped", "actor", "reason", "moved", "merged_at", "workspace")
        assert list(found) == [
            {
                "kept": keep.pk,
                "dropped": drop.pk,
                "actor": f"user:{user.pk}",
                "reason": "The school says so",
                "moved": {},
                "merged_at": now,
                "workspace": workspace.pk,
            }
        ]


class TestAMergeIsRefused:
    def test_where_both_are_enrolled_in_the_same_program(self, workspace: Workspace) -> None:
        instance = InstanceFactory(workspace=workspace, name="Spring")
        first = district(workspace, total=5).decision
        seats(workspace, total=5, tenant_id=2)
        second = route(workspace, email="two@school.test", tenant_id=2).decision

        assert clashes_of(first.learner, second.learner) == [
            f"Both are enrolled in {instance.program.title}, Spring (enrollments {first.enrollment_id} and "
            f"{second.enrollment_id}): end one of the two first."
        ]

    def test_until_one_of_the_two_has_ended(self, workspace: Workspace) -> None:
        InstanceFactory(workspace=workspace)
        first = district(workspace, total=5).decision
        second = route(workspace, email="two@school.test").decision
        assert len(clashes_of(first.learner, second.learner)) == 2
        unenroll_enrollment(enrollment_id=second.enrollment_id, actor=STAFF, reason="Entered twice", now=utc_now())

        merge(first.learner, second.learner)

        assert set(Enrollment.objects.values_list("learner", flat=True)) == {first.learner_id}
        assert examine() == {}

    @pytest.mark.sqlite
    def test_where_both_hold_a_seat_of_one_allocation(self, workspace: Workspace) -> None:
        InstanceFactory(workspace=workspace)
        other = InstanceFactory(workspace=workspace, is_default=False)
        first = district(workspace, total=5).decision
        second = route(workspace, email="two@school.test", instance=other).decision

        assert clashes_of(first.learner, second.learner) == [
            f"Both hold a seat of District 1, of which one learner may hold one (enrollments "
            f"{first.enrollment_id} and {second.enrollment_id}): end one of the two enrollments first."
        ]

    @pytest.mark.parametrize("paid", [(True, True), (True, False), (False, True)])
    def test_where_both_have_a_course_or_are_about_to_pay_for_it(
        self, workspace: Workspace, paid: tuple[bool, bool]
    ) -> None:
        cohort = cohort_with(options=(1,), instance__workspace=workspace)
        next_year = InstanceFactory(workspace=workspace, program=cohort.instance.program, is_default=False)
        another = CohortFactory(instance=next_year)
        keep, drop = learner(workspace), learner(workspace)
        for one, place, is_paid in ((keep, cohort, paid[0]), (drop, another, paid[1])):
            buy_on_rows(place, one) if is_paid else reserve(place, one)

        title = cohort.instance.program.title
        assert clashes_of(keep, drop) == [
            f"Both have the course {title} or are about to pay for it: end one of the two, or let its time to pay run "
            "out."
        ]

    def test_where_both_wait_for_one_cohort(self, workspace: Workspace) -> None:
        cohort, keep, drop = full_cohort(workspace), learner(workspace), learner(workspace)
        for one in (keep, drop):
            join_waitlist(learner_id=one.pk, cohort_id=cohort.pk, now=utc_now())

        assert clashes_of(keep, drop) == [f"Both wait for {cohort}: take one of the two off its waiting list first."]

    def test_where_one_waits_for_the_cohort_of_the_other(self, workspace: Workspace) -> None:
        cohort, waiting = full_cohort(workspace), learner(workspace)
        placed = CohortPlace.objects.get().learner
        join_waitlist(learner_id=waiting.pk, cohort_id=cohort.pk, now=utc_now())
        said = [
            f"Learner {placed.pk} has a place in {cohort}, for which learner {waiting.pk} waits: take the latter off "
            "its waiting list first."
        ]

        assert clashes_of(placed, waiting) == clashes_of(waiting, placed) == said

    def test_where_each_has_an_account(self, workspace: Workspace) -> None:
        keep, drop = learner(workspace, user=UserFactory()), learner(workspace, user=UserFactory())

        assert clashes_of(keep, drop) == [
            "Each has an account of their own: remove the one that does not belong to the learner."
        ]

    def test_without_a_reason(self, workspace: Workspace) -> None:
        keep, drop = learner(workspace), learner(workspace)

        with pytest.raises(Invalid) as refused:
            merge_learners(keep_id=keep.pk, drop_id=drop.pk, actor=STAFF, reason=" ", now=utc_now())

        assert [fault.field for fault in refused.value.errors] == ["reason"]
        assert not Learner.objects.exclude(merged_into=None).exists()

    def test_of_a_learner_with_themself(self, workspace: Workspace) -> None:
        one = learner(workspace)

        with pytest.raises(Invalid):
            merge(one, one)

    def test_across_workspaces(self, workspace: Workspace) -> None:
        keep, drop = learner(workspace), learner(WorkspaceFactory())

        with pytest.raises(NotFound):
            merge(keep, drop)

        assert not Learner.objects.exclude(merged_into=None).exists()

    @pytest.mark.sqlite
    def test_for_one_who_was_merged_already_on_either_side(self, workspace: Workspace) -> None:
        first, second, third = (learner(workspace) for _ in range(3))
        merge(first, second)

        for keep, drop in ((third, second), (second, third)):
            with pytest.raises(
                AlreadyMerged, match=f"Learner {second.pk} has already been merged into learner {first.pk}"
            ):
                merge(keep, drop)

        assert LearnerMerge.objects.count() == 1


class TestTheDatabase:
    def test_refuses_a_learner_merged_into_themself(self, workspace: Workspace) -> None:
        one = learner(workspace)

        with pytest.raises(IntegrityError, match="learner_not_merged_into_itself"), transaction.atomic():
            Learner.objects.filter(pk=one.pk).update(merged_into=one.pk)

    @pytest.mark.sqlite
    def test_refuses_a_second_question_about_two_learners(self, workspace: Workspace) -> None:
        fields = {"workspace": workspace, "kind": "possible_twins", "subject": "learner:1/learner:2", "summary": "?"}
        StaffTask.objects.create(status="done", **fields)

        with pytest.raises(IntegrityError), transaction.atomic():
            StaffTask.objects.create(**fields)

        drop_constraint(StaffTask, "staff_task_one_per_pair_of_twins")
        StaffTask.objects.create(**fields)
