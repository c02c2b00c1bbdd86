"""A partner's message that can't be read, which arrives while the last one that could not be is read."""

import json
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from accounts.models import StaffTask
from accounts.staff_tasks import settle_staff_task
from core.clock import utc_now
from core.signing import new_signing_secret
from partners import unread
from partners.inbox import handle_event, receive_event
from partners.models import PartnerEvent, Provider
from partners.providers import change_provider
from partners.task_kinds import MESSAGES_UNREAD
from partners.tests.factories import ProviderFactory
from tests.processes import BOTH_COME, KEPT_OUT, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

THEIRS = {"event": {"event": "happened", "enrollmentId": "id"}}


def receive(provider: Provider, name: str, body: dict[str, Any]) -> PartnerEvent:
    raw = json.dumps(body)
    now = utc_now()
    headers = {
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(provider.webhook_secret).sign(name, now, raw),
    }
    return receive_event(slug=provider.slug, raw=raw.encode(), headers=headers, now=now)[0]


def open_tasks() -> int:
    return StaffTask.objects.filter(kind=MESSAGES_UNREAD.name, status="open").count()


class TestAMessageThatArrivesUnread:
    def test_is_a_task_for_staff(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read_one_and_receive_another(monkeypatch, patience=KEPT_OUT)

        assert PartnerEvent.objects.filter(outcome=unread.UNREAD).count() == 1
        assert open_tasks() == 1

    def test_without_the_lock_would_lose_its_task(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: its task is that of the message before, which is completed a moment later."""
        monkeypatch.setattr(unread, "lock_rows", lambda model, key: None)

        self.read_one_and_receive_another(monkeypatch, patience=BOTH_COME)

        assert PartnerEvent.objects.filter(outcome=unread.UNREAD).count() == 1
        assert open_tasks() == 0

    def read_one_and_receive_another(self, monkeypatch: pytest.MonkeyPatch, *, patience: float) -> None:
        """Receive it when the other one is read, and before the task about that one is completed."""
        provider = ProviderFactory(webhook_secret=new_signing_secret())
        first = receive(provider, "m1", {"happened": "course.completed", "id": "1"})
        change_provider(provider_id=provider.pk, field_map=THEIRS, now=utc_now())
        read, received = Meeting(lambda: None), Meeting(lambda: None, patience=patience)

        def settle_late(**task: Any) -> None:
            read()
            received()
            settle_staff_task(**task)

        def receive_another() -> None:
            read()
            receive(provider, "m2", {"id": "2"})
            received()

        monkeypatch.setattr(unread, "settle_staff_task", settle_late)
        at_once(lambda: handle_event(event_id=first.pk, now=utc_now()).pk, receive_another)
