"""Evaluating all candidates of an instance in the background."""

import datetime as dt
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import StaffTask
from accounts.tests.factories import GuardianFactory, GuardianshipFactory, LeadFactory, LearnerFactory
from core import jobs
from core.actors import SYSTEM
from core.clock import time_is
from enrollments import evaluation
from enrollments.admin.programs import foresee_evaluation
from enrollments.eligibility.criteria import CriterionDraft
from enrollments.eligibility.record import follow_up
from enrollments.eligibility.variables import VARIABLES
from enrollments.evaluation import continue_due_evaluations, evaluate_candidates, request_evaluation
from enrollments.letters import INELIGIBLE
from enrollments.lifecycle import evaluate_enrollment, submit_enrollment
from enrollments.models import (
    EligibilityVerdict,
    Enrollment,
    EnrollmentDecision,
    EnrollmentTransition,
    EvaluationJob,
    Program,
    ProgramInstance,
)
from enrollments.tests.criteria import set_criteria, set_criterion
from enrollments.tests.factories import CandidateFactory, InstanceFactory, ProgramFactory
from events.models import OutboxEvent
from notifications import sending
from notifications.models import Notification
from notifications.sending import send_due_notifications
from notifications.wording import begin_letter, change_letter

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 9, 1, 12, 0, tzinfo=dt.UTC)
CRITERIA = (
    CriterionDraft("Age", "metadata.age >= 18", "Too young", "Old enough"),
    CriterionDraft("New", "!enrollments.exists(other, other.status == 'approved')", "Has another course"),
    CriterionDraft("Day", "today >= '2026-01-01' && gradeLevel != '9'", "Not this year"),
)
# Rows of every kind: eligible, ineligible by each criterion, impossible to evaluate, without an age, and a lead.
KINDS: tuple[dict[str, Any], ...] = (
    {"metadata": {"age": 20}},
    {"metadata": {"age": 17}},
    {"metadata": {"age": "20"}},
    {"metadata": {}},
    {"metadata": {"age": 20}, "learner__grade_level": "9"},
    {"metadata": {"age": 20}, "learner": None},
)


def art(instance: ProgramInstance) -> Program:
    found = Program.objects.filter(workspace=instance.workspace, code="ART").first()
    return found or ProgramFactory(workspace=instance.workspace, code="ART")


def candidates(instance: ProgramInstance) -> list[Enrollment]:
    """Return one candidate of each kind, and one with an approved enrollment elsewhere."""
    made = []
    for fields in KINDS:
        person = {"learner": None, "lead": LeadFactory(workspace=instance.workspace)} if "learner" in fields else {}
        made.append(CandidateFactory(instance=instance, workspace=instance.workspace, **{**fields, **person}))
    busy = LearnerFactory(workspace=instance.workspace)
    elsewhere = InstanceFactory(workspace=instance.workspace, is_default=False, program=art(instance))
    other = CandidateFactory(instance=elsewhere, workspace=instance.workspace, learner=busy)
    evaluate_enrollment(enrollment_id=other.pk, actor=SYSTEM, now=NOW)
    submit_enrollment(enrollment_id=other.pk, actor=SYSTEM, now=NOW)
    made.append(CandidateFactory(instance=instance, workspace=instance.workspace, learner=busy, metadata={"age": 30}))
    return made


def written(enrollment: Enrollment) -> dict[str, object]:
    """Return everything that an evaluation leaves behind, except ids."""
    found = Enrollment.objects.get(pk=enrollment.pk)
    fields = ("eligibility_status", "eligibility_reason", "criteria_version", "transition_count", "updated_at")
    return {
        "enrollment": [getattr(found, name) for name in fields],
        "transitions": list(
            EnrollmentTransition.objects.filter(enrollment=found).values_list(
                "number", "facet", "from_status", "to_status", "reason", "note", "actor", "created_at"
            )
        ),
        "verdicts": list(
            EligibilityVerdict.objects.filter(enrollment=found).values_list(
                "criteria_version", "outcome", "reason", "answers", "actor", "created_at"
            )
        ),
        "events": [
            (event.type, event.sequence, {**event.payload, "enrollmentId": "", "programInstanceId": ""})
            for event in OutboxEvent.objects.filter(aggregate=f"enrollment:{found.cuid}").order_by("sequence")
        ],
        "tasks": StaffTask.objects.filter(subject=f"enrollment:{found.pk}", status="open").count(),
    }


def evaluate_all(instance: ProgramInstance) -> EvaluationJob:
    job = request_evaluation(instance_id=instance.pk, actor=SYSTEM, now=NOW)
    evaluate_candidates(job_id=job.pk, now=NOW)
    job.refresh_from_db()
    return job


@pytest.fixture(autouse=True)
def _at_noon() -> Iterator[None]:
    with time_is(NOW):
        yield


class TestEvaluatingAll:
    def test_leaves_behind_what_evaluating_each_one_would(self) -> None:
        one_by_one = set_criteria(InstanceFactory(), *CRITERIA)
        together = set_criteria(InstanceFactory(), *CRITERIA)
        singles = candidates(one_by_one)
        for enrollment in singles:
            evaluate_enrollment(enrollment_id=enrollment.pk, actor=SYSTEM, now=NOW)
        batch = candidates(together)

        job = evaluate_all(together)

        assert [written(enrollment) for enrollment in batch] == [written(enrollment) for enrollment in singles]
        assert (job.status, job.total, job.done) == ("completed", 7, 7)
        assert job.counts == {"eligible": 2, "ineligible": 3, "undecided": 2}

    def test_without_criteria_makes_everybody_eligible(self) -> None:
        instance = InstanceFactory()
        candidates(instance)

        job = evaluate_all(instance)

        assert job.counts == {"eligible": 7}

    def test_leaves_alone_who_is_no_candidate_of_it_or_was_deleted(self) -> None:
        instance = set_criterion(InstanceFactory(), "true")
        elsewhere = CandidateFactory()
        deleted = CandidateFactory(instance=instance, workspace=instance.workspace, deleted_at=NOW)
        submitted = CandidateFactory(instance=instance, workspace=instance.workspace)
        evaluate_enrollment(enrollment_id=submitted.pk, actor=SYSTEM, now=NOW)
        submit_enrollment(enrollment_id=submitted.pk, actor=SYSTEM, now=NOW)
        before = [written(enrollment) for enrollment in (elsewhere, deleted, submitted)]

        job = evaluate_all(instance)

        assert [written(enrollment) for enrollment in (elsewhere, deleted, submitted)] == before
        assert (job.status, job.done) == ("completed", 0)

    def test_takes_a_fixed_number_of_statements_for_a_batch(self, django_assert_max_num_queries: Any) -> None:
        instance = set_criteria(InstanceFactory(), *CRITERIA)
        for _ in range(5):
            candidates(instance)
        job = request_evaluation(instance_id=instance.pk, actor=SYSTEM, now=NOW)

        with django_assert_max_num_queries(30):
            evaluate_candidates(job_id=job.pk, now=NOW)

        assert EvaluationJob.objects.get().done == 35

    @pytest.mark.parametrize("name", VARIABLES)
    def test_takes_no_statement_more_for_a_candidate_more(self, name: str) -> None:
        """Whatever the criteria read: a candidate comes without the columns that no criterion can read."""
        statements = []
        for number in (1, 3):
            instance = set_criteria(InstanceFactory(), CriterionDraft("Any", f"size({name}) >= 0", "No"))
            for _ in range(number):
                CandidateFactory(instance=instance, workspace=instance.workspace)
            CandidateFactory(
                instance=instance,
                workspace=instance.workspace,
                learner=None,
                lead=LeadFactory(workspace=instance.workspace),
            )
            job = request_evaluation(instance_id=instance.pk, actor=SYSTEM, now=NOW)
            with CaptureQueriesContext(connection) as asked:
                evaluate_candidates(job_id=job.pk, now=NOW)
            statements.append(len(asked))

        assert statements[0] == statements[1]
        assert EvaluationJob.objects.get(pk=job.pk).counts == {"eligible": 4}


class TestFamiliesOfManyCandidates:
    @pytest.fixture
    def instance(self) -> ProgramInstance:
        return set_criterion(InstanceFactory(), "metadata.age >= 18", otherwise="Too young")

    def family(self, instance: ProgramInstance, *guardians: str, **fields: Any) -> Enrollment:
        made: Enrollment = CandidateFactory(instance=instance, workspace=instance.workspace, **fields)
        for address in guardians:
            guardian = GuardianFactory(workspace=instance.workspace, email=address)
            GuardianshipFactory(guardian=guardian, learner=made.learner)
        return made

    def told(self) -> set[tuple[str, str]]:
        return set(Notification.objects.values_list("recipient", "kind"))

    def test_are_told_what_was_found_as_they_would_be_one_by_one(self, instance: ProgramInstance) -> None:
        self.family(instance, metadata={"age": 20}, learner__email="grown@home.test")
        self.family(instance, "one@home.test", "two@home.test", metadata={"age": 9}, learner__email="child@home.test")
        lead = LeadFactory(workspace=instance.workspace, email="lead@home.test")
        self.family(instance, learner=None, lead=lead, metadata={"age": 19})
        self.family(instance, learner__email="undecided@home.test")
        self.family(instance, metadata={"age": 30}, learner__email="")

        evaluate_all(instance)

        assert self.told() == {
            ("grown@home.test", "enrollment_eligible"),
            ("one@home.test", "enrollment_ineligible"),
            ("two@home.test", "enrollment_ineligible"),
            ("lead@home.test", "enrollment_eligible"),
        }

    @pytest.mark.parametrize("are_told", [True, False])
    def test_are_told_as_staff_were_told_before(self, instance: ProgramInstance, are_told: bool) -> None:
        self.family(instance, metadata={"age": 20})
        self.family(instance, metadata={"age": 9})
        form: Any = SimpleNamespace(cleaned_data={"tell_families": are_told})

        told = foresee_evaluation(instance, form)
        job = request_evaluation(instance_id=instance.pk, actor=SYSTEM, are_families_told=are_told, now=NOW)
        again = foresee_evaluation(instance, form)
        evaluate_candidates(job_id=job.pk, now=NOW)

        assert told.sentences == (f"Candidates that are evaluated: {job.total}.",)
        assert (told.mails == "No mail is sent.", Notification.objects.exists()) == (not are_told, are_told)
        assert again.sentences == ("An evaluation of 2 candidates is going on, so no other is started.",)

    def test_read_the_reason(self, instance: ProgramInstance) -> None:
        self.family(instance, metadata={"age": 9}, learner__email="child@home.test")

        evaluate_all(instance)
        send_due_notifications(now=NOW)

        (message,) = mail.outbox
        assert message.to == ["child@home.test"]
        assert "The reason: Too young" in message.body

    def test_are_told_nothing_by_whoever_says_so_or_switched_the_mail_off(self, instance: ProgramInstance) -> None:
        self.family(instance, metadata={"age": 9})
        quiet = request_evaluation(instance_id=instance.pk, actor=SYSTEM, are_families_told=False, now=NOW)
        evaluate_candidates(job_id=quiet.pk, now=NOW)
        self.family(instance, metadata={"age": 8})
        letter = begin_letter(workspace_id=instance.workspace_id, kind=INELIGIBLE, actor=SYSTEM, now=NOW)
        change_letter(letter_id=letter.pk, subject=letter.subject, body=letter.body, is_on=False, actor=SYSTEM, now=NOW)

        job = evaluate_all(instance)

        assert (quiet.pk != job.pk, job.counts) == (True, {"ineligible": 1})
        assert Notification.objects.count() == 0

    def test_hear_nothing_from_us_where_an_integrator_answers(self, instance: ProgramInstance) -> None:
        routed = self.family(instance, metadata={"age": 20})
        EnrollmentDecision.objects.create(
            workspace=instance.workspace,
            enrollment=routed,
            instance=instance,
            learner=routed.learner,
            learner_profile={},
            context={},
            status="failed",
        )

        evaluate_all(instance)

        assert Notification.objects.count() == 0

    def test_wait_at_the_pace_of_the_sweep_so_that_other_mail_overtakes_them(
        self, instance: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sending, "SWEEP_SENDS", 2)
        monkeypatch.setattr(evaluation, "BATCH", 3)
        for _ in range(5):
            self.family(instance, metadata={"age": 20})

        evaluate_all(instance)

        due = Notification.objects.order_by("pk").values_list("next_attempt_at", flat=True)
        assert [(moment - NOW).total_seconds() for moment in due] == [0, 0, 30, 30, 60]

    @pytest.mark.sqlite
    def test_are_told_once_though_the_batch_is_done_again(
        self, instance: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.family(instance, metadata={"age": 20})
        with monkeypatch.context() as patch:
            patch.setattr(evaluation, "follow_up", mock.Mock(side_effect=RuntimeError("out of order")))
            evaluate_all(instance)
        after_the_failure = Notification.objects.count()

        continue_due_evaluations(limit=1, now=NOW + dt.timedelta(hours=1))

        assert (after_the_failure, Notification.objects.count()) == (0, 1)


class TestAsking:
    def test_again_finds_the_job_that_is_going_on(self) -> None:
        instance = InstanceFactory()
        first = request_evaluation(instance_id=instance.pk, actor=SYSTEM, now=NOW)

        again = request_evaluation(instance_id=instance.pk, actor=SYSTEM, now=NOW)

        assert again.pk == first.pk

    def test_after_it_is_done_begins_anew(self) -> None:
        instance = InstanceFactory()
        first = evaluate_all(instance)

        assert request_evaluation(instance_id=instance.pk, actor=SYSTEM, now=NOW).pk != first.pk


@pytest.mark.sqlite
class TestAnInterruptedEvaluation:
    @pytest.fixture(autouse=True)
    def _small_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(evaluation, "BATCH", 2)

    def test_goes_on_where_it_was_and_does_nothing_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        instance = set_criteria(InstanceFactory(), *CRITERIA)
        candidates(instance)
        job = request_evaluation(instance_id=instance.pk, actor=SYSTEM, now=NOW)
        self._die_after(monkeypatch, batches=2)
        with pytest.raises(KeyboardInterrupt):
            evaluate_candidates(job_id=job.pk, now=NOW)
        monkeypatch.undo()
        half_done = EvaluationJob.objects.get().done

        later = NOW + dt.timedelta(minutes=6)
        assert continue_due_evaluations(limit=5, now=NOW + dt.timedelta(minutes=1)) == 0  # its lease has not expired
        assert continue_due_evaluations(limit=5, now=later) == 1

        job.refresh_from_db()
        assert (half_done, job.status, job.done) == (4, "completed", 7)
        decided = EnrollmentTransition.objects.filter(enrollment__instance=instance)
        assert (decided.count(), EligibilityVerdict.objects.count()) == (5, 7)

    def test_that_fails_is_tried_again_and_given_up_in_the_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        instance = InstanceFactory()
        candidates(instance)
        job = request_evaluation(instance_id=instance.pk, actor=SYSTEM, now=NOW)

        def fail(*args: object, **kwargs: object) -> None:
            raise RuntimeError("out of order")

        monkeypatch.setattr(evaluation, "follow_up", fail)
        for attempt in range(8):
            evaluate_candidates(job_id=job.pk, now=NOW + dt.timedelta(days=attempt))

        job.refresh_from_db()
        assert (job.status, job.done, job.last_error) == ("failed", 0, "RuntimeError: out of order")
        assert EnrollmentTransition.objects.filter(enrollment__instance=instance).count() == 0
        assert StaffTask.objects.get().kind == "evaluation_failed"

    def test_that_was_deleted_while_it_failed_is_no_task(self, monkeypatch: pytest.MonkeyPatch) -> None:
        instance = InstanceFactory()
        candidates(instance)
        job = request_evaluation(instance_id=instance.pk, actor=SYSTEM, now=NOW)
        EvaluationJob.objects.update(attempts=7)
        record_failure = jobs._record_failure

        def be_deleted(*given: Any) -> None:
            EvaluationJob.objects.all().delete()
            record_failure(*given)

        monkeypatch.setattr(evaluation, "follow_up", mock.Mock(side_effect=RuntimeError("out of order")))
        monkeypatch.setattr(jobs, "_record_failure", be_deleted)

        assert continue_due_evaluations(limit=5, now=NOW) == 1

        assert not EvaluationJob.objects.filter(pk=job.pk).exists()
        assert not StaffTask.objects.exists()

    def _die_after(self, monkeypatch: pytest.MonkeyPatch, *, batches: int) -> None:
        calls = iter(range(batches))

        def die(*args: Any, **kwargs: Any) -> None:
            follow_up(*args, **kwargs)
            if next(calls, None) is None:
                raise KeyboardInterrupt

        monkeypatch.setattr(evaluation, "follow_up", die)
