"""Rosters as jobs: districts, classes, and enrollments, what a rehearsal reports, what ends, and how it is undone."""

import datetime as dt

import pytest

from accounts.models import Guardian, Learner, Workspace
from accounts.tests.factories import WorkspaceFactory
from core.clock import utc_now
from enrollments.exit import plan_exit, withdraw_exit
from enrollments.imports import job as imports_job
from enrollments.imports.job import carry_out_rehearsed, undo_import
from enrollments.imports.rehearsal import describe
from enrollments.imports.undo import describe_undo
from enrollments.models import District, Enrollment, PlannedExit, ProgramInstance
from enrollments.states import ReviewMode

from .factories import STAFF, DistrictFactory, InstanceFactory, ProgramFactory
from .importing import counts, current, work_on
from .rosters import (
    CLASSES,
    ROLES_HEADER,
    USERS_HEADER,
    approve_all,
    ending,
    faults_of,
    import_roster,
    in_class,
    school,
    students,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def instance(workspace: Workspace) -> ProgramInstance:
    program = ProgramFactory(workspace=workspace, code="CODING")
    return InstanceFactory(workspace=workspace, program=program, review_mode=ReviewMode.MANUAL, price=None)


class TestDistricts:
    ORGS = (
        "sourcedId,status,name,type,identifier\n"
        "o1,,North,district,17\no2,,South,district,007\no3,,East,district,5\no4,,A school,school,9\n"
    )

    @pytest.mark.sqlite
    def test_get_their_own_number_if_it_is_free_else_the_next_one(self, workspace: Workspace) -> None:
        DistrictFactory(workspace=workspace, tenant_id=5, name="Elsewhere")

        job = import_roster(workspace, {"orgs.csv": self.ORGS})

        found = District.objects.filter(external_id__isnull=False).order_by("external_id")
        assert list(found.values_list("external_id", "tenant_id", "name")) == [
            ("o1", 17, "North"),
            ("o2", 18, "South"),
            ("o3", 19, "East"),
        ]
        assert counts(job) == {"districts_new": 3}
        assert job.notice == "Not imported: organizations that are no districts: 1."

    def test_known_by_number_and_name_are_the_same(self, workspace: Workspace) -> None:
        known = DistrictFactory(workspace=workspace, tenant_id=17, name="north")

        import_roster(workspace, {"orgs.csv": self.ORGS})

        known.refresh_from_db()
        assert known.external_id == "o1"

    def test_are_renamed_and_named_back(self, workspace: Workspace) -> None:
        import_roster(workspace, {"orgs.csv": self.ORGS})
        renamed = import_roster(workspace, {"orgs.csv": self.ORGS.replace("North", "Far North")})
        name = District.objects.get(external_id="o1").name

        undo_import(job_id=renamed.pk, actor=STAFF, now=utc_now())
        work_on(renamed)

        assert counts(renamed) == {"districts_changed": 1, "districts_unchanged": 2, "undone": 1}
        assert (name, District.objects.get(external_id="o1").name) == ("Far North", "North")


class TestStudentsOfAClass:
    @pytest.mark.sqlite
    def test_become_candidates_of_the_instance_whose_program_has_the_code(
        self, workspace: Workspace, instance: ProgramInstance
    ) -> None:
        job = import_roster(workspace, school(1, 2), evaluate=True)
        again = import_roster(workspace, school(1, 2, 3), evaluate=True)

        assert counts(job) == {"learners_new": 2, "classes_matched": 1, "imported": 2, "eligible": 2}
        assert counts(again) == {
            "learners_new": 1,
            "learners_unchanged": 2,
            "classes_matched": 1,
            "imported": 1,
            "skipped": 2,
            "eligible": 1,
        }
        assert current(instance) == 3

    def test_are_enrolled_by_the_external_id_of_the_class_first(
        self, workspace: Workspace, instance: ProgramInstance
    ) -> None:
        by_id = InstanceFactory(workspace=workspace, is_default=False, external_id="CODE-A")

        import_roster(workspace, school(1))

        assert (current(by_id), current(instance)) == (1, 0)

    def test_are_enrolled_in_the_one_of_several_instances_that_goes_on_in_the_term(
        self, workspace: Workspace, instance: ProgramInstance
    ) -> None:
        ProgramInstance.objects.update(start_date=dt.date(2026, 9, 1))
        this_term = InstanceFactory(
            workspace=workspace, program=instance.program, is_default=False, start_date=dt.date(2026, 2, 1)
        )

        import_roster(workspace, school(1))

        assert current(this_term) == 1

    def test_of_a_class_that_is_no_instance_are_counted_and_the_class_is_told(self, workspace: Workspace) -> None:
        job = import_roster(workspace, school(1, 2))

        assert counts(job) == {"learners_new": 2, "classes_unmatched": 1, "not_matched": 2}
        assert faults_of(job) == [("classes.csv", 2, "sourcedId", "no_instance")]
        assert Enrollment.objects.count() == 0

    def test_of_a_class_that_may_be_two_instances_are_not_enrolled(
        self, workspace: Workspace, instance: ProgramInstance
    ) -> None:
        InstanceFactory(workspace=workspace, program=instance.program, is_default=False)

        job = import_roster(workspace, school(1))

        assert faults_of(job) == [("classes.csv", 2, "sourcedId", "ambiguous")]
        assert Enrollment.objects.count() == 0

    def test_of_an_instance_that_is_closed_are_not_enrolled(
        self, workspace: Workspace, instance: ProgramInstance
    ) -> None:
        ProgramInstance.objects.update(active=False)

        job = import_roster(workspace, school(1))

        assert faults_of(job) == [("classes.csv", 2, "sourcedId", "closed")]

    def test_whose_row_is_refused_or_missing_are_told(self, workspace: Workspace, instance: ProgramInstance) -> None:
        files = school(1, 2)
        files["users.csv"] = files["users.csv"].replace("ann1@example.org", "nobody")
        files["enrollments.csv"] += in_class(9)

        job = import_roster(workspace, files)

        assert faults_of(job) == [
            ("enrollments.csv", 2, "userSourcedId", "refused"),
            ("enrollments.csv", 4, "userSourcedId", "unknown"),
            ("users.csv", 2, "email", "invalid"),
        ]
        assert current(instance) == 1


class TestARehearsal:
    def test_tells_over_several_batches_what_the_import_does(
        self, workspace: Workspace, instance: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(imports_job, "BATCH", 2)
        files = school(1, 2, 3)
        files["classes.csv"] += "c2,,Coding B,course1,,t1\n"
        files["enrollments.csv"] += in_class(1, 2, name="c2")

        rehearsed = import_roster(workspace, files, evaluate=True, is_rehearsal=True)
        told = (counts(rehearsed), describe(rehearsed, now=utc_now()), Learner.objects.count())
        carry_out_rehearsed(job_id=rehearsed.pk, may_end_many=False, actor=STAFF, now=utc_now())
        job = work_on(rehearsed)

        assert told[0] == counts(job)
        assert told[0] == {
            "learners_new": 3,
            "classes_matched": 2,
            "imported": 3,
            "skipped": 2,
            "eligible": 3,
        }
        assert "Learners: 3 would be new, 0 would change, 0 stay as they are." in told[1]
        assert (told[2], current(instance)) == (0, 3)


class TestADelta:
    @pytest.fixture(autouse=True)
    def enrolled(self, workspace: Workspace, instance: ProgramInstance) -> None:
        import_roster(workspace, school(*range(1, 12)), evaluate=True)
        approve_all()

    @pytest.mark.sqlite
    def test_ends_what_is_to_be_deleted_and_leaves_what_it_does_not_name(
        self, workspace: Workspace, instance: ProgramInstance
    ) -> None:
        job = import_roster(workspace, ending(1), mode="delta")

        assert counts(job) == {"classes_matched": 1, "ended": 1, "becoming_ineligible": 1}
        ended = Enrollment.objects.get(eligibility_status="unenrolled")
        assert (ended.learner.external_id if ended.learner else "", current(instance)) == ("s1", 10)

    def test_ends_on_the_day_that_the_roster_names_and_the_plan_is_withdrawn_by_undoing(
        self, workspace: Workspace, instance: ProgramInstance
    ) -> None:
        day = (utc_now() + dt.timedelta(days=30)).date()
        job = import_roster(workspace, ending(1, end=day.isoformat()), mode="delta")
        planned = PlannedExit.objects.get()

        undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
        work_on(job)

        planned_now = PlannedExit.objects.get()
        assert (planned.status, planned.effective_date, planned_now.status) == ("planned", day, "withdrawn")
        assert (job.counts["exits_planned"], job.counts["undone"], current(instance)) == (1, 1, 11)

    def test_that_was_planned_by_an_earlier_roster_stays_when_a_later_one_is_undone(
        self, workspace: Workspace, instance: ProgramInstance
    ) -> None:
        day = (utc_now() + dt.timedelta(days=30)).date().isoformat()
        import_roster(workspace, ending(1, end=day), mode="delta")
        again = import_roster(workspace, ending(1, end=day), mode="delta")
        told = counts(again)

        undo_import(job_id=again.pk, actor=STAFF, now=utc_now())
        work_on(again)

        assert told == {"classes_matched": 1, "exits_planned": 1}
        assert (counts(again), PlannedExit.objects.get().status) == (told, "planned")

    @pytest.mark.parametrize("is_replaced", [False, True])
    def test_keeps_what_staff_have_made_of_the_plan_since_when_it_is_undone(
        self, workspace: Workspace, instance: ProgramInstance, is_replaced: bool
    ) -> None:
        now = utc_now()
        day = (now + dt.timedelta(days=30)).date()
        job = import_roster(workspace, ending(1, end=day.isoformat()), mode="delta")
        planned = PlannedExit.objects.get()
        if is_replaced:
            earlier = day - dt.timedelta(days=9)
            who = planned.enrollment_id
            plan_exit(enrollment_id=who, effective_date=earlier, reason="Moves", actor=STAFF, now=now)
        else:
            withdraw_exit(planned_exit_id=planned.pk, actor=STAFF, now=now)
        told = describe_undo(job)

        undo_import(job_id=job.pk, actor=STAFF, now=now)
        work_on(job)

        assert told == ("Enrollments that are deleted: 0.", "Enrollments that are changed back: 0.")
        assert (job.status, job.counts["undone"], job.counts["kept"]) == ("completed", 0, 1)
        assert PlannedExit.objects.filter(status="planned").exists() is is_replaced

    def test_that_ends_more_than_a_tenth_waits_for_a_second_confirmation(
        self, workspace: Workspace, instance: ProgramInstance
    ) -> None:
        job = import_roster(workspace, ending(1, 2), mode="delta")
        stopped = (job.stage, current(instance))
        carry_out_rehearsed(job_id=job.pk, may_end_many=True, actor=STAFF, now=utc_now())
        work_on(job)

        assert stopped == ("stopped", 11)
        assert (job.stage, job.counts["ended"], current(instance)) == ("import", 2, 9)

    def test_that_moves_a_student_to_another_class_of_the_instance_ends_nothing(
        self, workspace: Workspace, instance: ProgramInstance
    ) -> None:
        files = ending(1)
        files["classes.csv"] += "c2,,Coding B,course1,,\n"
        files["enrollments.csv"] += in_class(1, name="c2", status="active")

        job = import_roster(workspace, files, mode="delta")

        assert (job.counts["still_enrolled"], job.counts["skipped"], current(instance)) == (1, 1, 11)

    def test_ends_nobody_who_is_not_approved(self, workspace: Workspace, instance: ProgramInstance) -> None:
        import_roster(workspace, school(12), evaluate=False)

        job = import_roster(workspace, ending(12), mode="delta")

        assert faults_of(job) == [("enrollments.csv", 2, "status", "not_approved")]
        assert current(instance) == 12

    def test_of_users_alone_knows_them_from_before(self, workspace: Workspace) -> None:
        users = students(1, 99)["users.csv"].replace("Ann1,Lee", "Anne,Lee")

        job = import_roster(workspace, {"users.csv": users}, mode="delta")

        assert counts(job) == {"learners_changed": 1, "people_unknown": 1}
        assert Learner.objects.get(external_id="s1").first_name == "Anne"

    def test_deletes_no_person_and_no_class(self, workspace: Workspace, instance: ProgramInstance) -> None:
        users = students(1)["users.csv"].replace("s1,,", "s1,tobedeleted,")
        files = {"users.csv": users, "classes.csv": CLASSES.replace("c1,,", "c1,tobedeleted,")}

        job = import_roster(workspace, files, mode="delta")

        assert (counts(job), current(instance)) == ({"to_be_deleted": 2}, 11)


class TestAnUndoneRoster:
    FAMILY = {
        "users.csv": USERS_HEADER + "g1,,Pat,Lee,pat@example.org,,\ns9,,Ann9,Lee,ann9@example.org,07,g1\n",
        "roles.csv": ROLES_HEADER + "r0,g1,primary,parent\nr9,s9,primary,student\n",
    }

    @pytest.mark.sqlite
    def test_leaves_whoever_the_record_of_an_enrollment_names_and_removes_the_others(
        self, workspace: Workspace, instance: ProgramInstance
    ) -> None:
        files = {**school(1), "orgs.csv": TestDistricts.ORGS}
        for name in ("users.csv", "roles.csv"):
            files[name] += self.FAMILY[name].partition("\n")[2]
        job = import_roster(workspace, files)

        undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
        work_on(job)

        assert (job.counts["undone"], job.counts["kept"]) == (6, 1)
        assert Learner.objects.get().external_id == "s1"
        assert (Guardian.objects.count(), District.objects.count(), current(instance)) == (0, 0, 0)

    def test_gives_back_names_unless_somebody_has_changed_them_since(self, workspace: Workspace) -> None:
        import_roster(workspace, students(1, 2))
        changed = students(1, 2)
        changed["users.csv"] = changed["users.csv"].replace(",Lee,", ",Li,")
        job = import_roster(workspace, changed)
        Learner.objects.filter(external_id="s2").update(last_name="Doe")

        undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
        work_on(job)

        names = Learner.objects.order_by("external_id").values_list("last_name", flat=True)
        assert (list(names), job.counts["undone"], job.counts["kept"]) == (["Lee", "Doe"], 1, 1)
