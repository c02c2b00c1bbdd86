"""Many students at once for the seats of twelve classes, and one student's requests among themselves."""

import datetime as dt
import random
from collections.abc import Callable
from functools import partial

import pytest

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory
from cohorts.course.scheduling import schedule_cohort
from cohorts.errors import SessionFull
from cohorts.learning import booking, steps
from cohorts.learning.booking import Selection, book_sessions, cancel_booking, swap_booking
from cohorts.models import ClassSession, Cohort, CohortPlace, CohortSession, StepProgress, StudentPackage
from cohorts.sale.transfer import move_package
from cohorts.tests.factories import CohortFactory, cohort_with
from core.clock import utc_now
from core.errors import DomainError
from enrollments.models import Enrollment
from events.models import OutboxEvent
from operations.doctor import examine
from tests.processes import Failure, Meeting, at_once

from .attempts import four_times_in_walks

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

CLASSES = 12
PROCESSES = 16


def students(cohort: Cohort, count: int) -> list[Learner]:
    return LearnerFactory.create_batch(count, workspace=cohort.instance.workspace)


def sold(cohort: Cohort, count: int) -> list[StudentPackage]:
    """Create packages as fulfilment leaves them, without asking Stripe about each."""
    learners = students(cohort, count)
    now = utc_now()
    enrollments = Enrollment.objects.bulk_create(
        Enrollment(
            workspace=cohort.instance.workspace,
            instance=cohort.instance,
            learner=learner,
            identification_type="customerId",
            eligibility_status="approved",
            participation_status="active",
            payment_status="not_required",
        )
        for learner in learners
    )
    held = CohortPlace.objects.bulk_create(
        CohortPlace(cohort=cohort, learner=learner, enrollment=enrollment, status="taken", held_until=now, taken_at=now)
        for learner, enrollment in zip(learners, enrollments, strict=True)
    )
    packages = StudentPackage.objects.bulk_create(
        StudentPackage(
            learner=place.learner,
            program=cohort.instance.program,
            enrollment=place.enrollment,
            cohort=cohort,
            place=place,
            name="X",
            purchased_at=now,
        )
        for place in held
    )
    StepProgress.objects.bulk_create(
        StepProgress(package=package, step=step) for package in packages for step in cohort.instance.program.steps.all()
    )
    Cohort.objects.filter(pk=cohort.pk).update(current_enrollment=count)
    return packages


def book_somewhere(packages: list[StudentPackage], choices: list[Selection], seed: int) -> int:
    """Let each try the classes in their own order until one has a seat; return how many got one."""
    rng = random.Random(seed)
    booked = 0
    for package in packages:
        for choice in rng.sample(choices, len(choices)):
            try:
                book_sessions(package_id=package.pk, selections=[choice], now=utc_now())
            except SessionFull:
                continue
            booked += 1
            break
    return booked


def broken() -> set[str]:
    """Return the broken invariants of seats; the enrollments here were created without their history."""
    return {name for name in examine() if name.startswith("cohorts.")}


def look_then_take(look: Callable[..., ClassSession], sessions: dict[int, CohortSession]) -> list[int]:
    """Replace the guard with the cohort document's code: look at the class, then count."""
    full = []
    for step, session in sessions.items():
        meeting = look(pk=session.class_session_id)
        if meeting.seats_left > 0:
            meeting.booked_count += 1
            meeting.save(update_fields=["booked_count"])
        else:
            full.append(step)
    return full


@pytest.mark.slow
class TestBookingByManyAtOnce:
    @pytest.mark.parametrize(("seats", "people"), [(2, 28), pytest.param(6, 80, marks=pytest.mark.walk)])
    def test_fills_twelve_classes_to_the_last_seat_and_no_further(self, seats: int, people: int) -> None:
        cohort = cohort_with(options=(CLASSES,), seats=seats, max_enrollment=people)
        packages = sold(cohort, people)
        choices = [Selection(row.step_id, row.option_id) for row in cohort.sessions.order_by("step__order", "id")]
        shares = [packages[first::PROCESSES] for first in range(PROCESSES)]

        booked = at_once(
            *[partial(book_somewhere, share, choices, seed) for seed, share in enumerate(shares)], seconds=180
        )

        assert sum(booked) == CLASSES * seats < people
        assert set(ClassSession.objects.values_list("booked_count", flat=True)) == {seats}
        assert StepProgress.objects.filter(status="BOOKED").count() == CLASSES * seats
        assert OutboxEvent.objects.filter(type="step.booked").count() == CLASSES * seats
        assert broken() == set()

    def test_without_the_guard_overfills_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        everybody_looks = Meeting(ClassSession.objects.get, parties=PROCESSES)
        monkeypatch.setattr(booking, "take_seats", partial(look_then_take, everybody_looks))
        cohort = cohort_with(options=(2,), seats=5, max_enrollment=PROCESSES)
        packages = sold(cohort, PROCESSES)
        choices = [Selection(row.step_id, row.option_id) for row in cohort.sessions.order_by("step__order", "id")]

        at_once(*[partial(book_one, package, choices[0]) for package in packages])

        assert StepProgress.objects.filter(status="BOOKED").count() == PROCESSES
        assert "cohorts.booked_counts_equal_their_holders" in broken()

    def test_of_one_student_books_the_step_once(self) -> None:
        cohort = cohort_with(options=(4,), seats=40)
        (package,) = sold(cohort, 1)
        choices = [Selection(row.step_id, row.option_id) for row in cohort.sessions.order_by("step__order", "id")]

        at_once(*[partial(book_one, package, choice) for choice in choices * 2])

        assert sum(ClassSession.objects.values_list("booked_count", flat=True)) == 1
        assert broken() == set()

    def test_swapping_and_cancelling_each_other_s_sessions_keeps_every_seat_counted(self) -> None:
        cohort = cohort_with(options=(3,), seats=3)
        packages = sold(cohort, 8)
        choices = [Selection(row.step_id, row.option_id) for row in cohort.sessions.order_by("step__order", "id")]
        for package in packages:
            book_somewhere([package], choices, seed=package.pk)

        answers = at_once(*[partial(shuffle_seats, package, choices) for package in packages], seconds=120)

        assert all(not isinstance(answer, Failure) for answer in answers), answers
        assert broken() == set()


def read_package(package_id: int) -> StudentPackage:
    """Replace the lock, for a control."""
    return StudentPackage.objects.select_related("learner").get(pk=package_id)


def move_one(package: StudentPackage, cohort: Cohort) -> str:
    move_package(package_id=package.pk, cohort_id=cohort.pk, now=utc_now())
    return "moved"


def book_one(package: StudentPackage, choice: Selection) -> str:
    try:
        book_sessions(package_id=package.pk, selections=[choice], now=utc_now())
    except DomainError as refusal:
        return refusal.code
    return "booked"


def shuffle_seats(package: StudentPackage, choices: list[Selection]) -> None:
    rng = random.Random(package.pk)
    for _ in range(12):
        choice = rng.choice(choices)
        try:
            if rng.random() < 0.3:
                cancel_booking(package_id=package.pk, step_id=choice.step_id, now=utc_now())
            else:
                swap_booking(package_id=package.pk, step_id=choice.step_id, option_id=choice.option_id, now=utc_now())
        except DomainError:
            continue


class TestOneLearnerAtTheSameHour:
    """Two requests of one learner, each for a session that fits by itself: the learner can't attend both."""

    @staticmethod
    def overlapping() -> tuple[StudentPackage, list[Selection]]:
        cohort = cohort_with(options=(2, 2), seats=40)
        (package,) = sold(cohort, 1)
        rows = [cohort.sessions.filter(step__order=order)[0] for order in (1, 2)]
        first = rows[0].class_session
        ClassSession.objects.filter(pk=rows[1].class_session_id).update(
            starts_at=first.starts_at, ends_at=first.ends_at
        )
        return package, [Selection(row.step_id, row.option_id) for row in rows]

    def test_books_one_of_the_two(self) -> None:
        package, choices = self.overlapping()

        answers = at_once(*[partial(book_one, package, choice) for choice in choices])

        assert sorted(answers) == ["booked", "time_conflict"]
        assert sum(ClassSession.objects.values_list("booked_count", flat=True)) == 1
        assert broken() == set()

    def test_without_the_learner_s_lock_books_both(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        package, choices = self.overlapping()
        monkeypatch.setattr(booking, "lock_learner_of_package", Meeting(read_package))
        monkeypatch.setattr(booking, "_steps_of", Meeting(booking._steps_of))

        answers = at_once(*[partial(book_one, package, choice) for choice in choices])

        assert answers == ["booked", "booked"]


class TestABookingAgainstAMove:
    @four_times_in_walks
    def test_never_keeps_a_session_of_the_former_cohort(self, attempt: int) -> None:
        cohort = cohort_with(options=(2,), seats=40, max_enrollment=5)
        later = cohort.start_date + dt.timedelta(weeks=16)
        other = CohortFactory(instance=cohort.instance, name="Winter", start_date=later, max_enrollment=5)
        schedule_cohort(cohort_id=other.pk)
        (package,) = sold(cohort, 1)
        row = cohort.sessions.order_by("step__order", "id")[0]

        answers = at_once(
            partial(book_one, package, Selection(row.step_id, row.option_id)), partial(move_one, package, other)
        )

        assert answers[1] == "moved"
        assert answers[0] in ("booked", "invalid")
        assert StepProgress.objects.filter(status="BOOKED", class_session__cohort_sessions__cohort=cohort).count() == 0
        assert broken() == set()


class TestWithoutTheLocks:
    """Controls."""

    def test_one_step_still_takes_one_seat(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two bookings of one step meet after they took their seats; the conditional change of the step lets one
        through, and the other gives its seat back with its transaction.
        """
        cohort = cohort_with(options=(2,), seats=40)
        (package,) = sold(cohort, 1)
        choices = [Selection(row.step_id, row.option_id) for row in cohort.sessions.order_by("step__order", "id")]
        monkeypatch.setattr(booking, "lock_learner_of_package", read_package)
        monkeypatch.setattr(steps, "lock_package_row", Meeting(lambda pk: None))

        answers = at_once(*[partial(book_one, package, choice) for choice in choices])

        assert sorted(answers) == ["booked", "step_already_booked"]
        assert sum(ClassSession.objects.values_list("booked_count", flat=True)) == 1
        assert broken() == set()
