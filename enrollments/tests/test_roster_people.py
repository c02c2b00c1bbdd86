"""What a roster changes of districts, guardians, and learners, and what undoing it takes back and leaves."""

import pytest

from accounts.merging import merge_learners
from accounts.models import Guardian, Guardianship, Learner, Workspace
from accounts.removal import remove_unused_learner
from accounts.tests.factories import GuardianFactory, LearnerFactory, WorkspaceFactory
from core.clock import utc_now
from enrollments.imports.job import undo_import
from enrollments.imports.oneroster.people import CHANGED
from enrollments.imports.undo import describe_undo
from enrollments.models import District, ImportJob

from .factories import STAFF, seats
from .importing import counts, work_on
from .rosters import ROLES_HEADER, USERS_HEADER, faults_of, import_roster

pytestmark = pytest.mark.django_db

ORGS = "sourcedId,status,name,type,identifier\no1,,North,district,17\n"
ROLES = ROLES_HEADER + "r0,g1,primary,parent\nr9,s9,primary,student\n"


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


def family(parent: str = "Pat,Lee,pat@example.org", agents: str = "g1") -> dict[str, str]:
    """Return the files of a parent and a student, whose guardian the parent is."""
    users = f"g1,,{parent},,\ns9,,Ann9,Lee,ann9@example.org,07,{agents}\n"
    return {"users.csv": USERS_HEADER + users, "roles.csv": ROLES}


def undone(job: ImportJob) -> dict[str, int]:
    undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
    found = counts(work_on(job))
    return {name: found.get(name, 0) for name in ("undone", "kept")}


def told_of_people(job: ImportJob) -> list[str]:
    return list(describe_undo(job)[2:])


class TestAGuardian:
    def test_is_changed_and_changed_back(self, workspace: Workspace) -> None:
        import_roster(workspace, family())

        job = import_roster(workspace, family("Patricia,Lee,patricia@example.org"))
        changed = Guardian.objects.values_list("first_name", "email").get()
        told = told_of_people(job)

        assert counts(job) == {"guardians_changed": 1, "learners_unchanged": 1}
        assert changed == ("Patricia", "patricia@example.org")
        assert told == ["Districts, guardians and learners that it made or changed: 1. Those in use stay."]
        assert undone(job) == {"undone": 1, "kept": 0}
        assert Guardian.objects.values_list("first_name", "email").get() == ("Pat", "pat@example.org")

    def test_of_whom_nothing_new_is_said_is_left(self, workspace: Workspace) -> None:
        import_roster(workspace, family())

        job = import_roster(workspace, family())

        assert counts(job) == {"guardians_unchanged": 1, "learners_unchanged": 1}
        assert not job.rows.exists()

    def test_whose_address_somebody_else_has_is_refused_and_leaves_nothing_to_undo(self, workspace: Workspace) -> None:
        import_roster(workspace, family())
        GuardianFactory(workspace=workspace, email="taken@example.org", external_id="other")

        job = import_roster(workspace, family("Patricia,Lee,taken@example.org"))

        assert counts(job) == {"failed": 1, "learners_unchanged": 1}
        assert [fault[:2] for fault in faults_of(job)] == [("users.csv", 2)]
        assert Guardian.objects.get(external_id="g1").first_name == "Pat"
        assert (told_of_people(job), job.rows.count()) == ([], 0)

    def test_is_not_changed_back_once_staff_have_changed_the_same(self, workspace: Workspace) -> None:
        import_roster(workspace, family())
        job = import_roster(workspace, family("Patricia,Lee,pat@example.org"))
        Guardian.objects.update(first_name="Trish")

        assert undone(job) == {"undone": 0, "kept": 1}
        assert Guardian.objects.get().first_name == "Trish"

    def test_is_unlinked_from_the_learner_alone_who_was_linked(self, workspace: Workspace) -> None:
        import_roster(workspace, family(agents=""))
        other = GuardianFactory(workspace=workspace)
        learner = Learner.objects.get(external_id="s9")
        Guardianship.objects.create(guardian=other, learner=learner)

        job = import_roster(workspace, family())
        linked = learner.guardianships.count()

        assert counts(job) == {"guardians_unchanged": 1, "learners_changed": 1}
        assert (linked, undone(job)) == (2, {"undone": 1, "kept": 0})
        assert [each.guardian for each in learner.guardianships.all()] == [other]

    def test_who_was_never_in_a_roster_is_told(self, workspace: Workspace) -> None:
        job = import_roster(workspace, family(agents="g7"))

        assert faults_of(job) == [("users.csv", 3, "agentSourcedIds", "unknown")]
        assert not Learner.objects.exists()

    def test_whose_own_row_is_refused_is_told_with_the_learner(self, workspace: Workspace) -> None:
        job = import_roster(workspace, family("Pat,Lee,nobody"))

        assert ("users.csv", 3, "agentSourcedIds", "refused") in faults_of(job)
        assert not Learner.objects.exists()


class TestALearner:
    @pytest.mark.parametrize("is_gone", [True, False])
    def test_who_was_merged_or_removed_since_stays_as_they_are(self, workspace: Workspace, is_gone: bool) -> None:
        import_roster(workspace, family())
        job = import_roster(workspace, {"users.csv": family()["users.csv"].replace("Ann9", "Anna"), "roles.csv": ROLES})
        learner = Learner.objects.get(external_id="s9")
        if is_gone:
            learner.guardianships.all().delete()
            remove_unused_learner(learner_id=learner.pk)
        else:
            merge(learner, LearnerFactory(workspace=workspace, external_id="other", first_name="Annika"))

        assert undone(job) == {"undone": 0, "kept": 1}
        stays = [] if is_gone else ["Anna", "Annika"]
        assert sorted(Learner.objects.values_list("first_name", flat=True)) == stays

    def test_who_was_merged_keeps_what_staff_chose(self, workspace: Workspace) -> None:
        import_roster(workspace, family())
        kept = LearnerFactory(workspace=workspace, external_id="other", first_name="Annika")
        merge(Learner.objects.get(external_id="s9"), kept)

        job = import_roster(workspace, {"users.csv": family()["users.csv"].replace("Ann9", "Anna"), "roles.csv": ROLES})

        kept.refresh_from_db()
        assert (counts(job).get("learners_changed", 0), kept.first_name) == (0, "Annika")


def merge(learner: Learner, into: Learner) -> None:
    merge_learners(keep_id=into.pk, drop_id=learner.pk, actor=STAFF, reason="Twins", now=utc_now())


class TestADistrict:
    def test_that_has_seats_by_now_stays(self, workspace: Workspace) -> None:
        job = import_roster(workspace, {"orgs.csv": ORGS})
        seats(workspace, total=1, tenant_id=District.objects.get().tenant_id)

        assert undone(job) == {"undone": 0, "kept": 1}
        assert District.objects.get().name == "North"

    def test_is_known_by_what_it_was_called_before(self, workspace: Workspace) -> None:
        import_roster(workspace, {"orgs.csv": ORGS})

        job = import_roster(workspace, {"orgs.csv": ORGS.replace("North", "South")})

        assert [row.before for row in job.rows.all()] == [{CHANGED: {"name": ["North", "South"]}}]
