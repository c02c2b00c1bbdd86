"""One Idempotency-Key, many requests at once: one effect, and one answer that all others get too."""

import datetime as dt
from collections import Counter
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from accounts.models import Workspace
from accounts.tests.factories import bearer
from billing.models import Checkout
from core.clock import utc_now
from core.http import idempotency
from core.http.idempotency import LEASE, Claim
from core.models import IdempotencyRecord
from core.rows import insert_unless_present
from demo.stripe import open_page
from enrollments.models import EnrollmentDecision
from enrollments.routing import route
from enrollments.tests.factories import InstanceFactory, seats
from operations.doctor import examine
from sandbox.testing import SandboxProcess
from tests.constraints import without_constraints
from tests.processes import BOTH_COME, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

TIMES = 8


def enroll_at_once(workspace: Workspace, context: dict[str, Any], *, names: list[str]) -> list[tuple[int, str, Any]]:
    """Send POST /api/enroll for learners of these names, all with one key; return status, Idempotent-Replayed, body."""
    headers = bearer(workspace=workspace) | {"Idempotency-Key": "one-key"}

    def post(name: str) -> tuple[int, str, Any]:
        profile = {"email": "student@school.edu", "first_name": name, "last_name": "Doe"}
        body = {"learner_profile": profile, "context": context}
        response = Client().post("/api/enroll", body, content_type="application/json", headers=headers)
        return response.status_code, response.headers.get("Idempotent-Replayed", ""), response.json()

    return at_once(*[lambda name=name: post(name) for name in names])


class TestOneKeyManyTimesAtOnce:
    def test_for_a_district_seat_is_decided_once_and_the_answer_replayed(self) -> None:
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

    def test_without_the_claim_would_carry_out_every_request(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: the key is ignored, each learner gets a seat, and no answer is a replay."""
        monkeypatch.setattr(Claim, "take", lambda self, now: None)
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=50)

        answers = enroll_at_once(instance.workspace, {"tenant_id": 1}, names=[f"Jane{n}" for n in range(TIMES)])

        allocation.refresh_from_db()
        assert Counter((status, replayed) for status, replayed, _ in answers) == {(200, ""): TIMES}
        assert allocation.used_seats == TIMES

    def test_without_the_unique_key_would_do_it_more_than_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: nothing in the database keeps requests from taking the same key."""
        take = Meeting(insert_unless_present, parties=TIMES)
        monkeypatch.setattr(idempotency, "insert_unless_present", take)
        with without_constraints((IdempotencyRecord, unique_key())):
            instance = InstanceFactory()
            seats(instance.workspace, total=50)

            answers = enroll_at_once(instance.workspace, {"tenant_id": 1}, names=[f"Jane{n}" for n in range(TIMES)])

            assert Counter(status for status, _, _ in answers) == {200: TIMES}


class TestTwoThatContinueAClaimThatDied:
    """Its process is gone, its lease has expired, and the same request arrives twice at once."""

    def continue_at_once(self, monkeypatch: pytest.MonkeyPatch, *, patience: float = 0.5) -> list[str]:
        now = utc_now()
        Claim(scope="key:1", key="died", fingerprint="f" * 64).take(now - 2 * LEASE)
        # Both have read the row before one of them changes it.
        look = Meeting(IdempotencyRecord.is_in_flight, patience=patience)
        monkeypatch.setattr(IdempotencyRecord, "is_in_flight", lambda record, now: look(record, now))

        def take() -> str:
            with transaction.atomic():
                Claim(scope="key:1", key="died", fingerprint="f" * 64).take(now)
            return "continues"

        return sorted(getattr(answer, "kind", answer) for answer in at_once(take, take))

    def test_lets_one_of_them_continue(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.continue_at_once(monkeypatch) == ["RequestInFlight", "continues"]

    def test_without_the_row_lock_would_let_both(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        monkeypatch.setattr(IdempotencyRecord.objects, "select_for_update", IdempotencyRecord.objects.all)

        assert self.continue_at_once(monkeypatch, patience=BOTH_COME) == ["continues", "continues"]


class TestARequestThatComesAgainWhileTheFirstIsAtStripe:
    def enroll(self, monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], int]:
        """Return the statuses of the second and of the first, and how often Stripe was asked."""
        workspace = InstanceFactory().workspace
        headers = bearer(workspace=workspace) | {"Idempotency-Key": "one-key"}
        profile = {"email": "student@school.edu", "first_name": "Jane", "last_name": "Doe"}
        body = {"learner_profile": profile, "context": {"guardian_id": "g1"}}
        statuses: list[int] = []
        asked: list[int] = []

        def post() -> None:
            answer = Client().post("/api/enroll", body, content_type="application/json", headers=headers)
            statuses.append(answer.status_code)

        def submit(*, checkout_id: int, now: dt.datetime) -> None:
            asked.append(checkout_id)
            if len(asked) == 1:
                post()
            open_page(Checkout.objects.get(pk=checkout_id))

        monkeypatch.setattr(route, "submit_checkout", submit)
        post()
        return statuses, len(asked)

    def test_is_refused_while_the_first_holds_the_lease(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.enroll(monkeypatch) == ([409, 200], 1)

    def test_would_also_ask_stripe_without_the_lease(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        monkeypatch.setattr(idempotency, "LEASE", dt.timedelta(0))

        assert self.enroll(monkeypatch) == ([200, 200], 2)


def unique_key() -> str:
    (constraint,) = IdempotencyRecord._meta.constraints
    return str(constraint.name)
