"""One Idempotency-Key, many requests at once: one effect, and one answer that the others get to hear."""

from collections import Counter
from typing import Any

import pytest
from django.test import Client

from accounts.models import Workspace
from accounts.tests.factories import bearer
from core.http import idempotency
from core.http.idempotency import Claim
from core.models import IdempotencyRecord
from enrollment_project.doctor import examine
from enrollments.models import EnrollmentDecision
from enrollments.tests.factories import InstanceFactory, seats
from sandbox.testing import SandboxProcess
from tests.constraints import without_constraints
from tests.processes import Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

TIMES = 8


def enroll_at_once(workspace: Workspace, context: dict[str, Any], *, names: list[str]) -> list[tuple[int, str, Any]]:
    """POST /api/enroll for learners of these names, all with one key: status, Idempotent-Replayed and body of each."""
    headers = bearer(workspace=workspace) | {"Idempotency-Key": "one-key"}

    def post(name: str) -> tuple[int, str, Any]:
        profile = {"email": "student@school.edu", "first_name": name, "last_name": "Doe"}
        body = {"learner_profile": profile, "context": context}
        response = Client().post("/api/enroll", body, content_type="application/json", headers=headers)
        return response.status_code, response.headers.get("Idempotent-Replayed", ""), response.json()

    return at_once(*[lambda name=name: post(name) for name in names])


class TestOneKeyManyTimesAtOnce:
    def test_for_a_district_seat_is_answered_once_and_repeated(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=5)

        answers = enroll_at_once(instance.workspace, {"tenant_id": 1}, names=["Jane"] * TIMES)

        allocation.refresh_from_db()
        how = Counter((status, replayed) for status, replayed, _ in answers)
        assert how == {(200, ""): 1, (200, "true"): TIMES - 1}
        assert [body for _, _, body in answers] == [answers[0][2]] * TIMES
        assert allocation.used_seats == IdempotencyRecord.objects.count() == 1
        assert examine() == {}

    def test_for_different_requests_lets_one_of_them_through(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=5)

        answers = enroll_at_once(instance.workspace, {"tenant_id": 1}, names=[f"Jane{n}" for n in range(TIMES)])

        allocation.refresh_from_db()
        assert Counter(status for status, _, _ in answers) == {200: 1, 422: TIMES - 1}
        assert {body["code"] for status, _, body in answers if status == 422} == {"idempotency_key_reused"}
        assert allocation.used_seats == 1

    def test_for_a_checkout_is_in_flight_until_stripe_has_answered(self, stripe: SandboxProcess) -> None:
        instance = InstanceFactory()
        stripe.faults(latency_ms=500)

        answers = enroll_at_once(instance.workspace, {"guardian_id": "g1"}, names=["Jane"] * TIMES)

        assert Counter(status for status, _, _ in answers) == {200: 1, 409: TIMES - 1}
        assert {body["code"] for status, _, body in answers if status == 409} == {"idempotency_key_in_flight"}
        assert len(stripe.ledger()["sessions"]) == EnrollmentDecision.objects.count() == 1
        assert examine() == {}

    def test_without_the_claim_would_do_every_one_of_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: the key ignored, each learner gets a seat and no answer is a replay."""
        monkeypatch.setattr(Claim, "take", lambda self, now: None)
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=50)

        answers = enroll_at_once(instance.workspace, {"tenant_id": 1}, names=[f"Jane{n}" for n in range(TIMES)])

        allocation.refresh_from_db()
        assert Counter((status, replayed) for status, replayed, _ in answers) == {(200, ""): TIMES}
        assert allocation.used_seats == TIMES

    def test_without_the_unique_key_would_do_it_more_than_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: nothing in the database keeps requests from taking the same key."""
        take = Meeting(idempotency.insert_unless_present, parties=TIMES, patience=30)
        monkeypatch.setattr(idempotency, "insert_unless_present", take)
        with without_constraints((IdempotencyRecord, unique_key())):
            instance = InstanceFactory()
            seats(instance.workspace, total=50)

            answers = enroll_at_once(instance.workspace, {"tenant_id": 1}, names=[f"Jane{n}" for n in range(TIMES)])

            assert Counter(status for status, _, _ in answers) == {200: TIMES}


def unique_key() -> str:
    (constraint,) = IdempotencyRecord._meta.constraints
    return str(constraint.name)
