"""Two partners, or a partner and staff, reporting about one learner at the same moment."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from django.db.models import Model

from core.clock import utc_now
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import Enrollment, Program
from enrollments.tests.factories import STAFF, InstanceFactory
from events.models import OutboxEvent
from operations.doctor import examine
from partners import acceptance, history, interventions, progression, sequences
from partners.interventions import reassign_step, reopen_step, skip_step
from partners.models import EnrollmentStep, EnrollmentStepQuerySet, PartnerSequence, StepTransition
from partners.states import GroupRule
from partners.tests.factories import (
    ProviderFactory,
    accept,
    approved,
    complete,
    define,
    group,
    instance_with,
    statuses,
    steps_of,
)
from tests.constraints import without_constraints
from tests.processes import Failure, Meeting, at_once

from .attempts import four_times_in_walks

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def in_progress(*, steps: int = 2) -> tuple[Enrollment, EnrollmentStep]:
    enrollment = approved(steps=steps)
    return enrollment, accept(steps_of(enrollment)[0])


def status_after(call: Callable[[], EnrollmentStep]) -> str:
    return str(call().status)


def completed(step: EnrollmentStep) -> Callable[[], str]:
    return partial(status_after, partial(complete, step))


def skipped(step: EnrollmentStep) -> Callable[[], str]:
    skip = partial(skip_step, step_id=step.pk, reason="Knows it already", actor=STAFF, now=utc_now())
    return partial(status_after, skip)


def reassigned(step: EnrollmentStep) -> Callable[[], str]:
    other = ProviderFactory(workspace=step.enrollment.workspace)
    reassign = partial(reassign_step, step_id=step.pk, partner=other.slug, reason="Closed", actor=STAFF, now=utc_now())
    return lambda: f"reassigned, {reassign().status}"


def reopened(step: EnrollmentStep) -> Callable[[], str]:
    reopen = partial(reopen_step, step_id=step.pk, reason="By mistake", actor=STAFF, now=utc_now())
    return lambda: f"reopened, {reopen().status}"


def accepted(step: EnrollmentStep) -> Callable[[], str]:
    return lambda: f"accepted, {accept(step).status}"


def leaving(enrollment: Enrollment) -> Callable[[], str]:
    def leave() -> str:
        ended = unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved away", now=utc_now())
        return str(ended.participation_status)

    return leave


def outcomes(answers: list[Any]) -> list[str]:
    return sorted(answer.kind if isinstance(answer, Failure) else str(answer) for answer in answers)


def read_without_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both read the steps before either changes one."""

    def read(step_id: int) -> tuple[EnrollmentStep, list[EnrollmentStep]]:
        enrollment_id = EnrollmentStep.objects.values_list("enrollment_id", flat=True).get(pk=step_id)
        steps = list(EnrollmentStep.objects.of(enrollment_id).select_related("enrollment"))
        return next(step for step in steps if step.pk == step_id), steps

    meeting = Meeting(read)
    for module in (progression, interventions, acceptance):
        monkeypatch.setattr(module, "lock_step", meeting)


def save_in_any_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a change be saved whatever another one has done to the step since it was read."""

    def find(steps: Sequence[EnrollmentStep], status: str) -> EnrollmentStepQuerySet:
        return EnrollmentStep.objects.filter(pk__in=[step.pk for step in steps])

    monkeypatch.setattr(history, "find_unmoved", find)
    monkeypatch.setattr(EnrollmentStep, "_do_update", Model._do_update)


class TestOneStepCompletedTwiceAtOnce:
    @four_times_in_walks
    def test_is_completed_once_and_queues_the_next_once(self, attempt: int) -> None:
        enrollment, step = in_progress()

        answers = at_once(*[completed(step)] * 3)

        assert outcomes(answers) == ["completed"] * 3
        assert statuses(enrollment) == ["completed", "queued"]
        assert StepTransition.objects.filter(to_status="completed").count() == 1
        assert OutboxEvent.objects.filter(type="partner.step_queued", payload__sequenceOrder=2).count() == 1
        assert examine() == {}

    def test_without_the_lock_is_decided_by_the_conditional_save(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both read the step as in progress. The second one to save is told so."""
        _, step = in_progress()
        read_without_lock(monkeypatch)

        answers = at_once(completed(step), completed(step))

        assert outcomes(answers) == ["Contradiction", "completed"]

    def test_without_any_guard_would_be_completed_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: neither lock nor conditional save nor unique numbers."""
        save_in_any_state(monkeypatch)
        with without_constraints(
            (StepTransition, "step_transition_number_unique"), (OutboxEvent, "outbox_sequence_unique")
        ):
            _, step = in_progress(steps=3)
            read_without_lock(monkeypatch)

            answers = at_once(completed(step), completed(step))

            assert outcomes(answers) == ["completed", "completed"]
            assert StepTransition.objects.filter(to_status="completed").count() == 2
            assert "partners.step_statuses_follow_their_history" in examine()


class TestTwoStepsCompletedAtOnce:
    @four_times_in_walks
    def test_complete_the_participation(self, attempt: int) -> None:
        enrollment, first, second = self.two_in_progress()

        answers = at_once(completed(first), completed(second))

        assert outcomes(answers) == ["completed", "completed"]
        assert Enrollment.objects.get(pk=enrollment.pk).participation_status == "completed"
        assert examine() == {}

    def test_without_the_lock_do_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: each checks whether it is the last before it can see the other."""
        enrollment, first, second = self.two_in_progress()
        read_without_lock(monkeypatch)

        answers = at_once(completed(first), completed(second))

        assert outcomes(answers) == ["completed", "completed"]
        assert Enrollment.objects.get(pk=enrollment.pk).participation_status == "active"
        assert "partners.active_learners_have_something_to_do" in examine()

    def two_in_progress(self) -> tuple[Enrollment, EnrollmentStep, EnrollmentStep]:
        enrollment = approved(instance_with((2, GroupRule.ALL_ANY_ORDER)))
        first, second = (accept(step) for step in steps_of(enrollment))
        return enrollment, first, second


class TestCompletionAgainstSkipping:
    @four_times_in_walks
    def test_has_one_winner_and_advances_once(self, attempt: int) -> None:
        enrollment, step = in_progress()

        answers = at_once(completed(step), skipped(step))

        first, second = statuses(enrollment)
        assert outcomes(answers) == sorted(["TransitionNotAllowed", first])
        assert second == "queued"
        assert OutboxEvent.objects.filter(type="partner.step_queued", payload__sequenceOrder=2).count() == 1
        assert examine() == {}

    def test_without_the_lock_is_decided_by_the_conditional_save(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both read the step as in progress. The second one to save is told so."""
        _, step = in_progress()
        read_without_lock(monkeypatch)

        answers = at_once(completed(step), skipped(step))

        assert outcomes(answers)[0] == "Contradiction"


class TestCompletionAgainstReassigning:
    @four_times_in_walks
    def test_has_one_winner(self, attempt: int) -> None:
        enrollment, step = in_progress()

        answers = at_once(completed(step), reassigned(step))

        assert (outcomes(answers), statuses(enrollment)) in [
            (["TransitionNotAllowed", "completed"], ["completed", "queued"]),
            (["TransitionNotAllowed", "reassigned, queued"], ["queued", "pending"]),
        ]
        assert examine() == {}

    def test_without_the_lock_is_decided_by_the_conditional_save(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both read the step as in progress. The second one to save is told so."""
        _, step = in_progress()
        read_without_lock(monkeypatch)

        answers = at_once(completed(step), reassigned(step))

        assert outcomes(answers)[0] == "Contradiction"

    def test_without_any_guard_would_be_both(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: the completion is lost with the step, or the learner is sent to two partners."""
        save_in_any_state(monkeypatch)
        with without_constraints(
            (StepTransition, "step_transition_number_unique"),
            (OutboxEvent, "outbox_sequence_unique"),
            (EnrollmentStep, "partner_step_retired_is_over"),
            (EnrollmentStep, "partner_step_completed_iff_dated"),
        ):
            _, step = in_progress()
            read_without_lock(monkeypatch)

            answers = at_once(completed(step), reassigned(step))

            assert outcomes(answers) == ["completed", "reassigned, queued"]
            assert "partners.step_statuses_follow_their_history" in examine()


class TestReassigningTwiceAtOnce:
    def test_puts_one_step_in_its_place(self) -> None:
        enrollment, step = in_progress()

        answers = at_once(reassigned(step), reassigned(step))

        assert outcomes(answers) == ["TransitionNotAllowed", "reassigned, queued"]
        assert EnrollmentStep.objects.current().filter(enrollment=enrollment).count() == 2
        assert examine() == {}


class TestCompletionAgainstReopening:
    def test_of_the_last_step_leaves_one_certificate_or_none(self) -> None:
        enrollment, step = in_progress(steps=1)
        complete(step)

        answers = at_once(completed(step), reopened(step))

        assert (outcomes(answers), statuses(enrollment)) in [
            (["completed", "reopened, in_progress"], ["in_progress"]),  # reported again before, which changes nothing
            (["completed", "reopened, in_progress"], ["completed"]),  # reported after
        ]
        assert examine() == {}


class TestAcceptanceAgainstCompletion:
    def test_ends_completed_with_the_id_whichever_comes_first(self) -> None:
        enrollment = approved(steps=2)
        step = steps_of(enrollment)[0]

        answers = at_once(accepted(step), completed(step))

        assert outcomes(answers) in [["accepted, completed", "completed"], ["accepted, in_progress", "completed"]]
        assert statuses(enrollment) == ["completed", "queued"]
        assert EnrollmentStep.objects.get(pk=step.pk).external_enrollment_id == f"their-{step.pk}"
        assert examine() == {}

    def test_without_the_lock_is_decided_by_the_conditional_save(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both read the step as queued. The second one to save is told so, and its work comes again."""
        step = steps_of(approved(steps=2))[0]
        read_without_lock(monkeypatch)

        answers = at_once(accepted(step), completed(step))

        assert outcomes(answers)[0] in ("ConcurrentTransition", "Contradiction")


class TestCompletionAgainstLeaving:
    @four_times_in_walks
    def test_ends_in_the_order_in_which_they_came(self, attempt: int) -> None:
        enrollment, step = in_progress()

        answers = at_once(completed(step), leaving(enrollment))

        first, second = statuses(enrollment)
        assert (outcomes(answers), first) in [
            (["completed", "withdrawn"], "completed"),
            (["TransitionNotAllowed", "withdrawn"], "withdrawn"),
        ]
        assert second == "withdrawn"
        assert examine() == {}

    def test_without_the_lock_would_send_on_somebody_who_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: the completion reads the steps, the learner leaves, and only then is the next partner asked."""
        enrollment = approved(instance_with((1, GroupRule.ALL_IN_ORDER), (1, GroupRule.ALL_IN_ORDER)))
        step = accept(steps_of(enrollment)[0])
        steps = lock_free(enrollment)
        leaving(enrollment)()
        monkeypatch.setattr(progression, "lock_step", lambda step_id: (steps[0], steps))
        save_in_any_state(monkeypatch)
        monkeypatch.setattr(history, "insert_many", lambda rows: None)

        completed(step)()

        assert statuses(enrollment) == ["completed", "queued"]
        assert "partners.open_steps_belong_to_active_learners" in examine()


def lock_free(enrollment: Enrollment) -> list[EnrollmentStep]:
    return list(EnrollmentStep.objects.of(enrollment.pk).select_related("enrollment"))


class TestTwoVersionsAtOnce:
    def test_follow_each_other(self) -> None:
        assert self.define_two() == ["1", "2"]
        assert list(PartnerSequence.objects.filter(active=True).values_list("version", flat=True)) == [2]

    def test_without_the_lock_are_left_to_the_database_to_refuse(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both count the versions before either adds one."""
        monkeypatch.setattr(sequences, "lock_program", lambda program_id: Program.objects.get(pk=program_id))
        monkeypatch.setattr(sequences, "_next_version", Meeting(sequences._next_version))

        assert self.define_two() == ["1", "IntegrityError"]

    def define_two(self) -> list[str]:
        instance = InstanceFactory(price=None)
        drafts = [group(instance, 1), group(instance, 2)]

        return outcomes(at_once(*[partial(self.define, instance, draft) for draft in drafts]))

    def define(self, instance: Any, draft: Any) -> int:
        sequence = define(instance, draft)
        assert sequence is not None
        return sequence.version
