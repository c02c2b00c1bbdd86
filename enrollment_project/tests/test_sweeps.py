"""Every task that beat rings runs to its end where nothing is due."""

import pytest

from accounts.models import StaffTask
from enrollment_project.celery import app
from events.models import OutboxEvent
from notifications.models import Notification
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db

SCHEDULED = sorted({entry["task"] for entry in app.conf.beat_schedule.values()})


@pytest.mark.parametrize("name", SCHEDULED)
def test_a_sweep_of_nothing_ends_and_asks_nobody(name: str, stripe: SandboxProcess) -> None:
    app.loader.import_default_modules()

    app.tasks[name].run()

    assert not StaffTask.objects.exists()
    assert not OutboxEvent.objects.exists()
    assert not Notification.objects.exists()
