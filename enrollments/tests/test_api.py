"""The router's API: a request to enroll, and its refusals."""

from typing import Any

import pytest

from enrollments.models import EnrollmentDecision
from enrollments.tests.factories import InstanceFactory, seats

from .integrators import PROFILE, Api, fields, nothing_was_written

pytestmark = pytest.mark.django_db


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
