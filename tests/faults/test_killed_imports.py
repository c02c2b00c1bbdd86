"""SIGKILL for a worker that imports candidates, or undoes an import, before each write; then the sweep continues."""

import pytest

from accounts.models import Guardian, Learner
from core.clock import utc_now
from enrollments.imports import job as imports
from enrollments.imports.job import import_candidates, undo_import
from enrollments.models import District, Enrollment, ImportedRow, ImportJob
from enrollments.states import ReviewMode
from enrollments.tests.criteria import set_criterion
from enrollments.tests.factories import STAFF, InstanceFactory, ProgramFactory
from enrollments.tests.importing import csv_of, receive
from enrollments.tests.rosters import archive_of, receive_archive, school
from operations.doctor import examine

from .failpoints import killed_at_each_write

pytestmark = [pytest.mark.race, pytest.mark.fault, pytest.mark.django_db(transaction=True)]


def go_on() -> None:
    """Continue as the sweep does once the dead worker's lease has expired."""
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


class TestAKilledRoster:
    def test_loses_and_doubles_nothing_and_can_be_undone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(imports, "BATCH", 2)
        instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
        instance.program = ProgramFactory(workspace=instance.workspace, code="CODING")
        instance.save()
        files = {**school(1, 2), "orgs.csv": "sourcedId,name,type\no1,North,district\n"}
        files["users.csv"] += "g1,,Pat,Lee,pat@example.org,,\n"
        files["users.csv"] = files["users.csv"].replace("ann1@example.org,07,", "ann1@example.org,07,g1")
        files["roles.csv"] += "r0,g1,primary,parent\n"
        job = receive_archive(instance.workspace, archive_of(files))

        kills = len(list(killed_at_each_write(go_on)))
        imported = [model.objects.count() for model in (District, Guardian, Learner, Enrollment, ImportedRow)]
        undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
        more_kills = len(list(killed_at_each_write(go_on)))

        assert kills > 4
        assert more_kills > 4
        assert imported == [1, 1, 2, 2, 6]
        assert Enrollment.objects.current().count() == 0
        assert [model.objects.count() for model in (District, Guardian, Learner)] == [0, 0, 2]
        assert examine() == {}
