"""The scheduled doctor's findings: stored from the examination that named them first to the one that no longer did."""

import datetime as dt

import pytest

from core.clock import utc_now
from core.invariants import Breach, Extent
from operations import doctor
from operations.examining import GIVEN_UP_AFTER, KEPT, examine_again, examine_all, forget_old_findings
from operations.models import Examination, Finding

pytestmark = pytest.mark.django_db

NOW = utc_now()
HOUR = dt.timedelta(hours=1)
NAME = "enrollments.no_allocation_is_oversold"


@pytest.fixture
def broken(monkeypatch):
    """The rows that one invariant names; all others hold."""
    named: list[Breach] = []
    monkeypatch.setattr(doctor, "INVARIANTS", {NAME: lambda extent: list(named)})
    monkeypatch.setattr("operations.examining.INVARIANTS", doctor.INVARIANTS)
    return named


def told():
    rows = Finding.objects.order_by("pk").values_list("row", "fact", "times_seen", "gone_at")
    return [(row, fact, seen, gone is not None) for row, fact, seen, gone in rows]


class TestAnExamination:
    def test_of_sound_rows_finds_nothing_and_is_kept(self):
        examination = examine_all(now=NOW)

        kept = Examination.objects.get()
        assert (kept.pk, kept.status, kept.checked, kept.broken) == (
            examination.pk, "completed", len(doctor.INVARIANTS), {},
        )  # fmt: skip
        assert told() == []

    def test_keeps_each_row_with_all_that_is_wrong_with_it(self, broken):
        broken += [
            Breach("seat allocation 1", "is full"),
            Breach("seat allocation 2", "is full"),
            Breach("seat allocation 1", "is old"),
        ]

        examination = examine_all(now=NOW)

        assert examination.broken == {NAME: 3}
        assert told() == [
            ("seat allocation 1", "is full; is old", 1, False),
            ("seat allocation 2", "is full", 1, False),
        ]

    def test_counts_a_row_that_is_still_broken_and_ends_one_that_is_not(self, broken):
        broken += [Breach("seat allocation 1", "is full"), Breach("seat allocation 2", "is full")]
        examine_all(now=NOW)
        broken.pop()
        examine_all(now=NOW + HOUR)

        assert told() == [("seat allocation 1", "is full", 2, False), ("seat allocation 2", "is full", 1, True)]
        assert list(Finding.objects.confirmed().values_list("row", "found_at", "seen_at")) == [
            ("seat allocation 1", NOW, NOW + HOUR)
        ]

    def test_finds_a_row_that_breaks_again_anew(self, broken):
        broken.append(Breach("seat allocation 1", "is full"))
        examine_all(now=NOW)
        mended = broken.pop()
        examine_all(now=NOW + HOUR)
        broken.append(mended)
        examine_all(now=NOW + 2 * HOUR)

        assert told() == [("seat allocation 1", "is full", 1, True), ("seat allocation 1", "is full", 1, False)]

    def test_keeps_a_thousand_rows_of_an_invariant_and_counts_all(self, broken):
        broken += [Breach(f"seat allocation {number}", "is full") for number in range(1_001)]

        examination = examine_all(now=NOW)

        assert examination.broken == {NAME: 1_001}
        assert Finding.objects.count() == 1_000

    @pytest.mark.sqlite
    def test_leaves_another_that_runs_alone(self):
        Examination.objects.create(began_at=NOW)

        assert examine_all(now=NOW + GIVEN_UP_AFTER) is None
        assert Examination.objects.count() == 1

    def test_takes_the_place_of_one_whose_process_died(self):
        Examination.objects.create(began_at=NOW)

        examine_all(now=NOW + GIVEN_UP_AFTER + dt.timedelta(seconds=1))

        assert list(Examination.objects.order_by("pk").values_list("status", flat=True)) == ["interrupted", "completed"]

    def test_that_was_given_up_meanwhile_records_nothing(self, monkeypatch):
        def take_long(extent: Extent) -> list[Breach]:
            Examination.objects.update(status="interrupted")
            return [Breach("seat allocation 1", "is full")]

        monkeypatch.setattr(doctor, "INVARIANTS", {NAME: take_long})

        examine_all(now=NOW)

        assert Examination.objects.get().status == "interrupted"
        assert told() == []


class TestLookingAgain:
    def test_ends_a_finding_whose_row_is_in_order(self, broken):
        broken += [Breach("seat allocation 1", "is full"), Breach("seat allocation 2", "is full")]
        examine_all(now=NOW)
        broken.pop(0)

        still = [examine_again(finding=finding, now=NOW + HOUR) for finding in Finding.objects.order_by("pk")]

        assert still == [False, True]
        assert told() == [("seat allocation 1", "is full", 1, True), ("seat allocation 2", "is full", 1, False)]


class TestForgetting:
    def test_deletes_what_has_been_over_for_long_and_nothing_that_is_open(self, broken):
        broken += [Breach("seat allocation 1", "is full"), Breach("seat allocation 2", "is full")]
        examine_all(now=NOW)
        broken.pop()
        examine_all(now=NOW + HOUR)

        deleted = [forget_old_findings(limit=10, now=NOW + HOUR + KEPT + extra) for extra in (-HOUR, HOUR)]

        assert deleted == [0, 3]  # the second finding and both examinations
        assert told() == [("seat allocation 1", "is full", 2, False)]
