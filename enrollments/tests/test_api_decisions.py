"""The router's API: reading decisions."""

from typing import Any

import pytest

from accounts.tests.factories import WorkspaceFactory
from enrollments.tests.factories import InstanceFactory, route, seats

from .integrators import Api, fields

pytestmark = pytest.mark.django_db


class TestDecisions:
    def test_are_read_by_both_paths(self) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=50)
        decision = route(instance.workspace).decision
        api = Api(instance.workspace)

        responses = [api.get(f"/api/{name}/{decision.pk}") for name in ("enrollments", "decisions")]

        assert responses[0].json() == responses[1].json()
        body = responses[0].json()
        assert {key: body[key] for key in list(body)[:14]} == {
            "decision_id": decision.pk,
            "provision_source": "district",
            "status": "completed",
            "reason": "district_seat_reserved",
            "learner_profile": {"email": "jane@school.test", "first_name": "Jane", "last_name": "Doe"},
            "context": {"tenant_id": 1, "guardian_id": None},
            "tenant_id": 1,
            "seats_reserved": 1,
            "seats_available": 49,
            "guardian_id": None,
            "checkout_session_id": None,
            "checkout_url": None,
            "enrollment_id": decision.enrollment.cuid,
            "message": "Successfully enrolled via district allocation",
        }

    @pytest.mark.parametrize("decision_id", ["999999", "9" * 30])
    def test_that_do_not_exist_are_not_found(self, decision_id: str) -> None:
        response = Api(WorkspaceFactory()).get(f"/api/decisions/{decision_id}")

        assert (response.status_code, response.json()["code"]) == (404, "not_found")

    def test_of_another_workspace_are_not_found_either(self) -> None:
        theirs = InstanceFactory()
        seats(theirs.workspace, total=1)
        decision = route(theirs.workspace).decision

        response = Api(WorkspaceFactory()).get(f"/api/decisions/{decision.pk}")

        assert response.status_code == 404

    def test_are_listed_newest_first_with_the_total(self) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=5)
        ids = [route(instance.workspace, email=f"{n}@school.test").decision.pk for n in range(3)]

        response = Api(instance.workspace).get("/api/enrollments", limit=2)

        assert [row["decision_id"] for row in response.json()] == [ids[2], ids[1]]
        assert response["X-Total-Count"] == "3"

    @pytest.mark.sqlite
    @pytest.mark.parametrize(
        ("params", "found"),
        [
            ({"tenant_id": 1}, 2),
            ({"tenant_id": 2}, 0),
            ({"guardian_id": "g1"}, 1),
            ({"status": "completed"}, 2),
            ({"status": "failed"}, 0),
            ({"provision_source": "district"}, 2),
            ({"learner_email": "A@school.test"}, 1),
            ({"created_after": "2026-01-01T00:00:00Z"}, 2),
            ({"created_before": "2026-01-01T00:00:00Z"}, 0),
        ],
    )
    def test_can_be_narrowed(self, params: dict[str, Any], found: int) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=5)
        route(instance.workspace, email="a@school.test", guardian_id="g1")
        route(instance.workspace, email="b@school.test")

        response = Api(instance.workspace).get("/api/decisions", **params)

        assert len(response.json()) == found

    @pytest.mark.parametrize(
        ("name", "value"),
        [("limit", "0"), ("limit", "501"), ("limit", "x"), ("offset", "-1"), ("status", "done"), ("tenant_id", "x"),
         ("created_after", "yesterday"), ("tenant_id", "1e30"), ("learner_email", "\x00")],
    )  # fmt: skip
    def test_refuse_a_filter_that_makes_no_sense(self, name: str, value: str) -> None:
        response = Api(WorkspaceFactory()).get("/api/decisions", **{name: value})

        assert response.status_code == 422
        assert fields(response) == [name]

    def test_are_listed_with_the_same_number_of_queries_however_many(self, django_assert_num_queries: Any) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=20)
        for n in range(8):
            route(instance.workspace, email=f"{n}@school.test", guardian_id=f"g{n}")
        api = Api(instance.workspace)
        api.get("/api/decisions")

        with django_assert_num_queries(3):  # the key, the page, the total
            response = api.get("/api/decisions")

        assert len(response.json()) == 8
