"""Moving active learners to the newest version of the sequence: what they keep, and what they get."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from core.actors import SYSTEM
from core.clock import utc_now
from core.errors import Invalid
from enrollments.models import Enrollment, ProgramInstance
from enrollments.tests.factories import STAFF, InstanceFactory
from events.models import OutboxEvent
from partners.acceptance import record_refusal
from partners.errors import LearnerNotUnderWay, SequenceChanged
from partners.interventions import reassign_step, skip_step
from partners.models import EnrollmentStep, PartnerSequence, Provider
from partners.moving import foresee_move, list_learners_to_move, move_learner
from partners.sequences import GroupDraft, ItemDraft
from partners.states import GroupRule

from .breaches import breaches
from .factories import ProviderFactory, accept, approved, complete, define, statuses, steps_of

pytestmark = pytest.mark.django_db


class School:
    """A program whose courses are letters, all at one partner."""

    def __init__(self) -> None:
        self.instance: ProgramInstance = InstanceFactory(price=None)
        self.partner: Provider = ProviderFactory(workspace=self.instance.workspace)

    def define(self, *groups: str, rule: str = GroupRule.ALL_IN_ORDER, at_least: int | None = None) -> PartnerSequence:
        drafts = [
            GroupDraft(tuple(ItemDraft(self.partner.slug, letter) for letter in letters), rule, at_least)
            for letters in groups
        ]
        sequence = define(self.instance, *drafts)
        assert sequence is not None
        return sequence

    def learner(self, *done: str) -> Enrollment:
        """Return a learner who is active in the current version, with these courses completed."""
        enrollment = approved(self.instance)
        for letter in done:
            complete(accept(next(step for step in steps_of(enrollment) if step.course == letter)))
        return enrollment


@pytest.fixture
def school() -> School:
    return School()


def move(enrollment: Enrollment, version: int = 2, **changes: Any) -> Any:
    asked: dict[str, Any] = {"reason": "New partners", "actor": STAFF, "now": utc_now()} | changes
    return move_learner(enrollment_id=enrollment.pk, version=version, **asked)


def way(enrollment: Enrollment) -> list[tuple[str, str]]:
    return [(step.course, step.status) for step in steps_of(enrollment)]


class TestMoving:
    @pytest.mark.sqlite
    def test_keeps_what_is_done_adds_what_is_new_and_drops_the_rest(self, school: School) -> None:
        school.define("ABC")
        enrollment = school.learner("A")
        accept(steps_of(enrollment)[1])
        school.define("XAC")

        moved = move(enrollment)

        assert way(enrollment) == [("X", "queued"), ("A", "completed"), ("C", "pending")]
        assert [step.sequence_order for step in steps_of(enrollment)] == [1, 2, 3]
        assert (len(moved.kept), len(moved.added), len(moved.dropped)) == (2, 1, 1)
        dropped = EnrollmentStep.objects.exclude(retired_at=None).get()
        assert (dropped.course, dropped.status) == ("B", "withdrawn")
        assert dropped.transitions.get(to_status="withdrawn").reason == "New partners"
        assert breaches() == set()

    def test_lets_a_learner_go_on_with_a_course_that_has_begun(self, school: School) -> None:
        school.define("AB")
        enrollment = school.learner()
        begun = accept(steps_of(enrollment)[0])
        school.define("BA")

        move(enrollment)

        assert way(enrollment) == [("B", "queued"), ("A", "in_progress")]
        assert steps_of(enrollment)[1].pk == begun.pk
        assert breaches() == set()
        complete(begun)
        complete(accept(steps_of(enrollment)[0]))
        assert Enrollment.objects.get(pk=enrollment.pk).participation_status == "completed"
        assert breaches() == set()

    def test_completes_a_learner_to_whom_nothing_is_left(self, school: School) -> None:
        sequence = school.define("AB")
        enrollment = school.learner("A")
        sequence = school.define("A")

        assert foresee_move(enrollment_id=enrollment.pk, sequence=sequence).completes

        move(enrollment)
        assert Enrollment.objects.get(pk=enrollment.pk).participation_status == "completed"
        assert enrollment.certificates.filter(revoked_at=None).count() == 1
        assert breaches() == set()

    def test_keeps_a_course_that_staff_excused_and_one_that_failed(self, school: School) -> None:
        school.define("AB")
        enrollment = school.learner()
        first, second = steps_of(enrollment)
        skip_step(step_id=first.pk, reason="Knows it", actor=STAFF, now=utc_now())
        record_refusal(step_id=second.pk, reason="No such course", actor=SYSTEM, now=utc_now())
        school.define("XAB")

        move(enrollment)

        assert way(enrollment) == [("X", "queued"), ("A", "skipped"), ("B", "failed")]
        tasks = enrollment.workspace.staff_tasks.filter(status="open")
        assert [task.subject for task in tasks] == [f"enrollment:{enrollment.cuid}/step:3"]
        assert breaches() == set()

    def test_asks_anew_for_what_was_withdrawn(self, school: School) -> None:
        school.define("AB", rule=GroupRule.AT_LEAST, at_least=1)
        school.define("AB", "C", rule=GroupRule.AT_LEAST, at_least=1)
        enrollment = school.learner("A")
        assert way(enrollment) == [("A", "completed"), ("B", "withdrawn"), ("C", "queued")]
        school.define("AB", "C", rule=GroupRule.ALL_ANY_ORDER)

        move(enrollment, 3)

        assert way(enrollment) == [("A", "completed"), ("B", "queued"), ("C", "queued")]
        assert breaches() == set()

    def test_keeps_a_reassigned_step_for_what_it_stands_for(self, school: School) -> None:
        school.define("AB")
        enrollment = school.learner()
        other = ProviderFactory(workspace=school.instance.workspace)
        placed = reassign_step(
            step_id=steps_of(enrollment)[0].pk,
            partner=other.slug,
            course_id="other",
            reason="Closed",
            actor=STAFF,
            now=utc_now(),
        )
        school.define("ABC")

        move(enrollment)

        assert way(enrollment) == [("other", "queued"), ("B", "pending"), ("C", "pending")]
        assert steps_of(enrollment)[0].pk == placed.pk
        assert breaches() == set()

    def test_tells_what_became_of_the_steps(self, school: School) -> None:
        school.define("AB")
        enrollment = school.learner("A")
        school.define("AC")

        move(enrollment)

        told = OutboxEvent.objects.get(type="partner.sequence_changed")
        assert told.payload == {
            "enrollmentId": enrollment.cuid,
            "version": 2,
            "kept": 1,
            "added": 1,
            "dropped": 1,
        }

    def test_again_changes_nothing(self, school: School) -> None:
        school.define("AB")
        enrollment = school.learner("A")
        school.define("AC")
        move(enrollment)

        assert move(enrollment) is None

        assert way(enrollment) == [("A", "completed"), ("C", "queued")]
        assert OutboxEvent.objects.filter(type="partner.sequence_changed").count() == 1


class TestAMoveThatIsRefused:
    def test_is_one_to_a_version_that_is_not_the_present_one(self, school: School) -> None:
        school.define("A")
        enrollment = school.learner()
        school.define("B")
        school.define("C")

        with pytest.raises(SequenceChanged):
            move(enrollment, 2)

        assert way(enrollment) == [("A", "queued")]

    def test_is_one_of_a_learner_who_has_finished(self, school: School) -> None:
        school.define("A")
        enrollment = school.learner("A")
        school.define("AB")

        with pytest.raises(LearnerNotUnderWay):
            move(enrollment)

        assert way(enrollment) == [("A", "completed")]
        assert enrollment.certificates.filter(revoked_at=None).count() == 1

    def test_is_one_without_a_reason(self, school: School) -> None:
        school.define("A")
        enrollment = school.learner()
        school.define("B")

        with pytest.raises(Invalid):
            move(enrollment, reason=" ")

        assert way(enrollment) == [("A", "queued")]


@pytest.mark.sqlite
class TestMovingAll:
    def test_moves_those_who_are_under_way_in_batches_and_nobody_else(self, school: School) -> None:
        school.define("AB")
        behind = [school.learner() for _ in range(3)]
        finished = school.learner("A", "B")
        sequence = school.define("AC")
        newest = school.learner()
        elsewhere = School()
        elsewhere.define("A")
        stranger = elsewhere.learner()

        out = StringIO()
        ask = {
            "workspace": school.instance.workspace.slug,
            "program": school.instance.program.code,
            "reason": "New partners",
            "json": True,
            "stdout": out,
        }
        call_command("move_learners", dry_run=True, **ask)
        assert json.loads(out.getvalue()) == {"version": 2, "learners_moved": 0, "learners_behind": 3}
        out.truncate(0)
        out.seek(0)
        call_command("move_learners", batch=2, **ask)

        assert json.loads(out.getvalue()) == {"version": 2, "learners_moved": 3, "learners_behind": 0}
        assert {tuple(way(each)) for each in [*behind, newest]} == {(("A", "queued"), ("C", "pending"))}
        assert (statuses(finished), way(stranger)) == (["completed", "completed"], [("A", "queued")])
        assert not list_learners_to_move(sequence).exists()
        assert breaches() == set()
