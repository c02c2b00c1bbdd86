"""Evaluating all candidates of an instance while others decide about the same ones, or while the worker dies."""

import os
import signal
from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import Any

import pytest

from core.actors import SYSTEM
from core.clock import utc_now
from core.jobs import RETRY
from enrollments import evaluation, lifecycle
from enrollments.evaluation import continue_due_evaluations, evaluate_candidates, request_evaluation
from enrollments.history import Journal
from enrollments.lifecycle import evaluate_enrollment, submit_enrollment
from enrollments.models import EligibilityVerdict, Enrollment, EnrollmentTransition, EvaluationJob, ProgramInstance
from enrollments.states import ReviewMode
from enrollments.tests.criteria import set_criterion
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory
from events.models import OutboxEvent
from operations.doctor import examine
from tests.constraints import without_constraints
from tests.processes import Death, Failure, Meeting, at_once, in_process
from tests.races.unguarded import save_enrollments_in_any_state

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


STEPS = ("lock_candidates", "write_together", "publish", "follow_up")


def instance_with(candidates: int) -> ProgramInstance:
    instance = set_criterion(InstanceFactory(review_mode=ReviewMode.MANUAL), "metadata.age >= 18")
    for _ in range(candidates):
        CandidateFactory(instance=instance, workspace=instance.workspace, metadata={"age": 18})
    return instance


def evaluate_and_submit(enrollment_id: int) -> str:
    evaluate_enrollment(enrollment_id=enrollment_id, actor=STAFF, now=utc_now())
    return str(submit_enrollment(enrollment_id=enrollment_id, actor=STAFF, now=utc_now()).eligibility_status)


def work_on(job: EvaluationJob) -> None:
    evaluate_candidates(job_id=job.pk, now=utc_now())


def changes(to_status: str) -> int:
    return EnrollmentTransition.objects.filter(to_status=to_status).count()


class TestAnEvaluationOfAll:
    def test_and_fourteen_people_change_each_candidate_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(evaluation, "BATCH", 4)
        instance = instance_with(14)
        job = request_evaluation(instance_id=instance.pk, actor=SYSTEM, now=utc_now())
        people = [partial(evaluate_and_submit, pk) for pk in Enrollment.objects.values_list("pk", flat=True)]

        answers = at_once(partial(work_on, job), partial(work_on, job), *people)

        job.refresh_from_db()
        assert answers[2:] == ["submitted"] * 14
        assert (changes("eligible"), changes("submitted")) == (14, 14)
        assert OutboxEvent.objects.filter(type="enrollment.status_changed").count() == 28
        assert (job.status, job.attempts) == ("completed", 0)
        assert examine() == {}

    @pytest.mark.parametrize("step", STEPS)
    def test_goes_on_after_its_worker_was_killed(self, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
        """It is killed in its second batch, after the named step."""
        monkeypatch.setattr(evaluation, "BATCH", 2)
        instance = instance_with(6)
        job = request_evaluation(instance_id=instance.pk, actor=SYSTEM, now=utc_now())

        take_step = getattr(evaluation, step)
        batches = count(1)

        def die_in_the_second_batch(*args: Any, **kwargs: Any) -> Any:
            answer = take_step(*args, **kwargs)
            if next(batches) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        with monkeypatch.context() as patch:
            patch.setattr(evaluation, step, die_in_the_second_batch)
            death = in_process(partial(work_on, job))
        job.refresh_from_db()
        left_with = job.done, changes("eligible")
        taken_up = continue_due_evaluations(limit=5, now=utc_now() + RETRY.lease)

        job.refresh_from_db()
        assert (death, left_with, taken_up) == (Death(signal.SIGKILL), (2, 2), 1)
        assert (job.status, job.done, changes("eligible")) == ("completed", 6, 6)
        assert EligibilityVerdict.objects.count() == 6
        assert examine() == {}

    def test_without_the_lock_is_decided_by_the_conditional_update(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both read the enrollment as a candidate. The second one to save is told so, and does nothing."""
        instance = instance_with(1)
        job = request_evaluation(instance_id=instance.pk, actor=SYSTEM, now=utc_now())
        read_without_lock(monkeypatch)

        answers = at_once(partial(work_on, job), partial(evaluate_one, instance))

        job.refresh_from_db()
        told = [isinstance(answers[1], Failure) and answers[1].kind == "StatusMoved", job.attempts == 1]
        assert sorted(told) == [False, True]
        assert (changes("eligible"), EligibilityVerdict.objects.count()) == (1, 1)
        assert examine() == {}

    def test_without_any_guard_would_be_decided_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: neither lock nor conditional update nor unique numbers."""
        save_enrollments_in_any_state(monkeypatch)
        alike = Journal._alike
        monkeypatch.setattr(Journal, "_alike", lambda journal: ((), *alike(journal)[1:]))
        with without_constraints(
            (EnrollmentTransition, "transition_number_unique"), (OutboxEvent, "outbox_sequence_unique")
        ):
            instance = instance_with(1)
            job = request_evaluation(
                instance_id=instance.pk,
                actor=SYSTEM,
                are_families_told=False,  # the unique mails of a transition would be one more guard
                now=utc_now(),
            )
            read_without_lock(monkeypatch)

            at_once(partial(work_on, job), partial(evaluate_one, instance))

            assert changes("eligible") == 2
            assert "enrollments.transitions_have_no_gaps" in examine()


def evaluate_one(instance: ProgramInstance) -> None:
    evaluate_enrollment(enrollment_id=instance.enrollments.get().pk, actor=STAFF, now=utc_now())


def read_without_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the job and the person read the enrollment before either changes it."""
    meet = Meeting(lambda: None)

    def read(enrollment_id: int) -> Enrollment:
        found = Enrollment.objects.select_related("instance").get(pk=enrollment_id)
        meet()
        return found

    def read_all(enrollment_ids: Sequence[int]) -> list[Enrollment]:
        found = list(Enrollment.objects.filter(pk__in=enrollment_ids).select_related("learner", "lead"))
        meet()
        return found

    monkeypatch.setattr(lifecycle, "lock_enrollment", read)
    monkeypatch.setattr(evaluation, "lock_candidates", read_all)
