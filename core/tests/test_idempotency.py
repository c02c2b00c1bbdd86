import contextlib
import datetime as dt
import threading
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import OperationalError, close_old_connections, connection, transaction

from core.http import idempotency
from core.http.idempotency import (
    KEEP,
    LEASE,
    AlreadyAnswered,
    Claim,
    KeyReused,
    RequestInFlight,
    TooManyKeys,
    forget_old_answers,
)
from core.models import IdempotencyRecord
from core.tasks import forget_old_answers as forget_task

pytestmark = pytest.mark.urls("core.tests.sample_api")

NOON = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)


def post(client, key, body=None):
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/api/counted", data=body or {}, content_type="application/json", headers=headers)


def effects():
    return IdempotencyRecord.objects.filter(scope="effect").count()


@pytest.mark.django_db
class TestARepeatedRequest:
    def test_has_one_effect_and_the_same_answer(self, client):
        first = post(client, "order-1")
        second = post(client, "order-1")

        assert (first.status_code, second.status_code) == (201, 201)
        assert second.json() == first.json()
        assert second["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in first
        assert effects() == 1

    def test_with_another_body_is_refused(self, client):
        post(client, "order-1", {"a": 1})

        second = post(client, "order-1", {"a": 2})

        assert second.status_code == 422
        assert second.json()["code"] == "idempotency_key_reused"
        assert effects() == 1

    def test_with_another_key_is_another_request(self, client):
        post(client, "order-1")
        post(client, "order-2")

        assert effects() == 2

    def test_without_a_key_is_another_request(self, client):
        post(client, None)
        post(client, None)

        assert effects() == 2

    def test_after_a_refusal_runs_again(self, client):
        refused = post(client, "order-1", {"fail": True})
        kept = IdempotencyRecord.objects.count()
        again = post(client, "order-1", {"fail": True})

        assert (refused.status_code, again.status_code) == (409, 409)
        assert kept == 0

    @pytest.mark.parametrize("key", ["", " ", "x" * 256, "tab\there", "é"])
    def test_needs_a_usable_key(self, client, key):
        response = post(client, key)

        assert response.status_code == (201 if key == "é" else 422)
        assert effects() == (1 if key == "é" else 0)


@pytest.mark.django_db
class TestAClaim:
    def claim(self, **change):
        return Claim(**({"scope": "key:1", "key": "order-1", "fingerprint": "f" * 64} | change))

    def test_costs_one_statement(self, django_assert_num_queries):
        self.claim(key="counted-before").take(NOON)

        with django_assert_num_queries(1):
            self.claim().take(NOON)

    def test_is_released_by_a_failure_and_not_by_success(self):
        kept = self.claim(key="kept")
        kept.take(NOON)
        with kept.released_on_failure():
            kept.store(201, {})
        failed = self.claim()
        failed.take(NOON)

        with pytest.raises(ValueError, match="refused"), failed.released_on_failure():
            raise ValueError("refused")

        assert list(IdempotencyRecord.objects.values_list("key", flat=True)) == ["kept"]

    def test_that_cannot_be_released_stays_and_the_failure_is_the_first_one(self, monkeypatch):
        claim = self.claim()
        claim.take(NOON)
        monkeypatch.setattr(Claim, "release", Mock(side_effect=OperationalError("the database is gone")))

        with pytest.raises(ValueError, match="refused"), claim.released_on_failure():
            raise ValueError("refused")

        assert list(IdempotencyRecord.objects.values_list("key", flat=True)) == ["order-1"]

    def test_without_a_key_costs_nothing(self, django_assert_num_queries):
        claim = self.claim(key=None)

        with django_assert_num_queries(0):
            claim.take(NOON)
            claim.store(201, {})
            claim.release()

    def test_in_flight_is_refused_until_the_lease_ends(self):
        self.claim().take(NOON)

        with pytest.raises(RequestInFlight):
            self.claim().take(NOON + LEASE - dt.timedelta(seconds=1))

    def test_that_died_may_be_continued_after_its_lease(self):
        self.claim().take(NOON)
        again = self.claim()

        again.take(NOON + LEASE + dt.timedelta(seconds=1))
        again.store(201, {"done": True})

        with pytest.raises(AlreadyAnswered) as answer:
            self.claim().take(NOON + LEASE + dt.timedelta(seconds=2))
        assert (answer.value.status, answer.value.body) == (201, {"done": True})

    def test_given_back_may_be_taken_at_once(self):
        first = self.claim()
        first.take(NOON)

        first.release()
        self.claim().take(NOON)

        assert IdempotencyRecord.objects.count() == 1

    @pytest.mark.sqlite
    def test_answered_is_not_given_back(self):
        first = self.claim()
        first.take(NOON)
        first.store(201, {})

        first.release()

        assert IdempotencyRecord.objects.get().response_status == 201

    def test_is_one_caller_s_alone(self):
        self.claim().take(NOON)

        self.claim(scope="key:2").take(NOON)

        assert IdempotencyRecord.objects.count() == 2

    @pytest.mark.sqlite
    def test_past_its_day_is_as_new(self):
        old = self.claim()
        old.take(NOON)
        old.store(201, {})

        self.claim(fingerprint="g" * 64).take(NOON + KEEP + dt.timedelta(seconds=1))

        record = IdempotencyRecord.objects.get()
        assert (record.fingerprint, record.response_status) == ("g" * 64, None)

    def test_with_another_fingerprint_is_refused_even_when_the_first_died(self):
        self.claim().take(NOON)

        with pytest.raises(KeyReused):
            self.claim(fingerprint="g" * 64).take(NOON + LEASE * 2)


@pytest.mark.django_db
class TestTheLimitOfKeys:
    @pytest.fixture(autouse=True)
    def _nothing_counted_before(self, settings, monkeypatch):
        settings.IDEMPOTENCY_KEYS_KEPT = {"key": 40, "user": 3}
        monkeypatch.setattr(idempotency, "_uncounted", {})

    def take(self, key, *, scope="user:1", now=NOON):
        with transaction.atomic():
            Claim(scope=scope, key=key, fingerprint="f" * 64).take(now)

    @pytest.mark.sqlite
    def test_refuses_one_request_under_ever_new_keys(self, client, time_machine):
        time_machine.move_to(NOON, tick=False)
        answers = [post(client, f"again-{number}").status_code for number in range(3)]

        refused = post(client, "again-3")

        assert answers == [201, 201, 201]
        assert refused.status_code == 429
        assert refused["Retry-After"] == str(24 * 60 * 60)
        assert refused["Content-Type"] == "application/problem+json"
        assert refused.json()["code"] == "too_many_idempotency_keys"
        assert "send this one without a key" in refused.json()["detail"]
        assert effects() == 3
        assert IdempotencyRecord.objects.exclude(scope="effect").count() == 3

    def test_is_what_refuses_them(self, client, settings):
        """Control: with room for more, the same request under a fourth key has its effect."""
        settings.IDEMPOTENCY_KEYS_KEPT = {"key": 4, "user": 4}

        answers = [post(client, f"again-{number}").status_code for number in range(4)]

        assert answers == [201] * 4
        assert effects() == 4

    def test_keeps_known_keys_answered_and_requests_without_one_served(self, client):
        first = post(client, "again-0").json()
        for number in range(1, 5):
            post(client, f"again-{number}")

        repeated, without = post(client, "again-0"), post(client, None)

        assert (repeated.status_code, repeated.json()) == (201, first)
        assert without.status_code == 201
        assert effects() == 4

    def test_counts_each_caller_apart_and_api_keys_by_their_own_number(self):
        for number in range(3):
            self.take(f"k{number}")
        for number in range(40):
            self.take(f"k{number}", scope="key:1")

        self.take("k0", scope="user:2")
        for scope in ("user:1", "key:1"):
            with pytest.raises(TooManyKeys):
                self.take("one-more", scope=scope)

        assert IdempotencyRecord.objects.count() == 3 + 40 + 1

    def test_ends_when_the_oldest_key_is_forgotten(self):
        self.take("first", now=NOON - dt.timedelta(hours=23))
        self.take("second")
        self.take("third")

        with pytest.raises(TooManyKeys) as refusal:
            self.take("fourth")
        self.take("fourth", now=NOON + dt.timedelta(seconds=refusal.value.retry_after + 1))

        assert refusal.value.retry_after == 60 * 60

    def test_counts_no_key_that_was_given_back(self):
        for number in range(9):
            claim = Claim(scope="user:1", key=f"k{number}", fingerprint="f" * 64)
            claim.take(NOON)
            claim.release()

        assert IdempotencyRecord.objects.count() == 0

    def test_holds_for_all_processes_together(self, monkeypatch):
        processes: list[dict[Any, Any]] = [{} for _ in range(8)]

        for number in range(60):
            monkeypatch.setattr(idempotency, "_uncounted", processes[number % 8])
            with contextlib.suppress(TooManyKeys):
                self.take(f"k{number}", scope="key:1")

        assert IdempotencyRecord.objects.count() == 40

    def test_costs_a_count_for_many_keys(self, settings, django_assert_num_queries):
        settings.IDEMPOTENCY_KEYS_KEPT = {"key": 1000, "user": 3}
        self.take("k", scope="key:1")

        with django_assert_num_queries(49):
            for number in range(49):
                Claim(scope="key:1", key=f"k{number}", fingerprint="f" * 64).take(NOON)


@pytest.mark.django_db
class TestTheSweep:
    @pytest.mark.sqlite
    def test_forgets_what_is_past_its_day_only(self):
        Claim(scope="key:1", key="old", fingerprint="").take(NOON - KEEP - dt.timedelta(seconds=1))
        Claim(scope="key:1", key="young", fingerprint="").take(NOON - KEEP + dt.timedelta(seconds=1))

        deleted = forget_old_answers(now=NOON)

        assert deleted == 1
        assert IdempotencyRecord.objects.get().key == "young"

    def test_runs_as_a_task(self):
        Claim(scope="key:1", key="old", fingerprint="").take(NOON - dt.timedelta(days=3650))

        assert forget_task() == 1


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
class TestTheSameRequestAtOnce:
    def test_has_one_effect(self):
        barrier, outcomes = threading.Barrier(6), []

        def ask():
            close_old_connections()
            claim = Claim(scope="key:1", key="order-1", fingerprint="f" * 64)
            barrier.wait(10)
            try:
                with transaction.atomic():
                    claim.take(NOON)
                    claim.store(201, {})
                    outcomes.append("effect")
            except AlreadyAnswered:
                outcomes.append("replay")
            finally:
                connection.close()

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert sorted(outcomes) == ["effect"] + ["replay"] * 5
        assert IdempotencyRecord.objects.count() == 1
