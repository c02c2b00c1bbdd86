"""Importing candidates: the outcome of a file's lines, how a job continues after a failure, and how it is undone."""

import datetime as dt
from typing import Any

import pytest

from accounts.models import Learner, StaffTask
from accounts.tests.factories import LeadFactory, LearnerFactory
from core.clock import utc_now
from core.rows import insert_many
from enrollments.details import EnrollmentDetails
from enrollments.errors import ImportNotReady, InstanceClosed
from enrollments.identification import ByInfo, create_enrollment
from enrollments.imports import batch as imports_batch
from enrollments.imports import job as imports_job
from enrollments.imports.faults import UnreadableFile
from enrollments.imports.files import forget_old_files, name_of, storage_of_imports
from enrollments.imports.job import carry_out_rehearsed, continue_due_imports
from enrollments.imports.reading import Format
from enrollments.models import (
    Enrollment,
    EnrollmentLabel,
    EnrollmentTransition,
    ImportedRow,
    ImportFault,
    ImportJob,
    ProgramInstance,
)
from events.models import OutboxEvent
from notifications.models import Notification

from .broken_files import ANN, BROKEN, HEADER
from .factories import STAFF, CandidateFactory, InstanceFactory
from .importing import adults_only, counts, csv_of, current, import_file, ndjson, receive, work_on

pytestmark = pytest.mark.django_db


@pytest.fixture
def instance() -> ProgramInstance:
    return adults_only()


def faults(job: ImportJob) -> list[tuple[int, str, str]]:
    return list(job.faults.order_by("line", "pk").values_list("line", "field", "code"))


def rows_of_all() -> dict[str, int]:
    tables = (Learner, Enrollment, EnrollmentTransition, EnrollmentLabel, OutboxEvent, Notification, StaffTask)
    return {table.__name__: table.objects.count() for table in tables}


class TestAnImport:
    @pytest.mark.sqlite
    def test_enrolls_and_evaluates_who_is_new(self, instance: ProgramInstance) -> None:
        content = csv_of(2) + csv_of(1, start=2, age=17).partition(b"\n")[2] + b"Bob,Lee,bob@example.org,,\n"

        job = import_file(instance, content, evaluate=True)

        assert (job.status, job.total, job.done) == ("completed", 4, 4)
        assert counts(job) == {"imported": 4, "eligible": 2, "ineligible": 1, "undecided": 1}
        statuses = Enrollment.objects.order_by("pk").values_list("eligibility_status", flat=True)
        assert list(statuses) == ["eligible", "eligible", "ineligible", "candidate"]
        assert Notification.objects.count() == 3
        assert [row.line for row in job.rows.order_by("line")] == [2, 3, 4, 5]

    @pytest.mark.sqlite
    def test_writes_what_requests_would(self, instance: ProgramInstance) -> None:
        document = {
            "firstName": "Ann",
            "lastName": "Lee",
            "email": "Ann@Example.org",
            "phone": "+1 415 555 0123",
            "address": {"city": "New York", "country": "us"},
            "manufacturerSlugs": ["tesla"],
            "tags": ["a", "b"],
            "metadata": {"age": 18},
        }
        import_file(instance, ndjson(document), Format.JSON_LINES)
        imported = Enrollment.objects.get()
        asked = create_enrollment(
            workspace_id=instance.workspace_id,
            instance_id=instance.pk,
            identification=ByInfo(first_name="Bob", last_name="Lee", email="ann@example.org"),
            details=EnrollmentDetails(
                phone=document["phone"],  # type: ignore[arg-type]
                address=document["address"],  # type: ignore[arg-type]
                manufacturer_slugs=["tesla"],
                tags=["a", "b"],
                metadata={"age": 18},
            ),
            actor=STAFF,
            now=utc_now(),
        )

        own = {"id", "cuid", "learner_id", "created_at", "updated_at", "waiting_since", "_state"}
        assert {name: value for name, value in vars(imported).items() if name not in own} == {
            name: getattr(asked, name) for name in vars(imported) if name not in own
        }
        for made in (imported, asked):
            assert sorted(made.labels.values_list("value", flat=True)) == ["a", "b", "tesla"]
            assert made.learner is not None
            assert (made.learner.phone, made.learner.address["country"]) == ("+14155550123", "USA")
            events = OutboxEvent.objects.filter(aggregate=f"enrollment:{made.cuid}")
            assert list(events.values_list("type", "sequence")) == [("enrollment.created", 1)]

    def test_tells_each_line_at_fault_and_goes_on(self, instance: ProgramInstance) -> None:
        content = ndjson(
            {"email": "nobody", "firstName": "Ann", "phone": "1"},
            {"frstName": "Ann"},
            {"customerId": "c" * 24, "email": "ann@example.org"},
            {"customerId": "c" * 24},
            {"customerId": "?"},
            {"identificationType": "passport"},
            {"email": 5},
            {"tags": ["a", 1]},
            {"metadata": []},
            {"leadId": "c" * 24},
            {"firstName": "Ann\u200b\u0007x", "lastName": "L" * 151, "email": "ann@example.org"},
            {"firstName": "Ann", "lastName": "Lee", "email": "ann@example.org"},
        )

        job = import_file(instance, content, Format.JSON_LINES)

        assert counts(job) == {"imported": 1, "failed": 11}
        assert faults(job) == [
            (1, "lastName", "required"),
            (1, "email", "invalid"),
            (1, "phone", "invalid"),
            (2, "frstName", "unknown_field"),
            (3, "email", "not_allowed"),
            (4, "customerId", "not_found"),
            (5, "customerId", "not_found"),
            (6, "identificationType", "invalid_choice"),
            (7, "email", "invalid"),
            (8, "tags[1]", "invalid"),
            (9, "metadata", "invalid"),
            (10, "leadId", "not_found"),
            (11, "firstName", "invalid"),
            (11, "lastName", "max_length"),
        ]
        assert Enrollment.objects.count() == Learner.objects.count() == 1

    @pytest.mark.sqlite
    def test_knows_learners_leads_and_earlier_enrollments(self, instance: ProgramInstance) -> None:
        learner = LearnerFactory(workspace=instance.workspace)
        lead = LeadFactory(workspace=instance.workspace)
        earlier = CandidateFactory(
            workspace=instance.workspace, instance=InstanceFactory(workspace=instance.workspace, is_default=False)
        )
        people = [{"customerId": learner.cuid}, {"leadId": lead.cuid}, {"enrollmentId": earlier.cuid}]

        job = import_file(instance, ndjson(*people), Format.JSON_LINES, evaluate=True)

        assert counts(job) == {"imported": 3, "undecided": 3}
        made = Enrollment.objects.filter(instance=instance)
        assert set(made.values_list("learner", "lead", "previous")) == {
            (learner.pk, None, None),
            (None, lead.pk, None),
            (earlier.learner_id, None, earlier.pk),
        }

    def test_asks_staff_about_possible_twins(self, instance: ProgramInstance) -> None:
        LearnerFactory(workspace=instance.workspace, first_name="Katherine", last_name="Lee", email="k@example.org")

        import_file(instance, HEADER + b"Katharine,Lee,k@example.org\nMax,Lee,k@example.org\n")

        assert StaffTask.objects.filter(kind="possible_twins").count() == 1


class TestSomebodyEnrolledAlready:
    @pytest.fixture(autouse=True)
    def enrolled(self, instance: ProgramInstance) -> Enrollment:
        import_file(instance, csv_of(1), evaluate=True)
        return Enrollment.objects.get()

    def test_is_skipped(self, instance: ProgramInstance) -> None:
        job = import_file(instance, csv_of(2))

        assert counts(job) == {"imported": 1, "skipped": 1}

    def test_fails_if_that_is_asked_for(self, instance: ProgramInstance) -> None:
        job = import_file(instance, csv_of(1), on_duplicate="fail")

        assert (counts(job), faults(job)) == ({"failed": 1}, [(2, "row", "already_enrolled")])

    @pytest.mark.sqlite
    def test_is_updated_and_evaluated_again(self, instance: ProgramInstance, enrolled: Enrollment) -> None:
        job = import_file(instance, csv_of(1, age=17), on_duplicate="update", evaluate=True, may_end_many=True)

        changed = Enrollment.objects.get()
        assert counts(job) == {"updated": 1, "ineligible": 1, "becoming_ineligible": 1}
        assert (changed.metadata, changed.eligibility_status) == ({"age": 17}, "ineligible")

    def test_of_whom_nothing_new_is_said_is_left(self, instance: ProgramInstance, enrolled: Enrollment) -> None:
        job = import_file(instance, csv_of(1), on_duplicate="update")

        assert counts(job) == {"skipped": 1}
        assert Enrollment.objects.get().updated_at == enrolled.updated_at

    def test_by_an_earlier_line_is_a_duplicate_too(
        self, instance: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(imports_job, "BATCH", 2)
        content = HEADER + ANN * 3

        rehearsed = import_file(instance, content, is_rehearsal=True)
        job = import_file(instance, content)

        assert counts(rehearsed) == counts(job) == {"imported": 1, "skipped": 2}

    def test_as_a_lead_or_by_an_earlier_enrollment_is_counted_once_by_a_rehearsal(
        self, instance: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(imports_job, "BATCH", 2)
        lead = LeadFactory(workspace=instance.workspace)
        elsewhere = InstanceFactory(workspace=instance.workspace, is_default=False)
        earlier = CandidateFactory(workspace=instance.workspace, instance=elsewhere)
        assert earlier.learner is not None
        people = [{"leadId": lead.cuid}, {"enrollmentId": earlier.cuid}, {"customerId": earlier.learner.cuid}]
        content = ndjson(*people * 2)

        rehearsed = import_file(instance, content, Format.JSON_LINES, evaluate=True, is_rehearsal=True)
        job = import_file(instance, content, Format.JSON_LINES, evaluate=True)

        assert counts(rehearsed) == counts(job) == {"imported": 2, "skipped": 4, "undecided": 2}


class TestARehearsal:
    @pytest.mark.sqlite
    def test_tells_what_an_import_would_do_and_does_nothing(self, instance: ProgramInstance) -> None:
        before = rows_of_all()
        content = csv_of(3) + b"Bob,Lee,bob@example.org,17,\nEve,,eve,,\n"

        rehearsed = import_file(instance, content, evaluate=True, is_rehearsal=True)
        told = (counts(rehearsed), faults(rehearsed))
        after = rows_of_all()
        carry_out_rehearsed(job_id=rehearsed.pk, may_end_many=False, actor=STAFF, now=utc_now())
        job = work_on(rehearsed)

        assert after == before
        assert told == (counts(job), faults(job))
        assert counts(job) == {"imported": 4, "failed": 1, "eligible": 3, "ineligible": 1}
        assert current(instance) == 4

    def test_that_was_carried_out_is_not_carried_out_again(self, instance: ProgramInstance) -> None:
        job = import_file(instance, csv_of(1))

        with pytest.raises(ImportNotReady):
            carry_out_rehearsed(job_id=job.pk, may_end_many=False, actor=STAFF, now=utc_now())

        assert current(instance) == 1


class TestTheBrake:
    def test_stops_what_would_end_more_than_a_tenth(self, instance: ProgramInstance) -> None:
        import_file(instance, csv_of(10), evaluate=True)
        before = rows_of_all()
        two = csv_of(2, age=17)

        job = import_file(instance, two, on_duplicate="update", evaluate=True)
        stopped = (job.status, job.stage, job.counts["becoming_ineligible"], rows_of_all())
        carry_out_rehearsed(job_id=job.pk, may_end_many=True, actor=STAFF, now=utc_now())
        work_on(job)

        assert stopped == ("completed", "stopped", 2, before)
        assert (job.stage, counts(job)["updated"]) == ("import", 2)
        assert Enrollment.objects.filter(eligibility_status="ineligible").count() == 2

    def test_lets_a_tenth_pass(self, instance: ProgramInstance) -> None:
        import_file(instance, csv_of(10), evaluate=True)

        job = import_file(instance, csv_of(1, age=17), on_duplicate="update", evaluate=True)

        assert (job.stage, counts(job)["updated"]) == ("import", 1)


class TestAFailure:
    def test_leaves_the_batch_before_and_is_made_up_for(
        self, instance: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(imports_job, "BATCH", 2)
        job = receive(instance, csv_of(5), evaluate=True)
        writes = iter([True, False])
        write = insert_many

        def fail_once(rows: Any) -> None:
            if rows and not next(writes, True):
                raise RuntimeError("the disk")
            write(rows)

        monkeypatch.setattr(imports_batch, "insert_many", fail_once)
        imports_job.import_candidates(job_id=job.pk, now=utc_now())
        broken = ImportJob.objects.get()
        after_failure = (broken.done, current(instance), broken.last_error)
        continue_due_imports(limit=5, now=utc_now() + dt.timedelta(hours=1))

        job.refresh_from_db()
        assert after_failure == (2, 2, "RuntimeError: the disk")
        assert (job.status, job.done, counts(job)) == ("completed", 5, {"imported": 5, "eligible": 5})
        assert ImportedRow.objects.count() == current(instance) == 5


def files_of_imports() -> set[str]:
    """Return the stored files, including those of earlier tests: the storage belongs to the process."""
    storage = storage_of_imports()
    return set(storage.listdir("imports")[1]) if storage.exists("imports") else set()


class TestItsFile:
    def test_goes_with_the_last_batch(self, instance: ProgramInstance, django_capture_on_commit_callbacks: Any) -> None:
        job = receive(instance, csv_of(1))
        was_there = storage_of_imports().exists(name_of(job))

        with django_capture_on_commit_callbacks(execute=True):
            work_on(job)

        assert (was_there, storage_of_imports().exists(name_of(job))) == (True, False)
        assert job.file_deleted_at is not None

    def test_of_a_rehearsal_goes_after_seven_days(
        self, instance: ProgramInstance, django_capture_on_commit_callbacks: Any
    ) -> None:
        job = import_file(instance, csv_of(1), is_rehearsal=True)

        with django_capture_on_commit_callbacks(execute=True):
            forget_old_files(now=utc_now() + dt.timedelta(days=6))
        was_there = storage_of_imports().exists(name_of(job))
        with django_capture_on_commit_callbacks(execute=True):
            forget_old_files(now=utc_now() + dt.timedelta(days=8))

        assert (was_there, storage_of_imports().exists(name_of(job))) == (True, False)
        with pytest.raises(ImportNotReady, match="seven days"):
            carry_out_rehearsed(job_id=job.pk, may_end_many=False, actor=STAFF, now=utc_now())

    def test_that_is_broken_leaves_nothing(self, instance: ProgramInstance) -> None:
        files = files_of_imports()
        for broken in BROKEN.values():
            with pytest.raises(UnreadableFile):
                receive(instance, broken.content, broken.kind)

        assert ImportJob.objects.count() == ImportFault.objects.count() == Learner.objects.count() == 0
        assert files_of_imports() == files

    def test_is_not_taken_for_an_instance_that_is_closed(self, instance: ProgramInstance) -> None:
        ProgramInstance.objects.update(active=False)

        with pytest.raises(InstanceClosed):
            receive(instance, csv_of(1))

        assert ImportJob.objects.count() == 0
