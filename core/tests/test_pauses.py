import threading

import pytest
from django.db import connections

from core.clock import utc_now
from core.pauses import Growth, count_try, forgive, seconds_to_wait, take_back

pytestmark = pytest.mark.django_db

SLOW = Growth(free=2, longest=60)


class TestPauses:
    @pytest.fixture(autouse=True)
    def _at_noon(self, time_machine):
        time_machine.move_to("2026-09-01T12:00:00Z", tick=False)
        self.time = time_machine

    def test_count_nothing_while_one_of_the_subjects_waits(self):
        for _ in range(2):
            count_try({"a": SLOW}, now=utc_now())

        assert count_try({"a": SLOW, "b": SLOW}, now=utc_now()) == 1
        assert [count_try({"b": SLOW}, now=utc_now()) for _ in range(3)] == [0, 0, 1]

    def test_are_forgotten_a_day_after_the_last_try(self):
        for _ in range(2):
            count_try({"a": SLOW}, now=utc_now())

        self.time.move_to("2026-09-02T12:00:00Z", tick=False)

        assert [count_try({"a": SLOW}, now=utc_now()) for _ in range(3)] == [0, 0, 1]

    @pytest.mark.sqlite
    def test_end_for_a_subject_that_has_proven_itself(self):
        for _ in range(2):
            count_try({"a": SLOW}, now=utc_now())

        forgive("a")

        assert seconds_to_wait({"a": SLOW}, now=utc_now()) == 0

    @pytest.mark.sqlite
    def test_are_shorter_by_one_try_that_is_taken_back(self):
        for _ in range(2):
            count_try({"a": SLOW}, now=utc_now())

        take_back("a")

        assert [count_try({"a": SLOW}, now=utc_now()) for _ in range(2)] == [0, 1]


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
class TestTwentyTriesAtOnce:
    def test_are_not_all_the_first(self):
        waits = []

        def attempt():
            waits.append(count_try({"a": Growth(free=3, longest=60)}, now=utc_now()))
            connections.close_all()

        threads = [threading.Thread(target=attempt) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert waits.count(0) == 3
