import time

import pytest
from django.db import transaction

from billing.errors import PaymentProviderDown, PaymentRejected
from billing.gateways.stripe import _connect, get_gateway
from core.breaker import Breaker
from core.network import NetworkInsideTransaction
from sandbox.testing import free_port

from .stripe_world import StripeWorld


class TestTheGateway:
    @pytest.mark.django_db(transaction=True)
    def test_refuses_to_call_inside_a_transaction(self, world: StripeWorld) -> None:
        with transaction.atomic(), pytest.raises(NetworkInsideTransaction):
            get_gateway().retrieve_session("cs_1")

    @pytest.mark.django_db
    def test_asks_again_later_when_nobody_answers(self, world: StripeWorld, settings) -> None:
        settings.STRIPE_API_BASE = f"http://127.0.0.1:{free_port()}"

        with pytest.raises(PaymentProviderDown):
            get_gateway().retrieve_session("cs_1")

    @pytest.mark.django_db
    def test_does_not_wait_longer_than_it_was_told(self, world: StripeWorld, settings) -> None:
        settings.STRIPE_TIMEOUT_SECONDS = 0.2
        world.sandbox.faults(latency_ms=5_000)

        with pytest.raises(PaymentProviderDown):  # the caller would be told that there is no such session
            get_gateway().retrieve_session("cs_1")

    @pytest.mark.django_db
    def test_passes_on_how_long_stripe_wants_to_be_left_alone(self, world: StripeWorld) -> None:
        world.sandbox.faults(rate_limit={"retry_after": 30})

        with pytest.raises(PaymentProviderDown) as down:
            get_gateway().retrieve_session("cs_1")

        assert down.value.retry_after == 31

    @pytest.mark.django_db
    def test_repeats_a_failed_call_as_often_as_it_was_told(self, world: StripeWorld, settings) -> None:
        settings.STRIPE_MAX_RETRIES = 1
        world.sandbox.faults(server_error={"times": 1})

        with pytest.raises(PaymentRejected):
            get_gateway().retrieve_session("cs_1")

    @pytest.mark.django_db
    def test_does_not_repeat_what_stripe_refuses(self, world: StripeWorld) -> None:
        with pytest.raises(PaymentRejected) as refusal:
            get_gateway().retrieve_session("cs_1")

        assert refusal.value.provider_code == "resource_missing"

    @pytest.mark.django_db
    def test_takes_a_wrong_key_for_an_outage(self, world: StripeWorld, settings) -> None:
        settings.STRIPE_SECRET_KEY = "sk_test_wrong"

        with pytest.raises(PaymentProviderDown):
            get_gateway().retrieve_session("cs_1")

    @pytest.mark.django_db
    def test_leaves_stripe_alone_after_five_failures_in_a_row(self, world: StripeWorld) -> None:
        world.sandbox.faults(server_error={"times": 5})
        for _ in range(5):
            with pytest.raises(PaymentProviderDown):
                get_gateway().retrieve_session("cs_1")

        with pytest.raises(PaymentProviderDown, match="leaving it alone"):
            get_gateway().retrieve_session("cs_1")

        assert world.sandbox.faults() == []  # the sixth call was not made: it would have been answered

    def test_keeps_one_client_for_the_same_settings(self, settings) -> None:
        _connect.cache_clear()

        assert get_gateway() is get_gateway()


class TestABreaker:
    def test_lets_calls_through_until_the_provider_fails_too_often(self) -> None:
        breaker = Breaker(failures=2, seconds=60)

        breaker.record_failure()
        assert breaker.seconds_left() == 0

        breaker.record_failure()
        assert 59 < breaker.seconds_left() <= 60

    def test_counts_failures_in_a_row(self) -> None:
        breaker = Breaker(failures=2, seconds=60)

        breaker.record_failure()
        breaker.record_answer()
        breaker.record_failure()

        assert breaker.seconds_left() == 0

    def test_tries_again_after_its_time_and_gives_up_at_the_first_failure(self) -> None:
        breaker = Breaker(failures=2, seconds=0.01)
        for _ in range(2):
            breaker.record_failure()
        deadline = time.monotonic() + 1
        while breaker.seconds_left() and time.monotonic() < deadline:
            pass
        assert breaker.seconds_left() == 0

        breaker.record_failure()

        assert breaker.seconds_left() > 0
