"""Importing candidates in the back office and with the command."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.states import Role
from backoffice.tests.staff_client import StaffClient
from core.clock import utc_now
from enrollments.imports import job as imports_job
from enrollments.imports.job import undo_import
from enrollments.imports.undo import undo_batch
from enrollments.models import Enrollment, ImportJob, ProgramInstance
from enrollments.states import ReviewMode

from .criteria import set_criterion
from .factories import STAFF, InstanceFactory
from .importing import csv_of, import_file, work_on

pytestmark = pytest.mark.django_db


@pytest.fixture
def instance() -> ProgramInstance:
    made = InstanceFactory(review_mode=ReviewMode.MANUAL, capacity=50)
    return set_criterion(made, "metadata.age >= 18", otherwise="Too young")


@pytest.fixture
def desk(instance: ProgramInstance) -> StaffClient:
    return StaffClient(workspace=instance.workspace, role=Role.REVIEWER)


def upload(desk: StaffClient, instance: ProgramInstance, content: bytes, **answers: Any) -> Any:
    path = f"/admin/enrollments/programinstance/{instance.pk}/import_candidates/"
    file = SimpleUploadedFile("candidates.csv", content)
    return desk.post(path, {"file": file, "on_duplicate": "skip", "evaluate": "on"} | answers)


def page_of(job: ImportJob) -> str:
    return f"/admin/enrollments/importjob/{job.pk}/change/"


class TestAnUpload:
    def test_is_rehearsed_shown_and_carried_out(self, desk: StaffClient, instance: ProgramInstance) -> None:
        sent = upload(desk, instance, csv_of(3) + b"Eve,Lee,eve,,\n")
        job = ImportJob.objects.get()
        waiting = desk.get(page_of(job))
        work_on(job)
        rehearsed = desk.get(page_of(job))
        asked = desk.post(f"/admin/enrollments/importjob/{job.pk}/carry_out/")
        nobody = Enrollment.objects.count()
        desk.confirm(f"/admin/enrollments/importjob/{job.pk}/carry_out/")
        work_on(job)
        done = desk.get(page_of(job))

        assert (sent.status_code, sent["Location"]) == (302, page_of(job))
        assert waiting["Refresh"] == "3"
        assert "Refresh" not in rehearsed
        for page in (rehearsed, asked):
            text = page.content.decode()
            assert "3 of 4 rows would be new candidates." in text
            assert "Paid by families, that comes to 147.00 USD." in text
        assert "Line 5, email" in rehearsed.content.decode()
        assert (nobody, Enrollment.objects.count()) == (0, 3)
        assert "Undo" in done.content.decode()

    def test_that_can_t_be_read_says_why(self, desk: StaffClient, instance: ProgramInstance) -> None:
        answer = upload(desk, instance, b"email,frstName\n")

        assert "There is no column frstName (did you mean firstName?)." in answer.content.decode()
        assert ImportJob.objects.count() == 0

    def test_that_would_end_many_asks_twice(self, desk: StaffClient, instance: ProgramInstance) -> None:
        import_file(instance, csv_of(2), evaluate=True)
        upload(desk, instance, csv_of(1, age=17), on_duplicate="update")
        job = work_on(ImportJob.objects.latest("pk"))
        path = f"/admin/enrollments/importjob/{job.pk}/carry_out/"

        desk.confirm(path)
        unmoved = ImportJob.objects.get(pk=job.pk).stage
        desk.confirm(path, {"may_end_many": "on"})
        work_on(job)

        assert (unmoved, job.stage) == ("rehearsal", "import")
        assert Enrollment.objects.filter(eligibility_status="ineligible").count() == 1

    def test_is_undone_by_a_button(self, desk: StaffClient, instance: ProgramInstance) -> None:
        job = import_file(instance, csv_of(2))

        asked = desk.post(f"/admin/enrollments/importjob/{job.pk}/undo/")
        desk.confirm(f"/admin/enrollments/importjob/{job.pk}/undo/")
        work_on(job)

        assert "Enrollments that are deleted: 2." in asked.content.decode()
        assert Enrollment.objects.current().count() == 0

    def test_whose_undoing_was_given_up_is_undone_to_the_end_by_the_same_button(
        self, desk: StaffClient, instance: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(imports_job, "BATCH", 2)
        job = import_file(instance, csv_of(5))
        undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
        with monkeypatch.context() as broken:
            broken.setattr(imports_job, "undo_batch", fail_after_the_first)
            work_on(job)
        half = (job.status, job.counts["undone"], Enrollment.objects.current().count())

        asked = desk.post(f"/admin/enrollments/importjob/{job.pk}/undo/")
        desk.confirm(f"/admin/enrollments/importjob/{job.pk}/undo/")
        work_on(job)

        assert half == ("failed", 2, 3)
        assert "Enrollments that are deleted: 3." in asked.content.decode()
        assert (job.status, job.counts["undone"], job.counts["kept"]) == ("completed", 5, 0)
        assert Enrollment.objects.current().count() == 0


def fail_after_the_first(job: ImportJob, **more: Any) -> bool:
    if job.position:
        raise RuntimeError("broken")
    return undo_batch(job, **more)


class TestTheCommand:
    def run(self, path: Path, instance: ProgramInstance, *arguments: str) -> dict[str, Any]:
        printed = StringIO()
        call_command(
            "import_candidates", str(path), f"--instance={instance.cuid}", *arguments, "--json", stdout=printed
        )
        found: dict[str, Any] = json.loads(printed.getvalue())
        return found

    def test_imports_here_and_now(self, tmp_path: Path, instance: ProgramInstance) -> None:
        path = tmp_path / "candidates.csv"
        path.write_bytes(csv_of(2) + b"Eve,Lee,eve,,\n")

        rehearsed = self.run(path, instance, "--evaluate", "--dry-run")
        nobody = Enrollment.objects.count()
        report = self.run(path, instance, "--evaluate")

        counted = {"rows": 3, "imported": 2, "failed": 1, "eligible": 2}
        assert {name: rehearsed[name] for name in counted} == {name: report[name] for name in counted} == counted
        assert (nobody, Enrollment.objects.count(), report["status"]) == (0, 2, "completed")
        assert report["errors"][0].startswith("line 4, email: ")

    def test_stops_at_the_brake(self, tmp_path: Path, instance: ProgramInstance) -> None:
        import_file(instance, csv_of(1), evaluate=True)
        path = tmp_path / "candidates.csv"
        path.write_bytes(csv_of(1, age=17))

        with pytest.raises(CommandError, match="Nothing was changed"):
            self.run(path, instance, "--evaluate", "--on-duplicate=update")

        assert Enrollment.objects.get().eligibility_status == "eligible"

    def test_refuses_what_it_can_t_read(self, tmp_path: Path, instance: ProgramInstance) -> None:
        path = tmp_path / "candidates.csv"
        path.write_bytes(b"")

        with pytest.raises(CommandError, match="The file is empty"):
            self.run(path, instance)
