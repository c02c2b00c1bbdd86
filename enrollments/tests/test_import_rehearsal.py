"""What the rehearsal of an import is told as, sentence by sentence."""

import datetime as dt
from typing import Any

import pytest

from core.clock import utc_now
from enrollments.imports.options import Options
from enrollments.imports.rehearsal import describe
from enrollments.models import ImportJob, ProgramInstance
from enrollments.seats import update_allocation

from .factories import STAFF, CandidateFactory, DistrictFactory, InstanceFactory, seats

pytestmark = pytest.mark.django_db

ROWS = (
    "0 of 0 rows would be new candidates.",
    "0 would change an enrollment.",
    "0 would change nothing, as these people are enrolled already.",
    "0 would be refused, each with its reason below.",
)
EVALUATED = "0 would be eligible, 0 not eligible, and 0 could not be evaluated."
TOO_MANY = "That is more than 10% of the current enrollments: it needs a second confirmation."


def told(instance: ProgramInstance, total: int = 0, *, is_evaluated: bool = False, **counts: int) -> tuple[str, ...]:
    options = Options(evaluate=is_evaluated).as_json()
    job = ImportJob(workspace_id=instance.workspace_id, instance=instance, options=options, total=total, counts=counts)
    return describe(job, now=utc_now())


def told_of_roster(instance: ProgramInstance, **counts: int) -> tuple[str, ...]:
    job = ImportJob(workspace_id=instance.workspace_id, options=Options().as_json(), counts=counts)
    return describe(job, now=utc_now())


@pytest.fixture
def instance() -> ProgramInstance:
    made: ProgramInstance = InstanceFactory(price=None)
    return made


class TestACandidateFile:
    def test_is_told_with_the_number_of_rows_of_each_outcome(self, instance: ProgramInstance) -> None:
        assert told(instance, 1234, imported=1000, updated=200, skipped=30, failed=4) == (
            "1,000 of 1,234 rows would be new candidates.",
            "200 would change an enrollment.",
            "30 would change nothing, as these people are enrolled already.",
            "4 would be refused, each with its reason below.",
        )

    def test_that_is_evaluated_is_told_with_its_verdicts(self, instance: ProgramInstance) -> None:
        sentences = told(instance, is_evaluated=True, eligible=3, ineligible=2, undecided=1)

        assert sentences == (*ROWS, "3 would be eligible, 2 not eligible, and 1 could not be evaluated.")

    def test_that_costs_is_told_with_what_is_there_and_what_families_would_pay(self) -> None:
        sentences = told(InstanceFactory(capacity=1500), is_evaluated=True, eligible=3)

        assert sentences[5:] == (
            "The instance takes 1,500 enrollments in all.",
            "Paid by families, that comes to 147.00 USD.",
        )

    def test_that_is_not_evaluated_asks_for_no_seats_or_money(self) -> None:
        instance = InstanceFactory(capacity=5)
        seats(instance.workspace, total=5)

        assert told(instance, eligible=3) == ROWS

    def test_counts_the_seats_that_can_be_taken_today(self, instance: ProgramInstance) -> None:
        now = utc_now()
        yesterday = (now - dt.timedelta(days=2)).date()
        here = instance.workspace
        other = InstanceFactory(workspace=here, is_default=False)
        seats(here, total=5, instance_id=instance.pk)
        seats(here, total=7)
        seats(here, total=100, instance_id=other.pk)
        seats(here, total=1000, term="Last year", valid_until=yesterday)
        off = seats(here, total=10_000, term="Off")
        update_allocation(allocation_id=off.pk, is_active=False, actor=STAFF, now=now)
        seats(DistrictFactory().workspace, total=100_000)

        assert told(instance, is_evaluated=True) == (
            *ROWS,
            EVALUATED,
            "If all who are eligible enroll, each of them takes a seat or a payment.",
            "District seats that are free for it today: 12.",
        )

    @pytest.mark.parametrize(("enrolled", "warning"), [(10, ()), (9, (TOO_MANY,))])
    def test_that_ends_some_says_so_and_whether_it_has_to_be_confirmed_twice(
        self, instance: ProgramInstance, enrolled: int, warning: tuple[str, ...]
    ) -> None:
        for _ in range(enrolled):
            CandidateFactory(instance=instance, workspace=instance.workspace)

        assert told(instance, becoming_ineligible=1) == (
            *ROWS,
            "Candidates and eligible learners who would become ineligible: 1.",
            *warning,
        )


class TestARoster:
    @pytest.mark.parametrize(
        ("counts", "sentences"),
        [
            ({}, ()),
            (
                {"districts_new": 1, "guardians_changed": 2, "learners_unchanged": 3},
                (
                    "Districts: 1 would be new, 0 would change, 0 stay as they are.",
                    "Guardians: 0 would be new, 2 would change, 0 stay as they are.",
                    "Learners: 0 would be new, 0 would change, 3 stay as they are.",
                ),
            ),
            (
                {"classes_matched": 1},
                ("Classes: 1 known as program instances, 0 unknown, as told below.",),
            ),
            (
                {"classes_unmatched": 2, "not_matched": 3},
                (
                    "Classes: 0 known as program instances, 2 unknown, as told below.",
                    "Enrollments in unknown classes, which would be left out: 3.",
                ),
            ),
            ({"people_unknown": 4}, ("Users without a role who are unknown here, and would be left out: 4.",)),
            ({"to_be_deleted": 5}, ("Districts, people and classes to be deleted, which would stay: 5.",)),
        ],
    )
    def test_is_told_with_what_it_names_and_without_what_it_does_not(
        self, instance: ProgramInstance, counts: dict[str, int], sentences: tuple[str, ...]
    ) -> None:
        assert told_of_roster(instance, **counts) == (*sentences, *ROWS)

    @pytest.mark.parametrize(
        ("outcome", "numbers"),
        [
            ("ended", (1, 0, 0, 0)),
            ("exits_planned", (0, 1, 0, 0)),
            ("still_enrolled", (0, 0, 1, 0)),
            ("ended_before", (0, 0, 0, 1)),
        ],
    )
    def test_is_told_with_what_it_ends(
        self, instance: ProgramInstance, outcome: str, numbers: tuple[int, int, int, int]
    ) -> None:
        ended, planned, moved, before = numbers

        assert told_of_roster(instance, **{outcome: 1}) == (
            *ROWS,
            f"Enrollments to be deleted: {ended} would end today, {planned} on the day that the roster names.",
            f"{moved} would go on, as another class of theirs is the same instance; {before} ended earlier.",
        )

    def test_that_ends_many_is_not_told_as_a_candidate_file(self, instance: ProgramInstance) -> None:
        counts: dict[str, Any] = {"ended": 2, "becoming_ineligible": 2}
        for _ in range(19):
            CandidateFactory(instance=instance, workspace=instance.workspace)

        assert told_of_roster(instance, **counts)[4:] == (
            "Enrollments to be deleted: 2 would end today, 0 on the day that the roster names.",
            "0 would go on, as another class of theirs is the same instance; 0 ended earlier.",
            TOO_MANY,
        )
