"""Importing candidates over HTTP."""

from typing import Any

import pytest
from drf_spectacular.utils import OpenApiExample

from accounts.models import Learner, Workspace
from accounts.tests.factories import WorkspaceFactory, bearer
from core.clock import utc_now
from enrollments.api.programs.examples import IMPORT_CSV, IMPORT_JSON_LINES
from enrollments.imports.job import import_candidates
from enrollments.models import Enrollment, ImportJob, ProgramInstance

from .broken_files import ANN, BROKEN, HEADER
from .criteria import set_criterion
from .factories import InstanceFactory
from .importing import csv_of
from .integrators import Api, fields

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def api(workspace: Workspace) -> Api:
    return Api(workspace)


@pytest.fixture
def instance(workspace: Workspace) -> ProgramInstance:
    return set_criterion(InstanceFactory(workspace=workspace), "metadata.age >= 18", otherwise="Too young")


def send(
    api: Api, instance: ProgramInstance, content: bytes, query: str = "", *, kind: str = "text/csv", **headers: str
) -> Any:
    path = f"/api/programInstances/{instance.cuid}/imports{query}"
    return api.client.post(path, content, content_type=kind, headers=api.headers | headers)


def work() -> None:
    import_candidates(job_id=ImportJob.objects.get().pk, now=utc_now())


class TestAnImport:
    @pytest.mark.sqlite
    def test_is_taken_followed_and_undone(self, api: Api, instance: ProgramInstance) -> None:
        taken = send(api, instance, csv_of(2) + b"Bob,Lee\nEve,Lee,eve,,\n", "?evaluate=true")
        path = f"/api/imports/{taken.json()['id']}"
        work()
        followed = api.get(path).json()
        errors = api.get(f"{path}/errors", limit=1)
        undone = api.post(f"{path}/undo", {})
        work()
        after = api.get(path).json()

        assert (taken.status_code, taken.json()["status"], taken.json()["rowsTotal"]) == (202, "queued", 4)
        rows = ("status", "rowsDone", "rowsImported", "rowsSkipped", "rowsFailed", "dryRun")
        assert [followed[name] for name in rows] == ["completed", 4, 2, 0, 2, False]
        assert [(error["line"], error["field"], error["code"]) for error in followed["errors"]] == [
            (4, "row", "ragged"),
            (5, "email", "invalid"),
        ]
        assert (errors["X-Total-Count"], errors.json()) == ("2", followed["errors"][:1])
        assert (undone.status_code, after["status"], Enrollment.objects.current().count()) == (202, "undone", 0)

    def test_takes_json_lines_and_options(self, api: Api, instance: ProgramInstance) -> None:
        content = b'{"firstName": "Ann", "lastName": "Lee", "email": "ann@example.org"}'

        answer = send(api, instance, content, "?dryRun=true&onDuplicate=fail", kind="application/x-ndjson")
        work()

        job = ImportJob.objects.get()
        assert (answer.status_code, answer.json()["dryRun"], job.counts) == (202, True, {"imported": 1})
        assert (job.options["on_duplicate"], Learner.objects.count()) == ("fail", 0)

    def test_names_the_encoding_that_it_guessed(self, api: Api, instance: ProgramInstance) -> None:
        answer = send(api, instance, HEADER + "Zoë,Lee,zoe@example.org\n".encode("cp1252"))

        assert "Windows-1252" in answer.json()["notice"]

    def test_that_the_brake_stops_has_failed_and_says_why(self, api: Api, instance: ProgramInstance) -> None:
        send(api, instance, csv_of(1), "?evaluate=true")
        work()
        ImportJob.objects.all()[0].rows.all().delete()
        ImportJob.objects.all().delete()

        answer = send(api, instance, csv_of(1, age=17), "?evaluate=true&onDuplicate=update")
        work()

        found = api.get(f"/api/imports/{answer.json()['id']}").json()
        assert (found["status"], found["becomingIneligible"]) == ("failed", 1)
        assert "confirmEndings" in found["reason"]
        assert Enrollment.objects.get().eligibility_status == "eligible"

    def test_sent_twice_with_a_key_is_one(self, api: Api, instance: ProgramInstance) -> None:
        key = {"Idempotency-Key": "once"}

        first = send(api, instance, csv_of(1), **key)
        again = send(api, instance, csv_of(1), **key)
        other = send(api, instance, csv_of(2), **key)
        other_way = send(api, instance, csv_of(1), "?evaluate=true", **key)

        assert again.json() == first.json()
        assert (other.json()["code"], other_way.json()["code"]) == ("idempotency_key_reused",) * 2
        assert ImportJob.objects.count() == 1


class TestAFileThatIsNotTaken:
    def test_is_answered_with_line_and_remedy_and_changes_nothing(self, api: Api, instance: ProgramInstance) -> None:
        for name, broken in BROKEN.items():
            kind = {"csv": "text/csv", "ndjson": "application/x-ndjson"}[broken.kind.value]

            answer = send(api, instance, broken.content, kind=kind)

            told = answer.json()
            assert (answer.status_code, told["code"], name) == (422, "unreadable_file", name)
            assert (told.get("line"), told["errors"][0]["code"]) == (broken.line, broken.code)
            assert broken.told in told["detail"]
        assert ImportJob.objects.count() == Learner.objects.count() == 0

    def test_is_of_another_kind_or_too_large(self, api: Api, instance: ProgramInstance, settings: Any) -> None:
        json = send(api, instance, b"{}", kind="application/json")
        settings.API_MAX_FILE_BYTES = 40
        large = send(api, instance, HEADER + ANN)

        assert (json.status_code, large.status_code, ImportJob.objects.count()) == (415, 413, 0)
        assert json.json()["detail"].endswith("Send a body with Content-Type: text/csv or application/x-ndjson.")

    def test_may_be_larger_than_other_bodies(self, api: Api, instance: ProgramInstance, settings: Any) -> None:
        settings.API_MAX_BODY_BYTES = 40

        assert send(api, instance, HEADER + ANN).status_code == 202

    def test_comes_with_options_that_do_not_exist(self, api: Api, instance: ProgramInstance) -> None:
        answer = send(api, instance, HEADER + ANN, "?onDuplicate=merge&dryRun=perhaps")

        assert (answer.status_code, fields(answer)) == (422, ["dryRun", "onDuplicate"])


class TestAnImportOfOthers:
    def test_is_not_found(self, api: Api, instance: ProgramInstance) -> None:
        send(api, instance, csv_of(1))
        path = f"/api/imports/{ImportJob.objects.get().cuid}"
        other = Api(WorkspaceFactory())

        answers = [other.get(path), other.get(f"{path}/errors"), other.post(f"{path}/undo", {})]

        assert [answer.status_code for answer in answers] == [404] * 3
        assert send(other, instance, csv_of(1)).status_code == 404

    def test_needs_the_scope(self, workspace: Workspace, instance: ProgramInstance) -> None:
        reader = Api(workspace)
        reader.headers = bearer(workspace=workspace, scopes=["enrollments:read"])

        assert send(reader, instance, csv_of(1)).status_code == 403


class TestTheExamples:
    @pytest.mark.parametrize("example", [IMPORT_CSV, IMPORT_JSON_LINES], ids=["csv", "json_lines"])
    def test_are_imported_as_they_stand(self, api: Api, instance: ProgramInstance, example: OpenApiExample) -> None:
        answer = send(api, instance, example.value.encode(), kind=example.media_type)
        work()

        assert answer.status_code == 202
        assert api.get(f"/api/imports/{answer.json()['id']}").json()["rowsImported"] == 2
