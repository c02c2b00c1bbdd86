"""The list of an instance's enrollments: both kinds of paging, every filter, and the cost."""

import datetime as dt
from typing import Any

import pytest

from accounts.models import Workspace
from accounts.tests.factories import LeadFactory, LearnerFactory, WorkspaceFactory
from enrollments import listing
from enrollments.changes import change_enrollment
from enrollments.models import Enrollment, ProgramInstance

from .factories import STAFF, CandidateFactory, InstanceFactory
from .integrators import Api, fields

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def api(workspace: Workspace) -> Api:
    return Api(workspace)


@pytest.fixture
def instance(workspace: Workspace) -> ProgramInstance:
    return InstanceFactory(workspace=workspace)


def enrolled(instance: ProgramInstance, *, hours: int = 0, **facts: Any) -> Enrollment:
    """Return an enrollment that was created this many hours after noon."""
    tags = facts.pop("tags", None)
    slugs = facts.pop("manufacturer_slugs", None)
    if "lead" in facts:
        facts["learner"] = None
    made = CandidateFactory(
        workspace=instance.workspace, instance=instance, created_at=NOON + dt.timedelta(hours=hours), **facts
    )
    labels = {name: value for name, value in (("tags", tags), ("manufacturer_slugs", slugs)) if value}
    if labels:
        change_enrollment(enrollment_id=made.pk, changes=labels, actor=STAFF, now=NOON)
    return made


def listed(api: Api, instance: ProgramInstance, **query: Any) -> list[str]:
    answer = api.get(f"/api/programInstances/{instance.cuid}/enrollments", **query)
    assert answer.status_code == 200, answer.json()
    return [each["id"] for each in answer.json()["data"]]


class TestAPage:
    def test_by_number_has_the_shape_of_the_document(self, api: Api, instance: ProgramInstance) -> None:
        rows = [enrolled(instance, hours=hours) for hours in range(3)]
        address = f"/api/programInstances/{instance.cuid}/enrollments"

        first = api.get(address, page=1, perPage=2).json()
        second = api.get(f"{address}/", page=2, perPage=2).json()

        assert [each["id"] for each in first["data"]] == [rows[2].cuid, rows[1].cuid]
        assert [each["id"] for each in second["data"]] == [rows[0].cuid]
        assert {name: first[name] for name in first if name not in ("data", "nextCursor")} == {
            "page": 1,
            "perPage": 2,
            "totalItems": 3,
            "totalPages": 2,
            "totalIsExact": True,
        }
        assert (second["page"], second["nextCursor"]) == (2, None)

    def test_zero_means_the_first(self, api: Api, instance: ProgramInstance) -> None:
        row = enrolled(instance)

        answer = api.get(f"/api/programInstances/{instance.cuid}/enrollments", page=0).json()

        assert (answer["page"], answer["perPage"], [each["id"] for each in answer["data"]]) == (1, 50, [row.cuid])

    def test_by_cursor_reaches_every_row_once_even_those_of_one_moment(
        self, api: Api, instance: ProgramInstance
    ) -> None:
        rows = [enrolled(instance, hours=hours) for hours in (0, 1, 1, 1, 1, 2)]
        address = f"/api/programInstances/{instance.cuid}/enrollments"

        seen: list[str] = []
        cursor: dict[str, str] = {}
        for _ in range(3):
            page = api.get(address, perPage=2, **cursor).json()
            seen += [each["id"] for each in page["data"]]
            cursor = {"cursor": page["nextCursor"]}

        assert seen == [rows[5].cuid, *(row.cuid for row in reversed(rows[1:5])), rows[0].cuid]
        assert page["nextCursor"] is None
        assert page["page"] is None

    @pytest.mark.sqlite
    def test_by_cursor_stays_where_it_was_when_somebody_enrolls_meanwhile(
        self, api: Api, instance: ProgramInstance
    ) -> None:
        rows = [enrolled(instance, hours=hours) for hours in range(3)]
        address = f"/api/programInstances/{instance.cuid}/enrollments"
        cursor = api.get(address, perPage=2).json()["nextCursor"]

        enrolled(instance, hours=5)

        assert listed(api, instance, perPage=2, cursor=cursor) == [rows[0].cuid]

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"page": "x"}, "page"),
            ({"page": 201, "perPage": 50}, "page"),
            ({"perPage": 0}, "perPage"),
            ({"perPage": 201}, "perPage"),
            ({"cursor": "nonsense"}, "cursor"),
            ({"cursor": "MS4y", "page": 1}, "page"),
            ({"status": "lost"}, "status"),
            ({"email": "nobody"}, "email"),
            ({"createdFrom": "yesterday"}, "createdFrom"),
            ({"tag": ""}, "tag"),
        ],
    )
    def test_that_can_not_be_is_refused_by_name(
        self, api: Api, instance: ProgramInstance, query: dict[str, Any], field: str
    ) -> None:
        answer = api.get(f"/api/programInstances/{instance.cuid}/enrollments", **query)

        assert (answer.status_code, fields(answer)) == (422, [field])

    def test_takes_the_same_number_of_queries_however_many(
        self, api: Api, instance: ProgramInstance, django_assert_num_queries: Any
    ) -> None:
        for hours in range(3):
            enrolled(instance, hours=hours, previous=None)
        enrolled(instance, lead=LeadFactory(workspace=instance.workspace))
        listed(api, instance)

        with django_assert_num_queries(5):  # the key, the instance, the page's keys, the total, the page
            assert len(listed(api, instance)) == 4

    def test_of_another_workspaces_instance_is_not_found(self, api: Api) -> None:
        assert api.get(f"/api/programInstances/{InstanceFactory().cuid}/enrollments").status_code == 404


class TestAFilter:
    def test_by_status(self, api: Api, instance: ProgramInstance) -> None:
        enrolled(instance)
        wanted = enrolled(instance, eligibility_status="approved", participation_status="active")

        assert listed(api, instance, status="approved") == [wanted.cuid]

    def test_by_tag(self, api: Api, instance: ProgramInstance) -> None:
        enrolled(instance, tags=["vips"])
        wanted = [enrolled(instance, hours=hours, tags=["vip", "x"]) for hours in range(2)]

        assert listed(api, instance, tag="vip") == [wanted[1].cuid, wanted[0].cuid]

    def test_by_manufacturer_slug(self, api: Api, instance: ProgramInstance) -> None:
        enrolled(instance, manufacturer_slugs=["enphase"])
        wanted = enrolled(instance, manufacturer_slugs=["tesla", "enphase"])

        assert listed(api, instance, manufacturerSlug="tesla") == [wanted.cuid]

    def test_by_reference_id(self, api: Api, instance: ProgramInstance) -> None:
        enrolled(instance, reference_id="R-10")
        wanted = enrolled(instance, reference_id="R-1")

        assert listed(api, instance, referenceId="R-1") == [wanted.cuid]

    @pytest.mark.sqlite
    def test_by_email_of_a_learner_or_a_lead(self, api: Api, instance: ProgramInstance) -> None:
        workspace = instance.workspace
        enrolled(instance)
        learner = enrolled(instance, learner=LearnerFactory(workspace=workspace, email="ada@home.test"))
        lead = enrolled(instance, hours=1, lead=LeadFactory(workspace=workspace, email="ada@home.test"))

        assert listed(api, instance, email="ADA@Home.Test") == [lead.cuid, learner.cuid]

    @pytest.mark.sqlite
    def test_by_the_range_of_creation(self, api: Api, instance: ProgramInstance) -> None:
        rows = [enrolled(instance, hours=hours) for hours in range(4)]

        found = listed(api, instance, createdFrom="2026-09-01T13:00:00Z", createdUntil="2026-09-01T15:00:00Z")

        assert found == [rows[2].cuid, rows[1].cuid]

    @pytest.mark.parametrize("search", ["lovel", "LOVE", "ada@"])
    def test_by_the_beginning_of_a_last_name_or_an_address(
        self, api: Api, instance: ProgramInstance, search: str
    ) -> None:
        enrolled(instance)
        ada = LearnerFactory(workspace=instance.workspace, last_name="Lovelace", email="ada@home.test")
        wanted = enrolled(instance, learner=ada)

        assert listed(api, instance, search=search) == [wanted.cuid]

    @pytest.mark.sqlite
    def test_holds_together_with_all_others(self, api: Api, instance: ProgramInstance) -> None:
        ada = LearnerFactory(workspace=instance.workspace, last_name="Lovelace", email="ada@home.test")
        facts: dict[str, Any] = {"tags": ["vip"], "manufacturer_slugs": ["tesla"], "reference_id": "R-1"}
        wanted = enrolled(instance, learner=ada, **facts)
        enrolled(instance, **facts)
        query: dict[str, Any] = {
            "status": "candidate",
            "tag": "vip",
            "manufacturerSlug": "tesla",
            "referenceId": "R-1",
            "email": "ada@home.test",
            "search": "love",
            "createdFrom": "2026-09-01T12:00:00Z",
            "createdUntil": "2026-09-01T12:00:01Z",
        }

        assert listed(api, instance, **query) == [wanted.cuid]
        for name, other in (("status", "rejected"), ("tag", "x"), ("manufacturerSlug", "x"), ("referenceId", "x")):
            assert listed(api, instance, **(query | {name: other})) == []

    @pytest.mark.parametrize("first", ["tag", "manufacturerSlug", "referenceId"])
    def test_narrows_what_another_one_leads_to(self, api: Api, instance: ProgramInstance, first: str) -> None:
        facts: dict[str, Any] = {"tags": ["vip"], "manufacturer_slugs": ["tesla"], "reference_id": "R-1"}
        values = {"tag": "vip", "manufacturerSlug": "tesla", "referenceId": "R-1"}
        enrolled(instance, **facts)
        wanted = enrolled(instance, eligibility_status="submitted", **facts)

        assert listed(api, instance, status="submitted", **{first: values[first]}) == [wanted.cuid]

    @pytest.mark.sqlite
    def test_does_not_show_what_was_deleted(self, api: Api, instance: ProgramInstance) -> None:
        gone = enrolled(instance, tags=["vip"], reference_id="R-1")
        Enrollment.objects.filter(pk=gone.pk).update(deleted_at=NOON)

        for query in ({}, {"tag": "vip"}, {"referenceId": "R-1"}, {"email": gone.person.email}):
            assert listed(api, instance, **query) == []


class TestALongSearch:
    """If filters match little, a request searches a limited part of the list and says where to continue."""

    @pytest.fixture(autouse=True)
    def _short_sight(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(listing, "SCANNED", 3)

    @pytest.mark.sqlite
    def test_goes_on_by_cursor_until_all_was_looked_through(self, api: Api, instance: ProgramInstance) -> None:
        wanted = enrolled(instance, tags=["vip"], eligibility_status="submitted")
        for hours in range(1, 8):
            enrolled(instance, hours=hours, tags=["vip"])
            enrolled(instance, hours=hours + 10, eligibility_status="submitted")
        address = f"/api/programInstances/{instance.cuid}/enrollments"

        pages = [api.get(address, tag="vip", status="submitted").json()]
        while pages[-1]["nextCursor"]:
            pages.append(api.get(address, tag="vip", status="submitted", cursor=pages[-1]["nextCursor"]).json())

        assert [len(page["data"]) for page in pages] == [0, 0, 1]
        assert pages[-1]["data"][0]["id"] == wanted.cuid
        assert (pages[0]["totalItems"], pages[0]["totalIsExact"]) == (0, False)

    @pytest.mark.sqlite
    def test_is_not_needed_where_one_of_the_filters_leaves_few(self, api: Api, instance: ProgramInstance) -> None:
        wanted = enrolled(instance, tags=["vip"], manufacturer_slugs=["enphase"], eligibility_status="submitted")
        for hours in range(1, 8):
            enrolled(instance, hours=hours, tags=["vip"], manufacturer_slugs=["enphase"])
        address = f"/api/programInstances/{instance.cuid}/enrollments"

        found = api.get(address, tag="vip", manufacturerSlug="enphase", status="submitted").json()

        assert [each["id"] for each in found["data"]] == [wanted.cuid]
        assert (found["nextCursor"], found["totalItems"], found["totalIsExact"]) == (None, 1, True)

    @pytest.mark.sqlite
    def test_ends_where_nothing_is_left_to_look_through(
        self, api: Api, instance: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listing, "PEOPLE", 0)
        ada = LearnerFactory(workspace=instance.workspace, last_name="Lovelace")
        wanted = enrolled(instance, learner=ada)
        for hours in range(1, 3):
            enrolled(instance, hours=hours)
        address = f"/api/programInstances/{instance.cuid}/enrollments"

        found = api.get(address, search="love").json()

        assert [each["id"] for each in found["data"]] == [wanted.cuid]
        assert (found["nextCursor"], found["totalItems"], found["totalIsExact"]) == (None, 1, True)

    def test_is_not_needed_for_few_people(
        self, api: Api, instance: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ada = LearnerFactory(workspace=instance.workspace, last_name="Lovelace")
        wanted = enrolled(instance, learner=ada)
        for hours in range(1, 8):
            enrolled(instance, hours=hours)
        found = listed(api, instance, search="love", status="candidate")
        monkeypatch.setattr(listing, "PEOPLE", 0)

        with_too_many_people = listed(api, instance, search="love", status="candidate")

        assert (found, with_too_many_people) == ([wanted.cuid], [])
