import datetime as dt
import threading

import pytest
from django.db import connections
from redis.exceptions import ConnectionError as RedisConnectionError

from core.clock import utc_now
from core.counters import count, count_in_database, forget_old_counters
from core.models import SharedCounter

pytestmark = pytest.mark.django_db


class TestACounterInTheDatabase:
    @pytest.fixture(autouse=True)
    def _at_noon(self, time_machine):
        self.time = time_machine
        self.time.move_to("2026-09-01T12:00:00Z", tick=False)

    @pytest.mark.sqlite
    def test_counts_from_the_first_until_its_time_is_over(self):
        assert count_in_database("a", seconds=60) == (1, 60)

        self.time.move_to("2026-09-01T12:00:40Z", tick=False)
        assert count_in_database("a", seconds=60, more=5) == (6, 20)

        self.time.move_to("2026-09-01T12:01:00Z", tick=False)
        assert count_in_database("a", seconds=60) == (1, 60)

    def test_counts_each_key_apart(self):
        count_in_database("a", seconds=60, more=3)

        assert count_in_database("b", seconds=60)[0] == 1

    @pytest.mark.sqlite
    def test_is_swept_when_its_time_is_over(self):
        count_in_database("old", seconds=10)
        count_in_database("young", seconds=100)

        swept = forget_old_counters(now=utc_now() + dt.timedelta(seconds=10))

        assert swept == 1
        assert list(SharedCounter.objects.values_list("key", flat=True)) == ["young"]


class TestCounting:
    def test_is_done_in_the_database_where_no_cache_is_shared(self, settings):
        settings.COUNT_IN_CACHE = False

        assert [count("a", seconds=60), count("a", seconds=60)] == [1, 2]
        assert SharedCounter.objects.get().value == 2

    def test_is_done_in_the_cache_where_one_is_shared(self):
        assert [count("a", seconds=60), count("a", seconds=60)] == [1, 2]
        assert not SharedCounter.objects.exists()

    def test_goes_on_in_the_database_while_redis_is_gone(self, monkeypatch):
        def gone(*args, **kwargs):
            raise RedisConnectionError("refused")

        monkeypatch.setattr("core.counters.cache.incr", gone)

        assert [count("a", seconds=60), count("a", seconds=60)] == [1, 2]


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
class TestTwentyCallersAtOnce:
    def test_get_twenty_numbers(self):
        numbers = []

        def take():
            numbers.append(count_in_database("a", seconds=60)[0])
            connections.close_all()

        threads = [threading.Thread(target=take) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(numbers) == list(range(1, 21))
