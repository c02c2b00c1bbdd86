"""Programs and their instances over HTTP."""

from typing import Any

import pytest

from accounts.models import Workspace
from accounts.tests.factories import WorkspaceFactory
from billing.models import Price
from enrollments.models import Program, ProgramInstance

from .factories import InstanceFactory, ProgramFactory
from .integrators import Api, fields

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def api(workspace: Workspace) -> Api:
    return Api(workspace)


class TestAProgram:
    def test_is_created_with_code_and_title(self, api: Api, workspace: Workspace) -> None:
        response = api.post("/api/programs", {"code": "solar", "title": "Solar Savers", "description": "One.\nTwo."})

        assert response.status_code == 201
        program = Program.objects.get()
        assert (program.workspace, program.code, program.active) == (workspace, "solar", True)
        body = response.json()
        assert body.pop("createdAt")
        assert body == {"code": "solar", "title": "Solar Savers", "description": "One.\nTwo.", "active": True}

    def test_is_read_and_changed_by_its_code_with_and_without_a_slash(self, api: Api, workspace: Workspace) -> None:
        ProgramFactory(workspace=workspace, code="solar")

        changed = api.patch("/api/programs/solar/", {"title": "Sun", "active": False, "code": "moon"})

        assert changed.status_code == 200
        assert api.get("/api/programs/solar").json() == changed.json()
        assert (changed.json()["code"], changed.json()["title"], changed.json()["active"]) == ("solar", "Sun", False)

    def test_with_a_known_code_is_refused(self, api: Api, workspace: Workspace) -> None:
        ProgramFactory(workspace=workspace, code="solar")

        response = api.post("/api/programs", {"code": "solar", "title": "Again"})

        assert (response.status_code, response.json()["code"]) == (409, "program_exists")
        assert Program.objects.count() == 1

    @pytest.mark.sqlite
    def test_may_have_the_code_of_another_workspaces(self, api: Api) -> None:
        ProgramFactory(code="solar")

        assert api.post("/api/programs", {"code": "solar", "title": "Ours"}).status_code == 201
        assert [each["title"] for each in api.get("/api/programs").json()["data"]] == ["Ours"]

    @pytest.mark.parametrize("code", ["", "so lar", "a/b", "-a", "ä", "x" * 51])
    def test_with_a_code_that_no_address_holds_is_refused(self, api: Api, code: str) -> None:
        response = api.post("/api/programs", {"code": code, "title": "Solar"})

        assert (response.status_code, fields(response)) == (422, ["code"])
        assert not Program.objects.exists()

    def test_of_the_default_instance_can_not_be_switched_off(self, api: Api, workspace: Workspace) -> None:
        program = InstanceFactory(workspace=workspace).program

        response = api.patch(f"/api/programs/{program.code}", {"active": False})

        assert (response.status_code, fields(response)) == (422, ["active"])
        assert Program.objects.get().active


class TestAProgramInstance:
    NEW = {"programCode": "solar", "name": "Solar 2027"}

    @pytest.fixture(autouse=True)
    def _program(self, workspace: Workspace) -> None:
        ProgramFactory(workspace=workspace, code="solar")

    @pytest.mark.sqlite
    def test_is_created_with_all_that_its_document_names(self, api: Api) -> None:
        facts = self.NEW | {
            "externalId": "class-7",
            "startDate": "2027-01-01",
            "endDate": "2027-12-31",
            "reviewMode": "manual",
            "priceMinor": 4900,
            "currency": "USD",
            "taxRate": 8.5,
            "capacity": 24,
            "isDefault": True,
            "active": True,
            "criteria": [{"name": "Here", "expression": 'address.country == "USA"', "otherwise": "Too far away"}],
        }

        response = api.post("/api/programInstances", facts)

        assert response.status_code == 201, response.json()
        instance = ProgramInstance.objects.get()
        body = response.json()
        assert body.pop("createdAt")
        assert body == facts | {
            "id": instance.cuid,
            "courseId": instance.pk,
            "currency": "usd",
            "refundTiers": [],
            "criteriaVersion": 2,
            "criteria": [
                {
                    "name": "Here",
                    "expression": 'address.country == "USA"',
                    "otherwise": "Too far away",
                    "because": "",
                }
            ],
        }
        assert api.get(f"/api/programInstances/{instance.cuid}/").json()["criteria"] == body["criteria"]

    def test_without_price_has_none(self, api: Api) -> None:
        body = api.post("/api/programInstances", self.NEW | {"priceMinor": 0}).json()

        assert (body["priceMinor"], body["currency"], body["taxRate"]) == (None, None, None)
        assert not Price.objects.exists()

    def test_with_the_same_price_again_uses_it_again(self, api: Api) -> None:
        price = {"priceMinor": 4900, "currency": "USD", "taxRate": 8}
        created = api.post("/api/programInstances", self.NEW | price).json()

        api.patch(f"/api/programInstances/{created['id']}", price)
        changed = api.patch(f"/api/programInstances/{created['id']}", {"priceMinor": 5900}).json()

        assert (changed["priceMinor"], changed["currency"], changed["taxRate"]) == (5900, "usd", 8)
        assert list(Price.objects.order_by("pk").values_list("amount_minor", flat=True)) == [4900, 5900]

    @pytest.mark.parametrize(
        ("facts", "field"),
        [
            ({"programCode": "moon"}, "programCode"),
            ({"name": None}, "name"),
            ({"startDate": "2027-02-01", "endDate": "2027-01-01"}, "endDate"),
            ({"startDate": "01.02.2027"}, "startDate"),
            ({"startDate": "0001-01-01"}, "startDate"),
            ({"reviewMode": "magic"}, "reviewMode"),
            ({"priceMinor": 4900}, "currency"),
            ({"priceMinor": 4900, "currency": "xxq"}, "currency"),
            ({"priceMinor": 1, "currency": "usd"}, "priceMinor"),
            ({"currency": "usd"}, "priceMinor"),
            ({"priceMinor": 4900, "currency": "usd", "taxRate": 101}, "taxRate"),
            ({"priceMinor": 4900, "currency": "usd", "taxRate": "8"}, "taxRate"),
            ({"criteria": [{"name": "A", "expression": "address.", "otherwise": "No"}]}, "criteria[0].expression"),
            ({"criteria": [{"name": "A", "expression": "true"}]}, "criteria[0].otherwise"),
        ],
    )
    def test_with_what_can_not_be_is_refused_by_field(self, api: Api, facts: dict[str, Any], field: str) -> None:
        response = api.post("/api/programInstances", self.NEW | facts)

        assert (response.status_code, fields(response)) == (422, [field])
        assert not ProgramInstance.objects.exists()
        assert not Price.objects.exists()

    def test_that_is_the_default_stays_so_until_another_one_is(self, api: Api) -> None:
        first = api.post("/api/programInstances", self.NEW | {"isDefault": True}).json()["id"]
        refused = [
            fields(api.patch(f"/api/programInstances/{first}", change))
            for change in ({"isDefault": False}, {"active": False})
        ]

        api.post("/api/programInstances", self.NEW | {"isDefault": True})

        assert refused == [["isDefault"], ["active"]]
        assert api.get(f"/api/programInstances/{first}").json()["isDefault"] is False

    def test_changed_criteria_bump_the_version_and_the_same_set_does_not(self, api: Api) -> None:
        criteria = [{"name": "Anybody", "expression": "true", "otherwise": "No"}]
        created = api.post("/api/programInstances", self.NEW | {"criteria": criteria}).json()
        address = f"/api/programInstances/{created['id']}"

        versions = [
            api.patch(address, {"criteria": each}).json()["criteriaVersion"] for each in (criteria, [], criteria)
        ]

        assert (created["criteriaVersion"], versions) == (2, [2, 3, 4])

    def test_of_another_workspace_is_not_found(self, api: Api) -> None:
        theirs = InstanceFactory()

        answers = [
            api.get(f"/api/programInstances/{theirs.cuid}"),
            api.patch(f"/api/programInstances/{theirs.cuid}", {"name": "Ours"}),
            api.get(f"/api/programs/{theirs.program.code}"),
            api.post("/api/programInstances", {"programCode": theirs.program.code, "name": "Ours"}),
        ]

        assert [answer.status_code for answer in answers] == [404, 404, 404, 422]
        assert [each["name"] for each in api.get("/api/programInstances").json()["data"]] == []

    @pytest.mark.sqlite
    def test_list_takes_the_same_number_of_queries_however_many(
        self, api: Api, workspace: Workspace, django_assert_num_queries: Any
    ) -> None:
        for _ in range(3):
            InstanceFactory(workspace=workspace, is_default=False)
        api.get("/api/programInstances")  # the key's first use is recorded

        with django_assert_num_queries(3):  # the key, the page, the total
            assert len(api.get("/api/programInstances").json()["data"]) == 3
