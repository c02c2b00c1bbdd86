"""The router's API: districts and their seats."""

from typing import Any

import pytest

from accounts.tests.factories import WorkspaceFactory
from enrollments.models import DistrictSeatAllocation
from enrollments.tests.factories import InstanceFactory, route, seats

from .integrators import Api, fields

pytestmark = pytest.mark.django_db


class TestSeats:
    def test_are_given_to_a_district(self) -> None:
        api = Api(WorkspaceFactory())

        response = api.post("/api/districts/seats", {"tenant_id": 7, "total_seats": 50, "name": "Riverside"})

        body = response.json()
        assert response.status_code == 200
        assert {key: body[key] for key in body if not key.endswith("_at")} == {
            "id": DistrictSeatAllocation.objects.get().pk,
            "tenant_id": 7,
            "name": "Riverside",
            "program_instance_id": None,
            "total_seats": 50,
            "reserved_seats": 0,
            "used_seats": 0,
            "available_seats": 50,
            "term": "",
            "valid_from": None,
            "valid_until": None,
            "is_active": True,
        }

    def test_given_twice_are_a_conflict_but_a_repeat_of_the_request_is_not(self) -> None:
        api = Api(WorkspaceFactory())
        body = {"tenant_id": 7, "total_seats": 50}
        first = api.post("/api/districts/seats", body, **{"Idempotency-Key": "k1"})

        repeat = api.post("/api/districts/seats", body, **{"Idempotency-Key": "k1"})
        second = api.post("/api/districts/seats", body, **{"Idempotency-Key": "k2"})

        assert repeat.json() == first.json()
        assert (second.status_code, second.json()["code"]) == (409, "allocation_exists")
        assert DistrictSeatAllocation.objects.count() == 1

    def test_are_read_and_changed(self) -> None:
        workspace = WorkspaceFactory()
        seats(workspace, total=5, tenant_id=7)
        api = Api(workspace)

        changed = api.put("/api/districts/7/seats", {"total_seats": 8, "is_active": False})

        assert (changed.json()["total_seats"], changed.json()["is_active"]) == (8, False)
        assert api.get("/api/districts/7/seats").json() == changed.json()

    def test_can_not_go_below_what_is_in_use(self) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=5)
        route(instance.workspace)
        api = Api(instance.workspace)

        response = api.put("/api/districts/1/seats", {"total_seats": 0})

        assert (response.status_code, response.json()["code"]) == (409, "allocation_below_use")
        assert api.get("/api/districts/1/seats").json()["total_seats"] == 5

    @pytest.mark.parametrize(
        ("body", "field"),
        [({}, "body"), ({"total_seats": -1}, "total_seats"), ({"total_seats": "5"}, "total_seats"),
         ({"is_active": "no"}, "is_active"), ({"total_seats": 10**12}, "total_seats")],
    )  # fmt: skip
    def test_refuse_a_change_that_makes_no_sense(self, body: dict[str, Any], field: str) -> None:
        workspace = WorkspaceFactory()
        seats(workspace, total=5, tenant_id=7)

        response = Api(workspace).put("/api/districts/7/seats", body)

        assert response.status_code == 422
        assert fields(response) == [field]
        assert DistrictSeatAllocation.objects.get().total_seats == 5

    def test_of_an_unknown_district_or_another_workspace_s_are_not_found(self) -> None:
        theirs = WorkspaceFactory()
        seats(theirs, total=5, tenant_id=7)
        api = Api(WorkspaceFactory())

        answers = [api.get("/api/districts/7/seats"), api.put("/api/districts/7/seats", {"total_seats": 1})]

        assert [answer.status_code for answer in answers] == [404, 404]
        assert DistrictSeatAllocation.objects.get().total_seats == 5

    @pytest.mark.sqlite
    def test_are_listed_for_all_districts_or_the_active_ones(self) -> None:
        workspace = WorkspaceFactory()
        seats(workspace, total=5, tenant_id=7)
        off = seats(workspace, total=5, tenant_id=8)
        DistrictSeatAllocation.objects.filter(pk=off.pk).update(is_active=False)
        seats(WorkspaceFactory(), total=5, tenant_id=9)
        api = Api(workspace)

        every, active = api.get("/api/districts"), api.get("/api/districts", active_only="true")

        assert [row["tenant_id"] for row in every.json()] == [7, 8]
        assert [row["tenant_id"] for row in active.json()] == [7]
        assert api.get("/api/districts", active_only="maybe").status_code == 422
