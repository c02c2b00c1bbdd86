"""Imports that are undone."""

import datetime as dt

import pytest

from accounts.models import StaffTask
from core.clock import utc_now
from enrollments.deletion import delete_enrollment
from enrollments.errors import UndoTooLate
from enrollments.imports import job as imports_job
from enrollments.imports.job import undo_import
from enrollments.imports.reading import Format
from enrollments.imports.retention import forget_old_rows
from enrollments.imports.undo import describe_undo
from enrollments.lifecycle import evaluate_enrollment, submit_enrollment
from enrollments.models import (
    Enrollment,
    ImportedRow,
    ImportFault,
    ImportJob,
    ProgramInstance,
)
from events.models import OutboxEvent

from .factories import STAFF
from .importing import adults_only, csv_of, current, import_file, ndjson, work_on

pytestmark = pytest.mark.django_db


@pytest.fixture
def instance() -> ProgramInstance:
    return adults_only()


class TestAnUndoneImport:
    @pytest.mark.sqlite
    def test_leaves_what_was_before(self, instance: ProgramInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(imports_job, "BATCH", 2)
        import_file(instance, csv_of(1))
        job = import_file(
            instance,
            csv_of(5) + b"Bob,Lee,bob@example.org,,\n",
            on_duplicate="update",
            evaluate=True,
            may_end_many=True,
        )
        kept = Enrollment.objects.order_by("pk")[0]

        undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
        work_on(job)

        assert (job.status, job.stage, current(instance)) == ("completed", "undo", 1)
        assert (job.counts["undone"], job.counts["kept"], job.counts["learners_kept"]) == (5, 0, 5)
        assert Enrollment.objects.current().get().pk == kept.pk
        assert OutboxEvent.objects.filter(type="enrollment.deleted").count() == 5
        assert StaffTask.objects.get().resolution == "The enrollment was deleted."  # Bob's age is unknown

    def test_changes_back_what_it_changed(self, instance: ProgramInstance) -> None:
        import_file(
            instance,
            ndjson(
                {"firstName": "A", "lastName": "L", "email": "a@example.org", "tags": ["x"], "metadata": {"age": 18}}
            ),
            Format.JSON_LINES,
        )
        job = import_file(
            instance,
            ndjson(
                {
                    "firstName": "A",
                    "lastName": "L",
                    "email": "a@example.org",
                    "tags": ["y"],
                    "metadata": {"age": 19, "new": 1},
                }
            ),
            Format.JSON_LINES,
            on_duplicate="update",
        )

        undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
        work_on(job)

        found = Enrollment.objects.get()
        assert (found.tags, found.metadata, job.counts["undone"]) == (["x"], {"age": 18}, 1)

    def test_is_refused_once_something_was_decided(self, instance: ProgramInstance) -> None:
        job = import_file(instance, csv_of(2))
        evaluate_enrollment(enrollment_id=Enrollment.objects.order_by("pk")[0].pk, actor=STAFF, now=utc_now())

        with pytest.raises(UndoTooLate, match="1 of its enrollments"):
            undo_import(job_id=job.pk, actor=STAFF, now=utc_now())

        assert current(instance) == 2

    def test_leaves_out_those_that_somebody_has_deleted_since(self, instance: ProgramInstance) -> None:
        job = import_file(instance, csv_of(3))
        first = Enrollment.objects.order_by("pk")[0]
        evaluate_enrollment(enrollment_id=first.pk, actor=STAFF, now=utc_now())
        delete_enrollment(enrollment_id=first.pk, actor=STAFF, now=utc_now())

        told = describe_undo(job)
        undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
        job = work_on(job)

        assert told[0] == "Enrollments that are deleted: 2."
        assert (job.status, job.counts["undone"], job.counts["kept"]) == ("completed", 2, 1)
        assert current(instance) == 0

    @pytest.mark.sqlite
    def test_is_refused_once_its_rows_are_forgotten(self, instance: ProgramInstance) -> None:
        job = import_file(instance, csv_of(3) + b"Bob,Lee\n")
        later = import_file(instance, csv_of(1, start=9))
        ImportJob.objects.filter(pk=job.pk).update(finished_at=utc_now() - dt.timedelta(days=90, hours=1))

        gone = [forget_old_rows(limit=3, now=utc_now()) for _ in range(3)]

        assert (gone, later.rows.count(), ImportedRow.objects.count()) == ([3, 1, 0], 1, 1)
        assert (ImportFault.objects.count(), ImportJob.objects.get(pk=job.pk).counts) == (0, job.counts)
        with pytest.raises(UndoTooLate, match="ended long ago"):
            undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
        assert current(instance) == 4

    def test_leaves_who_moves_meanwhile(self, instance: ProgramInstance) -> None:
        job = import_file(instance, csv_of(2), evaluate=True)
        undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
        submit_enrollment(enrollment_id=Enrollment.objects.order_by("pk")[0].pk, actor=STAFF, now=utc_now())

        work_on(job)

        assert (job.counts["undone"], job.counts["kept"], current(instance)) == (1, 1, 1)
