"""Exports of enrollments by API: the fields of REST, narrowed by its filters, for the workspace's keys alone."""

import csv
import io

import pytest
from django.test import Client

from accounts.models import Workspace
from accounts.tests.factories import WorkspaceFactory
from backoffice.exporting import files
from backoffice.exporting.jobs import write_export
from backoffice.models import Export
from core.clock import utc_now
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
    file = Client().get(shown["url"])

    assert asked.status_code == 202
    assert (asked.json()["status"], asked.json()["url"]) == ("queued", None)
    assert (shown["status"], shown["total"], shown["done"]) == ("completed", 1, 1)
    text = file.getvalue().decode("utf-8-sig")
    [row] = csv.DictReader(io.StringIO(text))
    assert row["id"] == wanted.cuid
    assert (row["email"], row["tags"], row["city"]) == (wanted.learner.email, "vip,early", "Graz")
    assert (row["status"], row["meta"]) == ("candidate", '{"roof": "south"}')


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
