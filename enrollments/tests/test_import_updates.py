"""Lines about people who are already enrolled: set by set, the result is the same as by the use cases one by one."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.merging import merge_learners
from accounts.models import Learner
from accounts.tests.factories import LearnerFactory, WorkspaceFactory
from core.clock import utc_now
from enrollments.changes import change_enrollment
from enrollments.deletion import delete_enrollment
from enrollments.imports import known
from enrollments.imports.job import undo_import
from enrollments.imports.reading import Format
from enrollments.lifecycle import evaluate_enrollment
from enrollments.models import EligibilityVerdict, Enrollment, ProgramInstance
from enrollments.states import EVALUATED, ReviewMode
from events.models import OutboxEvent
from notifications.models import Notification

from .criteria import set_criterion
from .factories import STAFF, InstanceFactory
from .importing import counts, csv_of, import_file, work_on

pytestmark = pytest.mark.django_db

AGES = {"ann0": 18, "ann1": 17, "ann2": "unknown", "ann3": 30}
OLD = {"metadata": {"age": 18, "kept": 1}, "tags": ["a", "b"]}


def told_of(name: str) -> dict[str, Any]:
    """Return the contents of the second file."""
    changed: dict[str, Any] = {"metadata": {"age": AGES[name], "new": True}, "tags": ["b", "c"], "serialNumber": "7"}
    return changed if name != "ann3" else {"tags": ["a", "b"]}  # which is no change


def lines(told: dict[str, dict[str, Any]]) -> bytes:
    people = {name: {"firstName": name, "lastName": "Lee", "email": f"{name}@example.org"} for name in told}
    return "\n".join(json.dumps(people[name] | told[name]) for name in told).encode()


def enrolled(instance: ProgramInstance) -> ProgramInstance:
    set_criterion(instance, "metadata.age >= 18", otherwise="Too young")
    import_file(instance, lines(dict.fromkeys(AGES, OLD)), Format.JSON_LINES, evaluate=True, tell_families=False)
    return instance


def one_by_one(instance: ProgramInstance) -> None:
    """Do what a batch's `_update` does for a line that repeats another."""
    spelled = {"metadata": "metadata", "tags": "tags", "serialNumber": "serial_number"}
    for enrollment in Enrollment.objects.filter(instance=instance).select_related("learner").order_by("pk"):
        assert enrollment.learner is not None
        changes = {spelled[name]: value for name, value in told_of(enrollment.learner.first_name).items()}
        changed = change_enrollment(enrollment_id=enrollment.pk, changes=changes, actor=STAFF, now=utc_now())
        if changed.updated_at != enrollment.updated_at and changed.eligibility_status in EVALUATED:
            evaluate_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())


def written(instance: ProgramInstance) -> list[Any]:
    """Return everything known about an instance's enrollments except their ids and times."""
    found = []
    for enrollment in Enrollment.objects.filter(instance=instance).order_by("pk"):
        own = {"id", "cuid", "instance_id", "learner_id", "created_at", "updated_at", "waiting_since", "_state"}
        events = OutboxEvent.objects.filter(aggregate=f"enrollment:{enrollment.cuid}").order_by("sequence")
        verdicts = EligibilityVerdict.objects.filter(enrollment=enrollment).order_by("pk")
        ids = {"enrollmentId", "programInstanceId"}
        found.append(
            {
                "fields": {
                    name: value for name, value in vars(enrollment).items() if name not in own and name[0] != "_"
                },
                "labels": sorted(enrollment.labels.values_list("kind", "value")),
                "transitions": list(
                    enrollment.transitions.order_by("number").values_list(
                        "number", "facet", "from_status", "to_status", "reason", "actor"
                    )
                ),
                "events": [
                    (event.type, event.sequence, {name: event.payload[name] for name in event.payload.keys() - ids})
                    for event in events
                ],
                "verdicts": list(verdicts.values_list("outcome", "reason")),
            }
        )
    return found


class TestAnUpdateOfMany:
    @pytest.mark.sqlite
    def test_writes_what_the_use_cases_write_of_each(self) -> None:
        workspace = WorkspaceFactory()
        fields = {"workspace": workspace, "review_mode": ReviewMode.MANUAL}
        together = enrolled(InstanceFactory(**fields))
        each = enrolled(InstanceFactory(is_default=False, **fields))

        told = {name: told_of(name) for name in AGES}
        job = import_file(
            together,
            lines(told),
            Format.JSON_LINES,
            on_duplicate="update",
            evaluate=True,
            may_end_many=True,
        )
        one_by_one(each)

        assert counts(job) == {
            "updated": 3,
            "skipped": 1,
            "eligible": 2,
            "ineligible": 1,
            "becoming_ineligible": 1,
        }
        assert written(together) == written(each)
        assert Notification.objects.count() == 2

    @pytest.mark.race
    def test_changes_them_in_the_order_of_their_ids(self) -> None:
        """Every test on PostgreSQL fails if rows are locked in another order."""
        instance = enrolled(InstanceFactory())
        changes = {name: told_of(name) for name in reversed(AGES)}

        job = import_file(instance, lines(changes), Format.JSON_LINES, on_duplicate="update")

        assert counts(job) == {"updated": 3, "skipped": 1}

    def test_tells_nobody_if_that_is_asked_for(self) -> None:
        instance = enrolled(InstanceFactory(review_mode=ReviewMode.MANUAL))
        told = {name: told_of(name) for name in AGES}

        import_file(
            instance,
            lines(told),
            Format.JSON_LINES,
            on_duplicate="update",
            evaluate=True,
            may_end_many=True,
            tell_families=False,
        )

        assert Notification.objects.count() == 0

    def test_that_skips_takes_no_statement_for_each(self) -> None:
        instance = InstanceFactory()
        import_file(instance, csv_of(30))

        with CaptureQueriesContext(connection) as few:
            import_file(instance, csv_of(3))
        with CaptureQueriesContext(connection) as many:
            import_file(instance, csv_of(30))

        assert len(many) == len(few)

    def test_leaves_to_the_use_case_who_is_enrolled_no_longer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The enrollment ends between the read and the lock."""
        instance = InstanceFactory()
        import_file(instance, csv_of(1))
        monkeypatch.setattr(known, "lock_current", lambda instance, learner_ids: [])

        job = import_file(instance, csv_of(1))

        assert counts(job) == {"skipped": 1}


class TestALineThatDescribesAMergedLearner:
    def test_is_about_the_learner_who_stayed(self) -> None:
        instance = InstanceFactory(price=None)
        keep, drop = LearnerFactory.create_batch(2, workspace=instance.workspace)
        merge_learners(keep_id=keep.pk, drop_id=drop.pk, actor=STAFF, reason="Twins", now=utc_now())
        line = {"firstName": drop.first_name, "lastName": drop.last_name, "email": drop.email}

        job = import_file(instance, json.dumps(line).encode(), Format.JSON_LINES)

        assert (job.status, counts(job)) == ("completed", {"imported": 1})
        assert Enrollment.objects.get().learner == keep
        assert job.rows.get().subject == ""  # nobody to count as new when it is undone


class TestUndoingAnUpdate:
    @pytest.mark.parametrize("since", ["deleted", "erased"])
    def test_leaves_what_nobody_changes_any_more(self, since: str) -> None:
        """It is gone when the worker comes to it; the others are changed back."""
        instance = enrolled(InstanceFactory(review_mode=ReviewMode.MANUAL))
        changes = {name: told_of(name) for name in ("ann0", "ann1")}
        job = import_file(instance, lines(changes), Format.JSON_LINES, on_duplicate="update")
        gone, other = Enrollment.objects.filter(serial_number="7").order_by("pk")

        undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
        if since == "deleted":
            delete_enrollment(enrollment_id=gone.pk, actor=STAFF, now=utc_now())
        else:
            Learner.objects.filter(pk=gone.learner_id).update(erased_at=utc_now())
        work_on(job)

        other.refresh_from_db()
        assert (job.status, job.counts["undone"], job.counts["kept"]) == ("completed", 1, 1)
        assert (other.serial_number, other.metadata) == ("", OLD["metadata"])
