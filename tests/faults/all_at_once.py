"""Several who act at once on one workspace: the steps of `any_order`, and more that matter only beside others.

Each process has its own random numbers, so a seed says what it tries; how the processes interleave is up to the
machine. A use case may refuse. Anything else that it raises is kept: a deadlock, a lock that never came, a refused row.
"""

import datetime as dt
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, OperationalError, connection, models

from accounts.guardian_records import change_guardian, register_guardian
from accounts.guardians import set_guardian_address
from accounts.learner_records import change_learner
from accounts.merging import merge_learners
from accounts.models import Guardian, Learner
from accounts.name_changes import accept_name, ask_for_name
from accounts.tests.factories import LearnerFactory
from cohorts.course.curriculum import add_step, remove_step
from cohorts.course.scheduling import reschedule_session
from cohorts.learning.attendance import excuse_step, mark_attended, mark_missed
from cohorts.learning.booking import swap_booking
from cohorts.learning.completion import complete_due_courses
from cohorts.learning.stranded import report_stranded_steps
from cohorts.models import ClassSession, CourseStep, CourseStepOption, StepProgress
from cohorts.sale.opening import change_capacity, serve_waitlist
from cohorts.sale.transfer import Stranded, move_package
from cohorts.sale.waitlist import end_lines_of_owners, expire_due_offers, join_waitlist, leave_waitlist
from cohorts.tests.factories import CohortFactory, reserve
from core.clock import utc_now
from core.errors import DomainError
from enrollments.allocations.holders import reassign_seat
from enrollments.allocations.idle.reclaiming import reclaim_due
from enrollments.changes import change_enrollment
from enrollments.deletion import delete_enrollment
from enrollments.exit import carry_out_due_exits, plan_exit, withdraw_exit
from enrollments.expiry import expire_enrollments
from enrollments.leaving.asking import Wish, ask_for_refund
from enrollments.models import Inquiry, PlannedExit
from enrollments.review.held import carry_out_due_reviews
from enrollments.review.inquiries import answer_inquiry, ask_family
from enrollments.states import EligibilityStatus, ReviewMode
from enrollments.tests.factories import STAFF
from partners.interventions import reopen_step, skip_step
from partners.models import EnrollmentStep
from partners.states import GroupRule
from partners.tests.factories import accept, complete, define, group
from privacy.erasing import erase_learner
from privacy.states import ErasureReason

from .any_order import BOOKED, ENROLLMENTS, NOT_THE_SECOND, PACKAGES, SEATS, AnyOrder, pick

MORE_LEARNERS = 4
TRIES = 10


def asks_to_be_repeated(error: Exception) -> bool:
    """Return whether a lock could not be waited for (`lock_allocations_out_of_order`): whoever asked, asks again. A
    deadlock, or a lock for which a transaction waited in vain, says something else.
    """
    return isinstance(error, OperationalError) and "could not obtain lock on row" in str(error)


@dataclass
class Outcome:
    """What one process did, by the names of the use cases, and what it should not have met."""

    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)


class AllAtOnce(AnyOrder):
    """A workspace as in `AnyOrder`, with a second cohort, two partners, and more learners, in which nothing is rolled
    back. Found it once; then let each process `act`.
    """

    def __init__(self) -> None:
        self.now = utc_now()
        self.outcome = Outcome()
        self.chance = random.Random(0)

    def found_all(self, mode: ReviewMode) -> None:
        self.found(mode, is_busy=True)
        self.second = CohortFactory(instance=self.cohort.instance, max_enrollment=2)
        LearnerFactory.create_batch(MORE_LEARNERS, workspace=self.workspace)
        define(self.instance, group(self.instance, 2, GroupRule.ALL_IN_ORDER))

    def act(self, *, seed: int, steps: int) -> Outcome:
        """Take this many random steps; those for which there is no row are left out."""
        self.chance = random.Random(seed)
        self.outcome = Outcome()
        with connection.cursor() as cursor:  # a busy machine is not a fault
            cursor.execute("SET lock_timeout = '25s'")
        for _ in range(steps):
            step = self.chance.choice(list(self.steps()))
            with suppress(IndexError):  # `pick` found no row
                step()
        return self.outcome

    def attempt(self, use_case: Callable[..., Any], *subject: Any, **arguments: Any) -> None:
        self.now = max(utc_now(), self.now)
        name = getattr(use_case, "__name__", "")
        for tries_left in reversed(range(TRIES)):
            try:
                use_case(*subject, **arguments, now=self.now)
                self.outcome.done[name] += 1
            except DomainError as refusal:
                self.outcome.refused[f"{name}: {refusal.code}"] += 1
            except Exception as error:
                if tries_left and asks_to_be_repeated(error):
                    time.sleep(self.chance.random() / 10)
                    continue
                self.outcome.failed.append(f"{name}: {type(error).__name__}: {error}")
            break

    def on(self, rows: "models.QuerySet[Any]", use_case: Callable[..., Any], name: str, **more: Any) -> None:
        """Attempt it on one of these rows, which the use case calls `name`."""
        self.attempt(use_case, **{name: pick(rows, self.nth()).pk}, **more)

    def nth(self) -> int:
        return self.chance.randrange(4)

    def steps(self) -> Iterator[Callable[[], None]]:
        """Yield what may happen next, with what it is about: seats, money, courses, people, and partners."""
        chance, nth = self.chance, self.nth
        yes = chance.random() < 0.5
        who = chance.randrange(1, 5)
        code = chance.choice(["", "SPRING-25"])
        staff: dict[str, Any] = {"actor": STAFF, "reason": "Asked to"}

        yield lambda: self.ask_for_a_seat(who)
        yield lambda: self.ask_a_parent(who, voucher=code, with_seat=yes)
        yield lambda: self.transfer_a_seat(nth(), to_other=yes)
        yield lambda: self.release_a_seat(nth())
        yield lambda: self.resize_an_allocation(chance.randrange(1, 4))
        yield lambda: self.on(SEATS, reassign_seat, "seat_id", learner_id=self.student().pk, **staff)
        yield self.ask_about_any_idle_seat
        yield lambda: self.attempt(reclaim_due)

        yield lambda: self.review(nth(), is_approved=yes)
        yield lambda: self.hold_an_answer(nth(), self.outcome_of_review())
        yield lambda: self.undo_an_answer(nth())
        yield lambda: self.attempt(carry_out_due_reviews)
        yield lambda: self.end(nth())
        yield lambda: self.change_the_criteria(chance.choice([[], [NOT_THE_SECOND]]))
        yield lambda: self.reconsider(nth())
        yield lambda: self.on(ENROLLMENTS, delete_enrollment, "enrollment_id", actor=STAFF)
        yield lambda: self.on(
            ENROLLMENTS, change_enrollment, "enrollment_id", changes={"metadata": {"n": nth()}}, actor=STAFF
        )
        yield lambda: self.on(ENROLLMENTS, ask_family, "enrollment_id", question="Which one?", actor=STAFF)
        yield lambda: self.on(Inquiry.objects.all(), answer_inquiry, "inquiry_id", answer="This one.")
        yield lambda: self.on(
            ENROLLMENTS, plan_exit, "enrollment_id", effective_date=self.now.date() + dt.timedelta(days=9), **staff
        )
        yield lambda: self.on(PlannedExit.objects.all(), withdraw_exit, "planned_exit_id", actor=STAFF)
        yield lambda: self.on(ENROLLMENTS, ask_for_refund, "enrollment_id", wish=Wish.TWICE, actor=STAFF)
        yield lambda: self.attempt(carry_out_due_exits)
        yield lambda: self.attempt(expire_enrollments, limit=10)

        yield lambda: self.hear_of_a_checkout(nth(), outcome="paid")
        yield lambda: self.hear_of_a_checkout(nth(), outcome="paid")
        yield lambda: self.hear_of_a_checkout(nth(), chance.choice(["expired", "failed", "processing"]))
        yield lambda: self.ask_for_a_refund(nth(), chance.choice([None, 100, 4900]))
        yield lambda: self.hear_of_a_refund(nth(), chance.choice(["succeeded", "pending", "failed"]))
        yield lambda: self.hear_of_a_dispute(nth(), chance.choice(["needs_response", "won", "lost"]))
        yield lambda: self.pay_in_cash(nth())
        yield lambda: self.reverse_cash(nth(), is_returned=yes)

        yield lambda: self.attempt(self.hold_any_place, voucher=code)
        yield lambda: self.attempt(self.hold_any_place, voucher="")
        yield lambda: self.book(nth(), nth())
        yield lambda: self.book(nth(), nth())
        yield lambda: self.cancel_a_booking(nth())
        yield self.swap_a_booking
        yield lambda: self.on(
            PACKAGES, move_package, "package_id", cohort_id=self.term().pk, stranded=Stranded.EXCUSE, excuse="Moved"
        )
        progress = StepProgress.objects.all()
        yield lambda: self.on(progress, excuse_step, "progress_id", **staff)
        yield lambda: self.on(progress, mark_attended, "progress_id", actor=STAFF)
        yield lambda: self.on(progress, mark_missed, "progress_id", actor=STAFF)
        yield lambda: self.attempt(complete_due_courses)
        yield lambda: self.attempt(join_waitlist, learner_id=self.student().pk, cohort_id=self.term().pk)
        yield lambda: self.attempt(leave_waitlist, learner_id=self.student().pk, cohort_id=self.term().pk)
        yield lambda: self.attempt(end_lines_of_owners)
        yield lambda: self.attempt(report_stranded_steps)
        yield lambda: self.attempt(serve_waitlist, cohort_id=self.term().pk)
        yield lambda: self.attempt(expire_due_offers)
        yield lambda: self.attempt(change_capacity, cohort_id=self.term().pk, max_enrollment=1 + nth())
        yield lambda: self.attempt(self.add_a_step)
        yield lambda: self.on(CourseStep.objects.filter(title="More"), remove_step, "step_id", actor=STAFF)
        yield self.reschedule_a_session

        yield self.merge_two
        yield lambda: self.attempt(self.erase_anybody)
        yield lambda: self.attempt(self.change_anybody)
        yield lambda: self.attempt(
            ask_for_name, learner_id=self.student().pk, first_name="Ida", last_name="Lake", actor=STAFF
        )
        yield lambda: self.attempt(accept_name, learner_id=self.student().pk, actor=STAFF)
        yield lambda: self.attempt(self.link_a_guardian)
        yield lambda: self.attempt(self.change_an_address)

        steps = EnrollmentStep.objects.all()
        yield lambda: self.attempt(accept, pick(steps, nth()))
        yield lambda: self.attempt(complete, pick(steps, nth()))
        yield lambda: self.on(steps, skip_step, "step_id", **staff)
        yield lambda: self.on(steps, reopen_step, "step_id", **staff)

    def student(self) -> Learner:
        return self.chance.choice(list(Learner.objects.filter(workspace=self.workspace).order_by("pk")))

    def term(self) -> Any:
        return self.chance.choice([self.cohort, self.second])

    def outcome_of_review(self) -> EligibilityStatus:
        return self.chance.choice([EligibilityStatus.APPROVED, EligibilityStatus.REJECTED])

    def ask_about_any_idle_seat(self) -> None:
        with suppress(IntegrityError):  # the question itself is this test's, and another process asks it
            self.ask_about_an_idle_seat(self.nth(), is_kept=self.chance.random() < 0.5)

    def hold_any_place(self, *, voucher: str, now: dt.datetime) -> None:
        reserve(self.term(), self.student(), voucher=voucher)

    def swap_a_booking(self) -> None:
        row = pick(BOOKED, self.nth())
        option = pick(CourseStepOption.objects.filter(step=row.step_id), self.nth())
        self.attempt(swap_booking, package_id=row.package_id, step_id=row.step_id, option_id=option.pk)

    def add_a_step(self, *, now: dt.datetime) -> None:
        program = self.cohort.instance.program
        orders = set(CourseStep.objects.filter(program=program).values_list("order", flat=True))
        free = min(set(range(1, 5)) - orders, default=None)
        if free is not None:
            with suppress(IntegrityError):  # its place in the course is this test's choice, and another took it
                add_step(step=CourseStep(program=program, order=free, label=f"Week {free}", title="More"))

    def reschedule_a_session(self) -> None:
        session = pick(ClassSession.objects.all(), self.nth())
        start = self.chance.randrange(8, 18)
        self.attempt(
            reschedule_session,
            session_id=session.pk,
            date=session.starts_at.date(),
            start_time=dt.time(start),
            end_time=dt.time(start + 1),
            max_students=self.chance.randrange(1, 4),
        )

    def merge_two(self) -> None:
        keep, drop = self.student(), self.student()
        self.attempt(merge_learners, keep_id=keep.pk, drop_id=drop.pk, actor=STAFF, reason="Twins")

    def erase_anybody(self, *, now: dt.datetime) -> None:
        cuid = self.student().cuid
        erase_learner(
            workspace_id=self.workspace.pk, learner_cuid=cuid, reason=ErasureReason.ASKED, actor=STAFF, now=now
        )

    def change_anybody(self, *, now: dt.datetime) -> None:
        name = self.chance.choice(["Ada", "Grace", "Jane"])
        change_learner(workspace_id=self.workspace.pk, cuid=self.student().cuid, changes={"first_name": name})

    def link_a_guardian(self, *, now: dt.datetime) -> None:
        learners: dict[str, Any] = {"learner_ids": [self.student().cuid, self.student().cuid]}
        if self.chance.random() < 0.5:
            address = f"new{self.chance.randrange(10**9)}@home.test"
            register_guardian(workspace_id=self.workspace.pk, external_id=None, email=address, **learners)
        else:
            guardian = pick(Guardian.objects.all(), self.nth())
            change_guardian(workspace_id=self.workspace.pk, guardian_id=guardian.pk, changes=learners, now=now)

    def change_an_address(self, *, now: dt.datetime) -> None:
        guardian = pick(Guardian.objects.all(), self.nth())
        set_guardian_address(guardian_id=guardian.pk, email=f"g{self.nth()}@home.test", now=now)
