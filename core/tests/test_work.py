import datetime as dt

import pytest

from core import work
from core.work import in_batches

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
