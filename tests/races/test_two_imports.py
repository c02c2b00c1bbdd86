"""Two imports of the same people into the same instance, at once."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from accounts import learners_together
from accounts.leads import lock_lead
from accounts.learner_records import register_learner
from accounts.models import Learner
from accounts.tests.factories import LeadFactory, WorkspaceFactory
from core.clock import utc_now
from core.rows import insert_with_keys
from enrollments import identification
from enrollments.imports import batch
from enrollments.imports.job import import_candidates
from enrollments.imports.oneroster import batch as roster_batch
from enrollments.imports.oneroster import people
from enrollments.imports.oneroster.rows import RosterBatch
from enrollments.imports.reading import Format, Record
from enrollments.locks import lock_enrollment
from enrollments.models import Enrollment, ImportJob
from enrollments.tests.factories import CandidateFactory, InstanceFactory
from enrollments.tests.importing import csv_of, ndjson, receive, work_on
from enrollments.tests.rosters import archive_of, receive_archive, students
from operations.doctor import examine
from tests.constraints import without_constraints
from tests.processes import BOTH_COME, KEPT_OUT, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

PEOPLE = 5


def import_twice_at_once() -> list[ImportJob]:
    instance = InstanceFactory()
    jobs = [receive(instance, csv_of(PEOPLE)) for _ in range(2)]
    at_once(*(partial(_finish, job) for job in jobs))
    return list(ImportJob.objects.order_by("pk"))


def _finish(job: ImportJob) -> None:
    """Finish without returning the answer, which the other process does not need."""
    work_on(job)


def let_both_look_first(monkeypatch: pytest.MonkeyPatch, *, patience: float) -> None:
    """Let both see that these people are unknown before either creates them."""
    meeting = Meeting(learners_together._find_known, patience=patience)
    monkeypatch.setattr(learners_together, "_find_known", meeting)


class TestTwoImportsAtOnce:
    def test_enroll_everybody_once_and_the_later_one_skips_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        let_both_look_first(monkeypatch, patience=2)  # the one that is too late looks again, alone

        jobs = import_twice_at_once()

        assert {job.status for job in jobs} == {"completed"}
        assert sorted(job.counts.get("imported", 0) for job in jobs) == [0, PEOPLE]
        assert sorted(job.counts.get("skipped", 0) for job in jobs) == [0, PEOPLE]
        assert Learner.objects.count() == Enrollment.objects.count() == PEOPLE
        assert examine() == {}

    def test_without_one_identity_per_learner_would_make_them_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        let_both_look_first(monkeypatch, patience=BOTH_COME)
        with without_constraints((Learner, "learner_identity_unique")):
            import_twice_at_once()

            assert Learner.objects.count() == Enrollment.objects.count() == 2 * PEOPLE


class TestTwoImportsOfTheSameLeadsInOppositeOrders:
    def test_wait_for_each_other(self, monkeypatch: pytest.MonkeyPatch) -> None:
        failures = import_leads_in_both_orders(monkeypatch, patience=KEPT_OUT)

        assert failures == ["", ""]
        assert Enrollment.objects.count() == 2
        assert examine() == {}

    def test_without_locking_everybody_first_would_deadlock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: each has locked the lead that the other needs next. The one that fails is retried later."""
        monkeypatch.setattr(batch, "lock_everybody", lambda **_: None)

        failures = import_leads_in_both_orders(monkeypatch, patience=BOTH_COME)

        assert sorted(failures) == ["", "OperationalError"]


class TestTwoImportsOfTheSameNewPeopleInOppositeOrders:
    """Both have looked for them, in vain, before either creates them, and every insert takes a while."""

    def test_create_them_in_one_order_and_the_later_one_is_repeated(self, monkeypatch: pytest.MonkeyPatch) -> None:
        failures = import_people_in_both_orders(monkeypatch, patience=KEPT_OUT)

        assert sorted(failures) == ["", "IntegrityError"]

    def test_would_deadlock_in_the_order_of_their_files(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        monkeypatch.setattr(learners_together, "sorted", lambda rows, **_: rows, raising=False)

        failures = import_people_in_both_orders(monkeypatch, patience=BOTH_COME)

        assert sorted(failures) == ["", "OperationalError"]


class TestTwoRostersOfTheSameNewLearnersInOppositeOrders:
    """Neither knows anybody when it begins, and each has registered its first learner before it goes on."""

    def test_register_them_in_one_order_and_the_later_one_is_repeated(self, monkeypatch: pytest.MonkeyPatch) -> None:
        failures = import_students_in_both_orders(monkeypatch, patience=KEPT_OUT)

        jobs = [work_on(job) for job in ImportJob.objects.order_by("pk")]
        repeated = "Unavailable: Somebody in this roster was registered elsewhere right now."
        assert sorted(failures) == ["", repeated]
        assert sorted(job.counts.get("learners_new", 0) for job in jobs) == [0, 3]
        assert sorted(job.counts.get("learners_unchanged", 0) for job in jobs) == [0, 3]
        assert [job.counts.get("failed", 0) for job in jobs] == [0, 0]
        assert examine() == {}

    def test_would_deadlock_in_the_order_of_their_files(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        monkeypatch.setattr(people, "_in_key_order", lambda records, known: records)

        failures = import_students_in_both_orders(monkeypatch, patience=BOTH_COME)

        assert sorted(failures) == ["", "OperationalError"]


class TestAnImportOfALeadWhoseEnrollmentIsBeingChanged:
    def test_does_not_wait_but_is_repeated(self) -> None:
        """Whoever approves it locks the learner that the lead becomes after it, and a batch locks learners first."""
        instance = InstanceFactory()
        lead = LeadFactory(workspace=instance.workspace)
        enrollment = CandidateFactory(instance=instance, workspace=instance.workspace, learner=None, lead=lead)
        job = receive(instance, ndjson({"leadId": lead.cuid}), Format.JSON_LINES)
        together = Meeting(lambda: None)

        def change() -> None:
            with transaction.atomic():
                lock_enrollment(enrollment.pk)
                together()
                together()

        def try_to_import() -> None:
            together()
            import_candidates(job_id=job.pk, now=utc_now())
            together()

        at_once(change, try_to_import)
        job.refresh_from_db()
        first_try = job.last_error
        work_on(job)

        assert first_try.startswith("Unavailable")
        assert (job.status, job.counts) == ("completed", {"skipped": 1})


def import_people_in_both_orders(monkeypatch: pytest.MonkeyPatch, *, patience: float) -> list[str]:
    """Return the error of each import, "" for none. Both continue once each has created its first person."""
    instance = InstanceFactory()
    people = [{"firstName": name, "lastName": "Lee", "email": f"{name}@home.test"} for name in ("Ann", "Ben", "Cem")]
    orders = (people, list(reversed(people)))
    jobs = [receive(instance, ndjson(*order), Format.JSON_LINES) for order in orders]
    meeting = Meeting(lambda: None, patience=patience)

    def insert_slowly(rows: Sequence[Learner]) -> None:
        insert_with_keys(rows[:1])
        meeting()
        insert_with_keys(rows[1:])

    let_both_look_first(monkeypatch, patience=BOTH_COME)
    monkeypatch.setattr(learners_together, "insert_with_keys", insert_slowly)
    at_once(*(partial(import_candidates, job_id=job.pk, now=utc_now()) for job in jobs))
    return list(ImportJob.objects.order_by("pk").values_list("last_error", flat=True))


def import_students_in_both_orders(monkeypatch: pytest.MonkeyPatch, *, patience: float) -> list[str]:
    """Return the error of each import, "" for none."""
    workspace = WorkspaceFactory()
    jobs = [receive_archive(workspace, archive_of(students(*numbers))) for numbers in ((1, 2, 3), (3, 2, 1))]
    begun = Meeting(lambda: None)
    registered = Meeting(lambda: None, patience=patience, once=True)
    write = people.write_learners

    def write_together(found: RosterBatch, records: Sequence[Record]) -> None:
        read = people._read_known(found, records)
        begun()
        monkeypatch.setattr(people, "_read_known", lambda *_: read)
        write(found, records)

    def register_and_meet(**known: Any) -> Learner:
        learner = register_learner(**known)
        registered()
        return learner

    monkeypatch.setitem(roster_batch._WRITES, "learner", write_together)
    monkeypatch.setattr(people, "register_learner", register_and_meet)
    at_once(*(partial(import_candidates, job_id=job.pk, now=utc_now()) for job in jobs))
    monkeypatch.undo()
    return list(ImportJob.objects.order_by("pk").values_list("last_error", flat=True))


def import_leads_in_both_orders(monkeypatch: pytest.MonkeyPatch, *, patience: float) -> list[str]:
    """Return the error of each import, "" for none. Both continue once each has locked its first lead."""
    instance = InstanceFactory()
    cuids = [LeadFactory(workspace=instance.workspace).cuid for _ in range(2)]
    orders = (cuids, list(reversed(cuids)))
    jobs = [receive(instance, ndjson(*({"leadId": cuid} for cuid in order)), Format.JSON_LINES) for order in orders]
    monkeypatch.setattr(identification, "lock_lead", Meeting(lock_lead, patience=patience, once=True))
    at_once(*(partial(import_candidates, job_id=job.pk, now=utc_now()) for job in jobs))
    return list(ImportJob.objects.order_by("pk").values_list("last_error", flat=True))
