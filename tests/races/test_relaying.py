"""The relay, next to a feed that numbers the same events: both lock them by their ids."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.tests.factories import WorkspaceFactory
from core.clock import utc_now
from events import relay
from events.gateways.port import RelayedEvent, StreamUnavailable
from events.models import OutboxEvent
from events.relay import relay_due_events
from events.tests.factories import happen
from tests.processes import KEPT_OUT, Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


class Down:
    """A stream that does not answer."""

    def append(self, events: Sequence[RelayedEvent]) -> list[str]:
        raise StreamUnavailable("No answer.")


def change_in_any_order(events: Any, **changes: Any) -> int:
    return int(events.update(**changes))


class TestAnOutageWhileEventsAreNumbered:
    def test_waits_for_the_numbers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.do_both(monkeypatch) == [Failure("StreamUnavailable", "No answer."), 2]
        assert list(OutboxEvent.objects.values_list("last_error", flat=True)) == ["No answer."] * 2

    def test_would_deadlock_if_it_postponed_the_newer_event_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: PostgreSQL finds the older one last, since that was changed last."""
        monkeypatch.setattr(relay, "_change", change_in_any_order)

        answers = self.do_both(monkeypatch)

        assert ["deadlock detected" in each.message for each in answers if isinstance(each, Failure)].count(True) == 1

    def do_both(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """Postpone two events between the moments at which the feed locks the one and the other."""
        older, newer = happen(workspace=WorkspaceFactory(), times=2)
        OutboxEvent.objects.filter(pk=older).update(position=1)
        meet = Meeting(lambda _: None)
        linger = Meeting(lambda _: None, patience=KEPT_OUT)
        postpone = relay._postpone_all
        monkeypatch.setattr(relay, "_postpone_all", lambda *which: (meet(None), meet(None), postpone(*which)))

        def relay_events() -> int:
            with connection.cursor() as cursor:
                cursor.execute("SET enable_indexscan = off")
                cursor.execute("SET enable_bitmapscan = off")
            return relay_due_events(stream=Down(), now=utc_now())

        @transaction.atomic
        def number() -> int:
            locked = OutboxEvent.objects.select_for_update(no_key=True)
            meet(None)  # the events are claimed
            locked.get(pk=older)
            meet(None)
            linger(None)
            locked.get(pk=newer)
            return 2

        return at_once(relay_events, number)
