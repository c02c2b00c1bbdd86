import datetime as dt
import threading
from types import SimpleNamespace

import pytest

from core import work
from core.work import aside, in_batches

NOON = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


class Rows:
    """A sweep over `count` rows, each batch of which takes a minute."""

    def __init__(self, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = count
        self.clock = NOON
        self.told: list[tuple[int, dt.datetime]] = []
        monkeypatch.setattr(work, "utc_now", lambda: self.clock)

    def __call__(self, *, limit: int, now: dt.datetime) -> int:
        self.told.append((limit, now))
        done = min(limit, self.count)
        self.count -= done
        self.clock += MINUTE
        return done


class TestASweepInBatches:
    def test_tells_each_batch_the_time_at_which_it_begins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = Rows(5, monkeypatch)

        done = in_batches(rows, size=2, at_most=10)

        assert done == 5
        assert rows.told == [(2, NOON), (2, NOON + MINUTE), (2, NOON + 2 * MINUTE)]

    def test_leaves_the_rest_to_the_next_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = Rows(5, monkeypatch)

        done = in_batches(rows, size=2, at_most=2)

        assert (done, rows.count, len(rows.told)) == (4, 1, 2)


class TestWorkAside:
    def test_that_is_soon_done_is_waited_for(self) -> None:
        done: list[str] = []

        aside(lambda: done.append("it"), patience=10.0)

        assert done == ["it"]

    def test_that_fails_soon_fails_here(self) -> None:
        with pytest.raises(ZeroDivisionError):
            aside(lambda: 1 / 0, patience=10.0)

    def test_that_waits_for_somebody_goes_on_without_the_worker(self) -> None:
        answer = threading.Event()
        done = threading.Event()

        def ask() -> None:
            answer.wait(10.0)
            done.set()

        aside(ask, patience=0.0)
        assert not done.is_set()

        answer.set()
        assert done.wait(10.0)

    def test_that_fails_late_is_logged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answer = threading.Event()
        logged = threading.Event()
        lines: list[tuple[str, BaseException]] = []

        def note(event: str, *, exc_info: BaseException) -> None:
            lines.append((event, exc_info))
            logged.set()

        def fail_late() -> None:
            answer.wait(10.0)
            raise ArithmeticError("late")

        monkeypatch.setattr(work, "log", SimpleNamespace(error=note))
        aside(fail_late, patience=0.0)

        answer.set()
        assert logged.wait(10.0)
        assert [(event, str(error)) for event, error in lines] == [("work_aside_failed", "late")]

    def test_may_time_out_by_itself(self) -> None:
        def time_out() -> None:
            raise TimeoutError("their own")

        with pytest.raises(TimeoutError, match="their own"):
            aside(time_out, patience=10.0)
