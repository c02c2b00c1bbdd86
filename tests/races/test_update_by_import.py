"""An import that changes a person's data while somebody else does."""

from collections.abc import Sequence
from functools import partial

import pytest

from core.clock import utc_now
from enrollments import changes
from enrollments.changes import change_enrollment
from enrollments.imports import known
from enrollments.models import Enrollment, ImportJob, ProgramInstance
from enrollments.states import DuplicatePolicy
from enrollments.tests.factories import STAFF, InstanceFactory
from enrollments.tests.importing import csv_of, import_file, receive, work_on
from events.models import OutboxEvent
from operations.doctor import examine
from tests.constraints import without_constraints
from tests.processes import Meeting, at_once

from .attempts import four_times_in_walks

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def change_in_both_ways() -> None:
    """Let the import change the age, and somebody else the shoes."""
    instance = InstanceFactory()
    import_file(instance, csv_of(1, age=18))
    enrollment = Enrollment.objects.get()
    job = receive(instance, csv_of(1, age=19), on_duplicate=DuplicatePolicy.UPDATE, evaluate=False)
    at_once(partial(_finish, job), partial(_tell_of_shoes, enrollment.pk))


def _finish(job: ImportJob) -> None:
    """Finish without returning the answer, which the other process does not need."""
    work_on(job)


def _tell_of_shoes(enrollment_id: int) -> None:
    change_enrollment(enrollment_id=enrollment_id, changes={"metadata": {"shoes": 40}}, actor=STAFF, now=utc_now())


class TestAnUpdateByImport:
    @four_times_in_walks
    def test_keeps_what_somebody_else_has_changed(self, attempt: int) -> None:
        change_in_both_ways()

        assert set(Enrollment.objects.get().metadata) == {"age", "shoes"}
        assert str(Enrollment.objects.get().metadata["age"]) == "19"
        assert examine() == {}

    def test_without_the_lock_undoes_it_or_is_undone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both have read before either writes."""
        meet = Meeting(lambda: None)

        def read(enrollment_id: int) -> Enrollment:
            found = Enrollment.objects.select_related("instance").get(pk=enrollment_id)
            meet()
            return found

        def read_all(instance: ProgramInstance, learner_ids: Sequence[int]) -> list[Enrollment]:
            found = list(Enrollment.objects.filter(instance=instance).select_related("instance", "learner", "lead"))
            meet()
            return found

        monkeypatch.setattr(changes, "lock_enrollment", read)
        monkeypatch.setattr(known, "lock_current", read_all)
        with without_constraints((OutboxEvent, "outbox_sequence_unique")):
            change_in_both_ways()

            metadata = Enrollment.objects.get().metadata
            assert "shoes" not in metadata or str(metadata["age"]) == "18"
