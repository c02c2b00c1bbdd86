"""OneRoster archives over HTTP and in the back office, and the example of docs/oneroster.md."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import Guardian, Learner, Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory, bearer
from backoffice.tests.staff_client import StaffClient
from core.clock import utc_now
from enrollments.imports.job import import_candidates
from enrollments.models import District, Enrollment, ImportJob, ProgramInstance

from .broken_archives import BROKEN_ARCHIVES
from .factories import InstanceFactory, ProgramFactory
from .importing import work_on
from .integrators import Api, fields
from .rosters import USERS_HEADER, archive_of, faults_of, import_roster, school, students

pytestmark = pytest.mark.django_db

PAGE = Path(__file__).resolve().parents[2] / "docs" / "oneroster.md"
EXAMPLE = dict(re.findall(r"^\*\*(\w+\.csv)\*\*\n\n```csv\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL))
IMPORTS = "/admin/enrollments/importjob/"


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def api(workspace: Workspace) -> Api:
    return Api(workspace)


@pytest.fixture
def instance(workspace: Workspace) -> ProgramInstance:
    return InstanceFactory(workspace=workspace, program=ProgramFactory(workspace=workspace, code="CODING"))


def send(api: Api, content: bytes, query: str = "") -> Any:
    return api.client.post(f"/api/imports{query}", content, content_type="application/zip", headers=api.headers)


class TestARosterByTheApi:
    @pytest.mark.sqlite
    def test_is_taken_followed_and_undone(self, api: Api, instance: ProgramInstance) -> None:
        files = school(1, 2)
        files["users.csv"] = files["users.csv"].replace("ann2@example.org", "nobody")

        taken = send(api, archive_of(files), "?evaluate=true")
        path = f"/api/imports/{taken.json()['id']}"
        import_candidates(job_id=ImportJob.objects.get().pk, now=utc_now())
        followed = api.get(path).json()
        undone = api.post(f"{path}/undo", {})
        work_on(ImportJob.objects.get())
        after = api.get(path).json()

        assert (taken.status_code, taken.json()["status"], taken.json()["rowsTotal"]) == (202, "queued", 5)
        assert (followed["status"], followed["rowsImported"], followed["rowsFailed"]) == ("completed", 1, 2)
        assert [(error["file"], error["line"], error["field"]) for error in followed["errors"]] == [
            ("enrollments.csv", 3, "userSourcedId"),
            ("users.csv", 3, "email"),
        ]
        assert (undone.status_code, after["status"], after["counts"]["undone"]) == (202, "undone", 1)

    def test_needs_all_three_scopes(self, workspace: Workspace) -> None:
        asked = Api(workspace)
        asked.headers = bearer(workspace=workspace, scopes=["enrollments:write", "learners:write"])

        answer = send(asked, archive_of(school(1)))

        assert (answer.status_code, ImportJob.objects.count()) == (403, 0)
        assert "districts:write" in answer.json()["detail"]

    def test_that_is_broken_is_answered_with_a_remedy_and_changes_nothing(self, api: Api) -> None:
        for name, broken in BROKEN_ARCHIVES.items():
            answer = send(api, broken.content)

            told = answer.json()
            assert (answer.status_code, told["code"], name) == (422, "unreadable_file", name)
            assert (name, told["errors"][0]["code"], told["errors"][0]["field"]) == (name, broken.code, broken.field)
            assert broken.told in told["detail"], (name, told["detail"])
        assert ImportJob.objects.count() == Learner.objects.count() == District.objects.count() == 0

    def test_is_not_found_from_elsewhere(self, api: Api) -> None:
        taken = send(api, archive_of(students(1)))

        assert Api(WorkspaceFactory()).get(f"/api/imports/{taken.json()['id']}").status_code == 404


class TestAnInstance:
    def test_has_the_external_id_that_rosters_know_it_by(self, api: Api, instance: ProgramInstance) -> None:
        other = InstanceFactory(workspace=instance.workspace, is_default=False)

        named = api.patch(f"/api/programInstances/{instance.cuid}", {"externalId": "class-1"})
        taken = api.patch(f"/api/programInstances/{other.cuid}", {"externalId": "class-1"})

        assert (named.status_code, named.json()["externalId"]) == (200, "class-1")
        assert (taken.status_code, fields(taken)) == (422, ["externalId"])


class TestWhatRealSystemsExport:
    def test_has_more_columns_in_another_order_empty_lines_and_marks(self, workspace: Workspace) -> None:
        users = (
            "\ufeff\r\nx-local,email,familyName,givenName,status,sourcedId\r\n,,,,,\r\n"
            '1,"ann@example.org","Lee","Ann, the 2nd","",s1,more\r\n'
        )
        roles = students(1)["roles.csv"].encode("utf-16")

        job = import_roster(workspace, {"Users.CSV": users, "roles.csv": roles, "__MACOSX/._users.csv": b"\0"})

        assert (faults_of(job), job.notice) == ([], "")
        assert Learner.objects.get().first_name == "Ann, the 2nd"

    def test_in_another_encoding_keeps_names(self, workspace: Workspace) -> None:
        files = students(1)

        job = import_roster(
            workspace, {**files, "users.csv": files["users.csv"].replace("Ann1", "Zoë").encode("cp1252")}
        )

        assert Learner.objects.get().first_name == "Zoë"
        assert job.notice.startswith("users.csv: The file is not in UTF-8. It was read as Windows-1252")

    def test_that_is_not_promised_or_of_no_use_is_named(self, workspace: Workspace) -> None:
        manifest = "propertyName,value\noneroster.version,1.2\nfile.users,bulk\nfile.roles,bulk\nfile.orgs,absent\n"
        files = {"manifest.csv": manifest, "orgs.csv": "?", "results.csv": "?", **students(1)}
        files["users.csv"] += "t1,,Tea,Cher,tea@example.org,,\n"

        job = import_roster(workspace, files)

        assert job.notice == "Not imported: users who are neither students nor parents: 1; orgs.csv, results.csv."

    def test_with_no_row_of_use_is_an_import_of_nothing(self, workspace: Workspace) -> None:
        job = import_roster(workspace, {"users.csv": USERS_HEADER, "roles.csv": "userSourcedId,role\n"})

        assert (job.status, job.total, job.counts) == ("completed", 0, {})


class TestTheBackOffice:
    def upload(self, desk: StaffClient, workspace: Workspace, content: bytes) -> Any:
        file = SimpleUploadedFile("roster.zip", content)
        answers = {"workspace": workspace.pk, "file": file, "on_duplicate": "skip", "evaluate": "on"}
        return desk.post(f"{IMPORTS}import_roster/", answers)

    def test_rehearses_a_roster_shows_it_and_carries_it_out(self, workspace: Workspace, instance: Any) -> None:
        desk = StaffClient(workspace=workspace, role=Role.ADMIN)

        sent = self.upload(desk, workspace, archive_of(school(1, 2)))
        job = work_on(ImportJob.objects.get())
        rehearsed = desk.get(f"{IMPORTS}{job.pk}/change/").content.decode()
        nobody = Enrollment.objects.count()
        desk.confirm(f"{IMPORTS}{job.pk}/carry_out/")
        work_on(job)
        listed = desk.get(IMPORTS)

        assert (sent.status_code, sent["Location"]) == (302, f"{IMPORTS}{job.pk}/change/")
        assert "Learners: 2 would be new, 0 would change, 0 stay as they are." in rehearsed
        assert "Classes: 1 known as program instances, 0 unknown" in rehearsed
        assert (nobody, Enrollment.objects.count(), listed.status_code) == (0, 2, 200)

    def test_says_why_it_can_not_read_one(self, workspace: Workspace) -> None:
        desk = StaffClient(workspace=workspace, role=Role.ADMIN)

        answer = self.upload(desk, workspace, b"no archive")

        assert "This is no ZIP archive" in answer.content.decode()

    def test_lets_nobody_send_one_for_another_workspace(self, workspace: Workspace) -> None:
        desk = StaffClient(workspace=workspace, role=Role.ADMIN)

        answer = self.upload(desk, WorkspaceFactory(), archive_of(students(1)))

        assert (answer.status_code, ImportJob.objects.count()) == (200, 0)


class TestTheExampleOfThePage:
    def test_is_imported_as_it_stands(self, workspace: Workspace, instance: ProgramInstance) -> None:
        job = import_roster(workspace, EXAMPLE)

        assert len(EXAMPLE) == 8
        assert (faults_of(job), job.counts["imported"]) == ([], 1)
        assert District.objects.values_list("name", "tenant_id").get() == ("Springfield Unified", 4711)
        assert Guardian.objects.get().learners.get().external_id == "user-1"
        assert job.notice == (
            "Not imported: enrollments of others than students: 1; organizations that are no districts: 1; "
            "users who are neither students nor parents: 1."
        )
