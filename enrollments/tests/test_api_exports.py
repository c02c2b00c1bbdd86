"""Exports of enrollments over the API: REST's fields, its filters, and access only with the workspace's keys."""

import csv
import io

import pytest
from django.test import Client

from accounts.models import StaffTask, Workspace
from accounts.tests.factories import WorkspaceFactory, bearer
from backoffice.exporting import files, jobs
from backoffice.exporting.jobs import KEPT, write_export
from backoffice.models import Export
from core.clock import utc_now
from core.jobs import RETRY, JobStatus
from enrollments.models import ProgramInstance

from .factories import InstanceFactory
from .integrators import Api, fields
from .test_api_lists import enrolled

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_folder", lambda: tmp_path)


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def api(workspace: Workspace) -> Api:
    return Api(workspace)


@pytest.fixture
def instance(workspace: Workspace) -> ProgramInstance:
    return InstanceFactory(workspace=workspace)


def test_an_export_is_asked_for_written_and_fetched(api, instance):
    wanted = enrolled(instance, tags=["vip", "early"], address={"city": "Graz"}, metadata={"roof": "south"})
    enrolled(instance)

    asked = api.post("/api/exports", {"programInstanceId": instance.cuid, "tag": "vip"})
    write_export(export_id=Export.objects.get().pk, now=utc_now())
    shown = api.get(f"/api/exports/{asked.json()['id']}").json()
    file = api.get(shown["url"])

    assert asked.status_code == 202
    assert (asked.json()["status"], asked.json()["url"]) == ("queued", None)
    assert (shown["status"], shown["total"], shown["done"]) == ("completed", 1, 1)
    text = file.getvalue().decode("utf-8-sig")
    [row] = csv.DictReader(io.StringIO(text))
    assert row["id"] == wanted.cuid
    assert (row["email"], row["tags"], row["city"]) == (wanted.learner.email, "vip,early", "Graz")
    assert (row["status"], row["meta"]) == ("candidate", '{"roof": "south"}')


def test_a_file_opens_for_keys_that_may_read_its_rows_alone(api, instance, workspace):
    enrolled(instance)
    made = api.post("/api/exports", {"programInstanceId": instance.cuid, "format": "xlsx"}).json()["id"]
    address = f"/api/exports/{made}/file"
    too_soon = api.get(address)
    write_export(export_id=Export.objects.get().pk, now=utc_now())
    of_another_scope = bearer(workspace=workspace, scopes=["learners:read"])

    opened = api.client.get(address, headers=api.headers | {"Accept": "application/vnd.ms-excel"})
    refused = [Client().get(address), Client().get(address, headers=of_another_scope)]
    elsewhere = Api(WorkspaceFactory()).get(address)

    assert (too_soon.status_code, opened.status_code, elsewhere.status_code) == (404, 200, 404)
    assert opened.getvalue().startswith(b"PK")
    assert [answer.status_code for answer in refused] == [401, 403]


def test_a_file_is_gone_after_a_day(api, instance):
    made = api.post("/api/exports", {"programInstanceId": instance.cuid}).json()["id"]
    write_export(export_id=Export.objects.get().pk, now=utc_now())
    Export.objects.update(finished_at=utc_now() - KEPT)

    assert api.get(f"/api/exports/{made}").json()["url"] is None
    assert api.get(f"/api/exports/{made}/file").status_code == 404


def test_an_export_that_is_given_up_is_told_to_staff(api, instance, monkeypatch):
    api.post("/api/exports", {"programInstanceId": instance.cuid})
    export = Export.objects.get()
    monkeypatch.setattr(jobs, "finish_file", lambda *_: 1 / 0)
    Export.objects.update(attempts=RETRY.attempts - 1)

    write_export(export_id=export.pk, now=utc_now())

    export.refresh_from_db()
    task = StaffTask.objects.get(kind="export_failed")
    assert export.status == JobStatus.FAILED
    assert export.last_error == "ZeroDivisionError: division by zero"
    assert (task.workspace, task.subject) == (export.workspace, f"export:{export.pk}")


def test_a_filter_at_fault_is_refused_by_name(api, instance):
    response = api.post(
        "/api/exports", {"programInstanceId": instance.cuid, "createdFrom": "yesterday", "format": "pdf"}
    )

    assert response.status_code == 422
    assert sorted(fields(response)) == ["createdFrom", "format"]
    assert not Export.objects.exists()


def test_another_workspace_finds_neither_the_instance_nor_the_export(api, instance):
    made = api.post("/api/exports", {"programInstanceId": instance.cuid}).json()["id"]
    stranger = Api(WorkspaceFactory())

    answers = [
        stranger.post("/api/exports", {"programInstanceId": instance.cuid}),
        stranger.get(f"/api/exports/{made}"),
    ]

    assert [answer.status_code for answer in answers] == [422, 404]
    assert Export.objects.count() == 1
