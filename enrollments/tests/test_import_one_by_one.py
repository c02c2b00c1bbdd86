"""Lines of an import that take the use case of a single request: leads, and people whom an earlier line was about."""

from typing import Any

import pytest

from accounts.models import Lead
from accounts.tests.factories import LeadFactory
from core.clock import utc_now
from core.errors import Unavailable
from enrollments.errors import UndoTooLate
from enrollments.identification import create_enrollment
from enrollments.imports import batch
from enrollments.imports import job as imports_job
from enrollments.imports.job import undo_import
from enrollments.imports.reading import Format
from enrollments.imports.undo import describe_undo
from enrollments.lifecycle import evaluate_enrollment, submit_enrollment
from enrollments.models import EligibilityVerdict, Enrollment, ImportJob, ProgramInstance
from notifications.models import Notification

from .factories import STAFF
from .importing import adults_only, counts, import_file, ndjson, work_on

pytestmark = pytest.mark.django_db

ANN = {"firstName": "Ann", "lastName": "Lee", "email": "ann@example.org"}
OF_AGE = ANN | {"metadata": {"age": 18, "kept": 1}, "tags": ["a"]}


@pytest.fixture
def instance() -> ProgramInstance:
    return adults_only()


def bring(instance: ProgramInstance, *lines: dict[str, Any], **options: Any) -> ImportJob:
    return import_file(instance, ndjson(*lines), Format.JSON_LINES, **{"on_duplicate": "update"} | options)


def faults(job: ImportJob) -> list[tuple[int, str, str]]:
    return list(job.faults.order_by("pk").values_list("line", "field", "detail"))


class TestALineAboutSomebodyInAnEarlierLine:
    def test_changes_and_evaluates_the_enrollment(self, instance: ProgramInstance) -> None:
        young = ANN | {"metadata": {"age": 17}, "serialNumber": "7", "tags": ["a"]}

        job = bring(instance, OF_AGE, young, evaluate=True, may_end_many=True)

        made = Enrollment.objects.get()
        assert counts(job) == {
            "imported": 1,
            "updated": 1,
            "eligible": 1,
            "ineligible": 1,
            "becoming_ineligible": 1,
        }
        assert (made.metadata, made.serial_number, made.tags) == ({"age": 17, "kept": 1}, "7", ["a"])
        assert made.eligibility_status == "ineligible"

    @pytest.mark.parametrize("size", [1, 3])
    def test_is_undone_with_that_line(
        self, instance: ProgramInstance, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        monkeypatch.setattr(imports_job, "BATCH", size)
        job = bring(instance, OF_AGE, ANN | {"metadata": {"age": 19}}, ANN | {"email": "bob@example.org"})

        told = describe_undo(job)
        undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
        work_on(job)

        assert told == ("Enrollments that are deleted: 2.", "Enrollments that are changed back: 0.")
        assert counts(job) == {"imported": 2, "updated": 1, "undone": 2, "learners_kept": 2}
        assert (job.status, Enrollment.objects.current().count()) == ("completed", 0)

    @pytest.mark.parametrize("size", [1, 3])
    def test_that_changed_it_is_undone_to_what_was_before_both(
        self, instance: ProgramInstance, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        monkeypatch.setattr(imports_job, "BATCH", size)
        bring(instance, OF_AGE)
        first = ANN | {"metadata": {"age": 19, "new": 1}, "serialNumber": "7"}
        second = ANN | {"metadata": {"age": 20, "newer": 2}, "serialNumber": "8", "tags": ["b"]}
        job = bring(instance, first, second)
        changed = Enrollment.objects.get()

        told = describe_undo(job)
        undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
        work_on(job)

        back = Enrollment.objects.get()
        assert (changed.metadata, changed.serial_number) == ({"age": 20, "kept": 1, "new": 1, "newer": 2}, "8")
        assert told == ("Enrollments that are deleted: 0.", "Enrollments that are changed back: 1.")
        assert counts(job) == {"updated": 2, "undone": 1}
        assert (back.metadata, back.serial_number, back.tags) == ({"age": 18, "kept": 1}, "", ["a"])

    @pytest.mark.parametrize("size", [1, 2])
    def test_whose_enrollment_somebody_changed_since_can_t_be_undone(
        self, instance: ProgramInstance, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        monkeypatch.setattr(imports_job, "BATCH", size)
        job = bring(instance, OF_AGE, ANN | {"metadata": {"age": 19}})
        evaluate_enrollment(enrollment_id=Enrollment.objects.get().pk, actor=STAFF, now=utc_now())

        with pytest.raises(UndoTooLate):
            undo_import(job_id=job.pk, actor=STAFF, now=utc_now())

    def test_that_says_nothing_new_is_skipped_and_not_evaluated_again(self, instance: ProgramInstance) -> None:
        job = bring(instance, OF_AGE, OF_AGE, evaluate=True)

        assert counts(job) == {"imported": 1, "skipped": 1, "eligible": 1}
        assert EligibilityVerdict.objects.count() == 1

    def test_is_not_evaluated_where_that_was_not_asked_for(self, instance: ProgramInstance) -> None:
        job = bring(instance, OF_AGE, ANN | {"metadata": {"age": 17}})

        assert counts(job) == {"imported": 1, "updated": 1}
        assert Enrollment.objects.get().eligibility_status == "candidate"

    def test_that_stays_eligible_ends_nobody(self, instance: ProgramInstance) -> None:
        job = bring(instance, OF_AGE, ANN | {"metadata": {"age": 19}}, evaluate=True)

        assert counts(job) == {"imported": 1, "updated": 1, "eligible": 2}

    def test_that_comes_to_too_much_with_it_is_refused_alone(self, instance: ProgramInstance) -> None:
        much = [ANN | {"metadata": {name: "x" * 9000}} for name in "ab"]

        job = bring(instance, *much, ANN | {"email": "bob@example.org"})

        assert counts(job) == {"imported": 2, "failed": 1}
        assert faults(job) == [(2, "metadata", "It has 18,015 bytes as JSON, and at most 16,384 are kept.")]
        assert [list(each.metadata) for each in Enrollment.objects.order_by("pk")] == [["a"], []]

    def test_in_an_earlier_batch_of_a_rehearsal_is_counted_as_a_change(
        self, instance: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(imports_job, "BATCH", 1)
        second = ANN | {"metadata": {"age": 19}}

        rehearsed = bring(instance, OF_AGE, second, is_rehearsal=True)
        nobody = Enrollment.objects.count()
        job = bring(instance, OF_AGE, second)

        assert counts(rehearsed) == counts(job) == {"imported": 1, "updated": 1}
        assert nobody == 0


def test_a_line_that_comes_to_too_much_with_what_an_earlier_file_said_is_refused_alone() -> None:
    instance = adults_only()
    bob = ANN | {"email": "bob@example.org"}
    bring(instance, ANN | {"metadata": {"a": "x" * 9000}}, bob)

    job = bring(instance, ANN | {"metadata": {"b": "x" * 9000}}, bob | {"tags": ["b"]})

    assert counts(job) == {"updated": 1, "failed": 1}
    assert faults(job) == [(1, "metadata", "It has 18,015 bytes as JSON, and at most 16,384 are kept.")]
    assert sorted(len(each.metadata) for each in Enrollment.objects.all()) == [0, 1]


class TestALead:
    @pytest.fixture
    def lead(self, instance: ProgramInstance) -> Lead:
        made: Lead = LeadFactory(workspace=instance.workspace)
        return made

    @pytest.mark.parametrize(("is_told", "mails"), [(True, 1), (False, 0)])
    def test_is_mailed_the_outcome_only_if_families_are(
        self, instance: ProgramInstance, lead: Lead, is_told: bool, mails: int
    ) -> None:
        job = bring(instance, {"leadId": lead.cuid, "metadata": {"age": 18}}, evaluate=True, tell_families=is_told)

        assert counts(job) == {"imported": 1, "eligible": 1}
        assert Notification.objects.filter(recipient=lead.email, kind="enrollment_eligible").count() == mails
        assert Notification.objects.count() == mails

    def test_who_is_enrolled_is_changed_and_evaluated(self, instance: ProgramInstance, lead: Lead) -> None:
        bring(instance, {"leadId": lead.cuid, "metadata": {"age": 18}}, evaluate=True)

        job = bring(instance, {"leadId": lead.cuid, "metadata": {"age": 17}}, evaluate=True, may_end_many=True)

        changed = Enrollment.objects.get()
        assert counts(job) == {"updated": 1, "ineligible": 1, "becoming_ineligible": 1}
        assert (changed.metadata, changed.eligibility_status) == ({"age": 17}, "ineligible")
        assert [row.before for row in job.rows.all()] == [{"metadata": {"age": 18}, "status": "eligible"}]

    def test_who_waits_for_review_is_changed_and_not_evaluated(self, instance: ProgramInstance, lead: Lead) -> None:
        bring(instance, {"leadId": lead.cuid, "metadata": {"age": 18}})
        made = Enrollment.objects.get()
        evaluate_enrollment(enrollment_id=made.pk, actor=STAFF, now=utc_now())
        submit_enrollment(enrollment_id=made.pk, actor=STAFF, now=utc_now())

        job = bring(instance, {"leadId": lead.cuid, "metadata": {"age": 17}}, evaluate=True, may_end_many=True)

        changed = Enrollment.objects.get()
        assert counts(job) == {"updated": 1}
        assert (changed.metadata, changed.eligibility_status) == ({"age": 17}, "submitted")

    @pytest.mark.parametrize(
        ("policy", "counted", "told"),
        [
            ("skip", {"skipped": 1}, []),
            ("fail", {"failed": 1}, ["Take the line out, or have duplicates skipped or updated."]),
        ],
    )
    def test_who_is_enrolled_is_left_as_it_is_unless_changes_are_asked_for(
        self, instance: ProgramInstance, lead: Lead, policy: str, counted: dict[str, int], told: list[str]
    ) -> None:
        line = {"leadId": lead.cuid, "metadata": {"age": 18}}
        bring(instance, line)

        job = bring(instance, line | {"metadata": {"age": 17}}, on_duplicate=policy)

        assert counts(job) == counted
        assert [detail.partition(". ")[2] for _, _, detail in faults(job)] == told
        assert Enrollment.objects.get().metadata == {"age": 18}

    def test_is_tried_again_and_is_no_fault_while_the_database_is_busy(
        self, instance: ProgramInstance, lead: Lead, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tries = []

        def busy_at_first(**asked: Any) -> Enrollment:
            tries.append(asked)
            if len(tries) == 1:
                raise Unavailable("Busy.")
            return create_enrollment(**asked)

        monkeypatch.setattr(batch, "create_enrollment", busy_at_first)

        job = bring(instance, {"leadId": lead.cuid})

        assert (len(tries), job.status, counts(job), faults(job)) == (2, "completed", {"imported": 1}, [])
