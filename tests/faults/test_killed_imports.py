"""SIGKILL for a worker that imports candidates, or undoes that, before each of its writes; then the sweep goes on."""

import pytest

from core.clock import utc_now
from enrollment_project.doctor import examine
from enrollments.imports import job as imports
from enrollments.imports.job import import_candidates, undo_import
from enrollments.models import Enrollment, ImportedRow, ImportJob
from enrollments.states import ReviewMode
from enrollments.tests.criteria import set_criterion
from enrollments.tests.factories import STAFF, InstanceFactory
from enrollments.tests.importing import csv_of, receive

from .failpoints import killed_at_each_write

pytestmark = [pytest.mark.race, pytest.mark.fault, pytest.mark.django_db(transaction=True)]


def go_on() -> None:
    """As the sweep does once the lease of the dead is over."""
    ImportJob.objects.update(next_attempt_at=utc_now())
    import_candidates(job_id=ImportJob.objects.get().pk, now=utc_now())


class TestAKilledImport:
    def test_loses_and_doubles_nobody_and_can_be_undone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(imports, "BATCH", 2)
        instance = set_criterion(InstanceFactory(review_mode=ReviewMode.MANUAL), "metadata.age >= 18")
        job = receive(instance, csv_of(3), evaluate=True)

        kills = len(list(killed_at_each_write(go_on)))
        imported = (Enrollment.objects.count(), ImportedRow.objects.count(), ImportJob.objects.get().status)
        undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
        more_kills = len(list(killed_at_each_write(go_on)))

        assert kills > 4
        assert more_kills > 4
        assert imported == (3, 3, "completed")
        assert Enrollment.objects.current().count() == 0
        assert ImportJob.objects.get().counts["undone"] == 3
        assert examine() == {}
