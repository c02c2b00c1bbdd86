from collections.abc import Iterator

import pytest
from pytest_django import Settings

from sandbox.testing import SandboxProcess


@pytest.fixture(scope="session")
def _sandbox_process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def stripe(_sandbox_process: SandboxProcess, settings: Settings) -> SandboxProcess:
    """Stripe's stand-in, empty and without faults; webhooks are not delivered, tests say when money is looked at."""
    _sandbox_process.reset()
    settings.STRIPE_API_BASE = _sandbox_process.url
    settings.STRIPE_MAX_RETRIES = 0
    return _sandbox_process
