"""How the worker learns of new rows: never before they are committed, and not once for each."""

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from celery import Celery, shared_task
from django.conf import settings
from django.db import transaction
from kombu import Connection
from kombu.exceptions import OperationalError

from core import work
from core.work import COLLECTING_SECONDS, nudge, nudge_sweep, quietly

pytestmark = pytest.mark.django_db(transaction=True)


@shared_task
def sample_task(number: int) -> None:
    """This task is only triggered, never run."""


@shared_task
def sample_sweep() -> None:
    """Neither is this sweep."""


@shared_task
def another_sweep() -> None:
    """Nor this one."""


Rung = list[tuple[Any, ...]]


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> Rung:
    """What the worker is asked for: the ids of a task, or a sweep's name, and when to run it."""
    calls: Rung = []

    def note(name: str) -> Callable[..., None]:
        return lambda args, retry, countdown: calls.append((name, list(args), countdown))

    for task in (sample_task, sample_sweep, another_sweep):
        monkeypatch.setattr(task, "apply_async", note(task.name.rpartition(".")[2]))
    return calls


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    standing = Clock()
    monkeypatch.setattr(work, "time", standing)
    return standing


class TestANudge:
    def test_rings_after_the_commit(self, rung: Rung) -> None:
        with transaction.atomic():
            nudge(sample_task, 7)
            before = list(rung)

        assert before == []
        assert rung == [("sample_task", [7], 0.0)]

    def test_does_not_ring_after_a_rollback(self, rung: Rung) -> None:
        with transaction.atomic():
            nudge(sample_task, 7)
            transaction.set_rollback(True)

        assert rung == []

    def test_forgives_a_broker_that_is_gone_and_asks_it_once(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        unreachable = Celery("unreachable", broker="redis://127.0.0.1:1/0", set_as_current=False)
        unreachable.conf.broker_transport_options = settings.REDIS_TRANSPORT_OPTIONS
        connect = Mock(side_effect=ConnectionRefusedError)
        monkeypatch.setattr(Connection, "_connection_factory", connect)

        @unreachable.task
        def ring_nobody(number: int) -> None:
            """Never delivered."""

        with transaction.atomic():
            nudge(ring_nobody, 7)

        assert "broker_unreachable" in caplog.text
        assert connect.call_count == 1


class TestANudgeOfASweep:
    def test_rings_once_for_all_rows_of_a_transaction_after_its_commit(self, rung: Rung, clock: Clock) -> None:
        with transaction.atomic():
            nudge_sweep(sample_sweep)
            nudge_sweep(sample_sweep)
            before = list(rung)

        assert before == []
        assert rung == [("sample_sweep", [], COLLECTING_SECONDS)]

    def test_rings_once_for_all_transactions_until_the_sweep_runs(self, rung: Rung, clock: Clock) -> None:
        nudge_sweep(sample_sweep)
        clock.seconds += COLLECTING_SECONDS * 0.9
        nudge_sweep(sample_sweep)

        assert rung == [("sample_sweep", [], COLLECTING_SECONDS)]

    def test_rings_again_when_the_sweep_may_have_begun(self, rung: Rung, clock: Clock) -> None:
        nudge_sweep(sample_sweep)
        clock.seconds += COLLECTING_SECONDS
        nudge_sweep(sample_sweep)

        assert rung == [("sample_sweep", [], COLLECTING_SECONDS)] * 2

    def test_rings_for_each_sweep(self, rung: Rung, clock: Clock) -> None:
        nudge_sweep(sample_sweep)
        nudge_sweep(another_sweep)

        assert [name for name, _, _ in rung] == ["sample_sweep", "another_sweep"]

    def test_does_not_count_a_rollback(self, rung: Rung, clock: Clock) -> None:
        with transaction.atomic():
            nudge_sweep(sample_sweep)
            transaction.set_rollback(True)

        nudge_sweep(sample_sweep)

        assert rung == [("sample_sweep", [], COLLECTING_SECONDS)]

    def test_rings_nobody_in_a_quiet_block(self, rung: Rung, clock: Clock) -> None:
        with quietly():
            nudge_sweep(sample_sweep)

        assert rung == []

    def test_rings_again_if_the_broker_was_gone(
        self, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broker = Mock(side_effect=[OperationalError("gone"), None])
        monkeypatch.setattr(sample_sweep, "apply_async", broker)

        nudge_sweep(sample_sweep)
        nudge_sweep(sample_sweep)

        assert broker.call_count == 2
        assert "broker_unreachable" in caplog.text
