"""The Router's HTTP contract: what it answers, and what it refuses without changing anything."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import Learner, Workspace
from accounts.tests.factories import WorkspaceFactory, bearer
from enrollments.models import DistrictSeatAllocation, Enrollment, EnrollmentDecision, SeatAssignment
from enrollments.tests.factories import InstanceFactory, route, seats
from events.models import OutboxEvent

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PROFILE = {"email": "student@school.edu", "first_name": "Jane", "last_name": "Doe", "grade_level": "3rd"}


class Api:
    """One integrator's calls to one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.client = Client()
        self.headers = bearer(workspace=workspace)

    def get(self, path: str, **params: Any) -> Any:
        return self.client.get(path, params, headers=self.headers)

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return self.client.post(path, body, content_type="application/json", headers=self.headers | headers)

    def put(self, path: str, body: Any) -> Any:
        return self.client.put(path, body, content_type="application/json", headers=self.headers)

    def enroll(self, *, key: str | None = None, **changes: Any) -> Any:
        body = {"learner_profile": PROFILE, "context": {"tenant_id": 1, "source": "district_portal"}} | changes
        return self.post("/api/enroll", body, **({"Idempotency-Key": key} if key else {}))


def nothing_was_written() -> bool:
    return not any(
        model.objects.exists() for model in (Learner, Enrollment, EnrollmentDecision, SeatAssignment, OutboxEvent)
    )


def fields(response: Any) -> list[str]:
    return [error["field"] for error in response.json()["errors"]]


class TestEnroll:
    def test_answers_with_the_documented_district_result(self) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=50)

        response = Api(instance.workspace).enroll()

        decision = EnrollmentDecision.objects.get()
        assert response.status_code == 200
        assert response.json() == {
            "provision_source": "district",
            "status": "completed",
            "tenant_id": 1,
            "seats_reserved": 1,
            "seats_available": 49,
            "decision_id": decision.pk,
            "enrollment_id": decision.enrollment.cuid,
            "reason": "district_seat_reserved",
            "message": "Successfully enrolled via district allocation",
        }

    def test_answers_with_a_trailing_slash_too(self) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=1)

        response = Api(instance.workspace).post(
            "/api/enroll/", {"learner_profile": PROFILE, "context": {"tenant_id": 1}}
        )

        assert response.status_code == 200

    def test_remembers_who_asked_and_by_which_request(self) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=1)
        api = Api(instance.workspace)

        response = api.post(
            "/api/enroll", {"learner_profile": PROFILE, "context": {"tenant_id": 1}}, **{"X-Request-Id": "portal-4711"}
        )

        decision = EnrollmentDecision.objects.get()
        key = instance.workspace.api_keys.get()
        assert response["X-Request-Id"] == "portal-4711"
        assert (decision.actor, decision.request_id) == (f"key:{key.pk}", "portal-4711")
        assert set(decision.enrollment.transitions.values_list("actor", "request_id")) == {
            (f"key:{key.pk}", "portal-4711")
        }

    def test_with_the_same_key_answers_the_same_without_doing_it_again(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=5)
        api = Api(instance.workspace)
        first = api.enroll(key="abc")

        again = api.enroll(key="abc")

        allocation.refresh_from_db()
        assert again.json() == first.json()
        assert again["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in first
        assert allocation.used_seats == 1

    def test_with_the_same_key_and_another_body_is_refused(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=5)
        api = Api(instance.workspace)
        api.enroll(key="abc")

        other = api.enroll(key="abc", learner_profile=PROFILE | {"first_name": "John"})

        allocation.refresh_from_db()
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        assert allocation.used_seats == 1

    def test_the_same_key_of_another_caller_is_another_key(self) -> None:
        ours, theirs = InstanceFactory(), InstanceFactory()
        seats(ours.workspace, total=1)
        seats(theirs.workspace, total=1)
        first = Api(ours.workspace).enroll(key="abc")

        second = Api(theirs.workspace).enroll(key="abc")

        assert second.status_code == 200
        assert second.json()["decision_id"] != first.json()["decision_id"]

    def test_without_a_price_refuses_the_parent_and_writes_nothing(self) -> None:
        instance = InstanceFactory(price=None)

        response = Api(instance.workspace).enroll(key="abc", context={"guardian_id": "guardian_456"})

        assert (response.status_code, response.json()["code"]) == (409, "not_for_sale")
        assert nothing_was_written()


class TestBadInput:
    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"learner_profile": None}, "learner_profile"),
            ({"learner_profile": []}, "learner_profile"),
            ({"learner_profile": PROFILE | {"email": "nobody"}}, "learner_profile.email"),
            ({"learner_profile": PROFILE | {"email": 5}}, "learner_profile.email"),
            ({"learner_profile": PROFILE | {"email": "a" * 250 + "@b.test"}}, "learner_profile.email"),
            ({"learner_profile": PROFILE | {"first_name": ""}}, "learner_profile.first_name"),
            ({"learner_profile": PROFILE | {"first_name": 12}}, "learner_profile.first_name"),
            ({"learner_profile": PROFILE | {"last_name": "x" * 151}}, "learner_profile.last_name"),
            ({"learner_profile": PROFILE | {"last_name": "nul\x00"}}, "learner_profile.last_name"),
            ({"learner_profile": PROFILE | {"learner_id": True}}, "learner_profile.learner_id"),
            ({"learner_profile": PROFILE | {"additional_info": "x"}}, "learner_profile.additional_info"),
            ({"learner_profile": PROFILE | {"additional_info": {"a": "\x00"}}}, "learner_profile.additional_info.a"),
            ({"context": {}}, "context"),
            ({"context": {"source": "portal"}}, "context"),
            ({"context": {"tenant_id": "one"}}, "context.tenant_id"),
            ({"context": {"tenant_id": "1"}}, "context.tenant_id"),
            ({"context": {"tenant_id": 1.5}}, "context.tenant_id"),
            ({"context": {"tenant_id": True}}, "context.tenant_id"),
            ({"context": {"tenant_id": -1}}, "context.tenant_id"),
            ({"context": {"tenant_id": 10**30}}, "context.tenant_id"),
            ({"context": {"guardian_id": 456}}, "context.guardian_id"),
            ({"context": {"guardian_id": "g" * 151}}, "context.guardian_id"),
            ({"context": {"tenant_id": 1, "program_instance_id": 1.5}}, "context.program_instance_id"),
            ({"context": {"tenant_id": 1, "program_instance_id": "x"}}, "context.program_instance_id"),
            ({"context": {"tenant_id": 1, "program_instance_id": 10**18}}, "context.program_instance_id"),
            ({"context": {"tenant_id": 1, "program_instance_id": "c" * 24}}, "context.program_instance_id"),
        ],
    )
    def test_is_refused_by_name_and_changes_nothing(self, changes: dict[str, Any], field: str) -> None:
        instance = InstanceFactory()
        seats(instance.workspace, total=5)

        response = Api(instance.workspace).enroll(key="abc", **changes)

        assert response.status_code == 422
        assert response["Content-Type"] == "application/problem+json"
        assert fields(response) == [field]
        assert nothing_was_written()

    def test_tells_all_faults_at_once(self) -> None:
        instance = InstanceFactory()

        response = Api(instance.workspace).enroll(learner_profile={"email": "x"}, context={"tenant_id": "x"})

        assert fields(response) == [
            "learner_profile.email",
            "learner_profile.first_name",
            "learner_profile.last_name",
            "context.tenant_id",
        ]

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"", 422),
            (b"{", 400),
            (b'{"a": NaN}', 422),
            (b"\xff\xfe", 400),
            (b"[" * 100_000, 422),
            (b'{"a": ' * 50 + b"1" + b"}" * 50, 422),
            (b'{"a": 1e999}', 422),
            (b'{"a": ' + b"9" * 5000 + b"}", 422),
            (b'{"learner_profile": {"email": "\\ud800"}}', 422),
            (b"[]", 422),
            (b"null", 422),
            (b'"text"', 422),
            (b'{"a": "' + b"x" * 10_000_000 + b'"}', 413),
        ],
        ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else value,
    )
    def test_of_any_kind_is_a_problem_document(self, body: bytes, status: int) -> None:
        instance = InstanceFactory()

        response = Api(instance.workspace).post("/api/enroll", body)

        assert response.status_code == status
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["status"] == status
        assert nothing_was_written()

    def test_of_another_content_type_is_refused(self) -> None:
        instance = InstanceFactory()
        api = Api(instance.workspace)

        response = api.client.post("/api/enroll", {"a": "1"}, headers=api.headers)

        assert response.status_code == 415
        assert response["Content-Type"] == "application/problem+json"


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
