"""Undoing an import while somebody decides about one of its candidates."""

from collections.abc import Sequence
from functools import partial

import pytest

from core.clock import utc_now
from enrollments import lifecycle
from enrollments.history import Journal
from enrollments.imports import undo
from enrollments.imports.job import undo_import
from enrollments.lifecycle import evaluate_enrollment
from enrollments.models import Enrollment, EnrollmentTransition, ImportJob
from enrollments.tests.factories import STAFF, InstanceFactory
from enrollments.tests.importing import csv_of, import_file, work_on
from events.models import OutboxEvent
from operations.doctor import examine
from tests.constraints import without_constraints
from tests.processes import Failure, Meeting, at_once
from tests.races.unguarded import save_enrollments_in_any_state

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def imported() -> ImportJob:
    """Create an import of one candidate, about to be undone."""
    job = import_file(InstanceFactory(), csv_of(1))
    undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
    return job


def decide(enrollment_id: int) -> None:
    evaluate_enrollment(
        enrollment_id=enrollment_id, is_eligible=True, reason="Meets all criteria", actor=STAFF, now=utc_now()
    )


def read_without_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both read the enrollment before either changes it."""
    meet = Meeting(lambda: None)

    def read(enrollment_id: int) -> Enrollment:
        found = Enrollment.objects.select_related("instance").get(pk=enrollment_id)
        meet()
        return found

    def read_all(enrollment_ids: Sequence[int]) -> list[Enrollment]:
        found = list(Enrollment.objects.filter(pk__in=enrollment_ids).select_related("instance"))
        meet()
        return found

    monkeypatch.setattr(lifecycle, "lock_enrollment", read)
    monkeypatch.setattr(undo, "lock_enrollments", read_all)


class TestUndoingAgainstADecision:
    def test_keeps_a_candidate_decided_on_first_and_otherwise_refuses_the_decision(self) -> None:
        job = imported()
        enrollment = Enrollment.objects.get()

        _, decided = at_once(partial(work_on, job), partial(decide, enrollment.pk))

        job.refresh_from_db()
        enrollment = Enrollment.objects.get()
        is_decided = enrollment.eligibility_status == "eligible"
        assert is_decided is (decided is None)
        assert (enrollment.deleted_at is None) is is_decided
        assert (job.counts.get("undone", 0), job.counts.get("kept", 0)) == ((0, 1) if is_decided else (1, 0))
        assert examine() == {}

    def test_without_the_guards_deletes_a_candidate_who_was_just_accepted(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: neither locks nor conditional updates nor unique numbers."""
        save_enrollments_in_any_state(monkeypatch)
        alike = Journal._alike
        monkeypatch.setattr(Journal, "_alike", lambda journal: ((), *alike(journal)[1:]))
        with without_constraints(
            (EnrollmentTransition, "transition_number_unique"), (OutboxEvent, "outbox_sequence_unique")
        ):
            job = imported()
            enrollment = Enrollment.objects.get()
            read_without_lock(monkeypatch)

            _, decided = at_once(partial(work_on, job), partial(decide, enrollment.pk))

            enrollment = Enrollment.objects.get()
            assert not isinstance(decided, Failure)
            assert enrollment.deleted_at is not None
            assert EnrollmentTransition.objects.filter(to_status="eligible").count() == 1
