from collections.abc import Iterator

import pytest
from pytest_django import Settings

from billing.gateways import stripe as stripe_gateway
from billing.purposes import Purpose, register_purpose
from sandbox.testing import SandboxProcess

from .factories import PURPOSE
from .stripe_world import StripeWorld


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture(autouse=True)
def _purpose() -> None:
    """Register a purpose that needs no lock of its own."""
    register_purpose(
        Purpose(name=PURPOSE, lock_subject=lambda subject: None, describe=lambda subject: (f"Tuition {subject}", ""))
    )


@pytest.fixture
def world(sandbox_process: SandboxProcess, settings: Settings) -> StripeWorld:
    """Return an empty Stripe without faults; the client does not retry."""
    sandbox_process.reset()
    settings.STRIPE_API_BASE = sandbox_process.url
    settings.STRIPE_SECRET_KEY = sandbox_process.api_key
    settings.STRIPE_WEBHOOK_SECRET = sandbox_process.secret
    settings.STRIPE_MAX_RETRIES = 0
    stripe_gateway._connect.cache_clear()  # together with what its breaker remembers of the last test's faults
    return StripeWorld(sandbox_process)
