"""What happens to learners in courses, told like the stories in `stories.py`: buying, booking, attending, waiting."""

import contextlib
import datetime as dt
import random
from collections.abc import Callable, Generator

from django.db import transaction

from accounts.guardians import link_guardian
from accounts.models import Guardian, Learner, Workspace
from billing.models import Checkout
from billing.purposes import key_of
from cohorts.errors import SessionFull, TimeConflict, TooLateToChange
from cohorts.learning.attendance import excuse_step, mark_attended, mark_missed
from cohorts.learning.booking import Selection, book_sessions, swap_booking
from cohorts.models import Cohort, StepProgress, StudentPackage
from cohorts.queries import offered_by_step, unbooked_steps
from cohorts.sale.checkout import default_cancel_url, default_success_url, reserve_place
from cohorts.sale.waitlist import join_waitlist
from cohorts.states import StepStatus
from core.actors import SYSTEM, Actor
from core.clock import utc_now
from core.errors import require
from core.local_time import to_instant
from enrollments.leaving import Wish, ask_for_refund, can_ask

from . import stripe
from .catalog import Child, Family, Scene
from .courses import COURSES, WELCOME, Course, Term
from .stories import Story, enter_learner

Purchase = Generator[dt.timedelta, None, StudentPackage]
People = list[tuple[Family, Child]]
Begin = Callable[[dt.datetime, Story], None]

# How often something other than the usual happens.
BOOKS_LATER = 0.15
SWAPS = 0.1
IS_PARTLY_REFUNDED = 0.05
MISSES = 0.1
GOES_UNMARKED = 0.06
IS_EXCUSED = MISSES / 3
ASK_AT_MOST = 60


def begin_courses(
    scene: Scene, courses: list[tuple[Course, list[tuple[Term, Cohort]]]], *, begin: Begin, now: dt.datetime
) -> None:
    """Fill the cohorts with the organization's learners, each in a course once, in the order of the terms."""
    for course, cohorts in courses:
        chance = random.Random(f"{scene.organization.slug} {course.code}")  # noqa: S311  the same demo everywhere
        known = scene.organization.known_family
        pool = [(family, child) for family in scene.families if family is not known for child in family.children]
        chance.shuffle(pool)
        for term, cohort in cohorts:
            known_child = [(known, known.children[term.known_child])] if known and term.known_child is not None else []
            people = known_child + pool[: term.sold + term.waiting - len(known_child)]
            del pool[: term.sold + term.waiting - len(known_child)]
            if term.waiting:
                _sell_out(scene, term, cohort, people, chance, begin=begin, now=now)
            else:
                _sell(scene, cohort, people, chance, begin=begin, now=now)
        latest = max((cohort for _, cohort in cohorts), key=lambda cohort: cohort.start_date)
        for family, child in pool[:1]:
            begin(now - dt.timedelta(minutes=6), hesitate_to_pay(scene, family, child, latest))


def _sell(
    scene: Scene, cohort: Cohort, people: People, chance: random.Random, *, begin: Begin, now: dt.datetime
) -> None:
    """Sell places in the four weeks before the deadline, or before today."""
    starts_at = to_instant(date=cohort.start_date, time=dt.time(12), zone=cohort.timezone).at
    closes_at = min(cohort.enrollment_deadline or starts_at, now) - dt.timedelta(hours=1)
    for family, child in people:
        moment = closes_at - dt.timedelta(days=chance.triangular(0, 28, 9))
        begin(moment, take_course(scene, family, child, cohort, chance))


def _sell_out(
    scene: Scene, term: Term, cohort: Cohort, people: People, chance: random.Random, *, begin: Begin, now: dt.datetime
) -> None:
    """Sell all places and return two: the first in the waiting list buys one, and the next is offered the other."""
    *waiting, accepting = people[: term.waiting]
    buyers = people[term.waiting :]
    if len(buyers) < term.sold:
        return
    came_back = (now - dt.timedelta(days=8), now - dt.timedelta(hours=3))
    for position, (family, child) in enumerate(buyers):
        moment = now - dt.timedelta(days=chance.uniform(10, 26))
        if position < len(came_back):
            begin(moment, leave_course(scene, family, child, cohort, chance, at=came_back[position]))
        else:
            begin(moment, take_course(scene, family, child, cohort, chance))
    in_time = came_back[0] + dt.timedelta(hours=9)
    begin(now - dt.timedelta(days=9), accept_offered_place(scene, *accepting, cohort, chance, at=in_time))
    for position, (family, child) in enumerate(waiting):
        begin(now - dt.timedelta(days=6 - position), wait_for_place(scene, family, child, cohort))


def take_course(scene: Scene, family: Family, child: Child, cohort: Cohort, chance: random.Random) -> Story:
    """Buy a place, choose sessions, and attend them."""
    package = yield from _buy(scene, family, child, cohort, chance)
    if chance.random() >= BOOKS_LATER:
        yield dt.timedelta(minutes=chance.uniform(2, 40))
        _choose_sessions(package, chance)
    if chance.random() < SWAPS:
        yield dt.timedelta(hours=chance.uniform(5, 40))
        _swap_one(package, chance)
    if chance.random() < IS_PARTLY_REFUNDED:
        yield dt.timedelta(days=chance.uniform(1, 4))
        _refund(scene, package, package_share=4, note="A class started late")
    yield from _attend(scene, package, chance)


def leave_course(
    scene: Scene, family: Family, child: Child, cohort: Cohort, chance: random.Random, *, at: dt.datetime
) -> Story:
    """Buy a place and give it back at a given moment; it goes to the next in the waiting list."""
    package = yield from _buy(scene, family, child, cohort, chance)
    _choose_sessions(package, chance)
    yield at - utc_now()
    _refund(scene, package, package_share=1, note="The family moves away")


def wait_for_place(scene: Scene, family: Family, child: Child, cohort: Cohort) -> Story:
    """Join the end of the waiting list."""
    learner, _ = _learner(scene, family, child)
    join_waitlist(learner_id=learner.pk, cohort_id=cohort.pk, now=utc_now())
    yield from ()


def accept_offered_place(
    scene: Scene, family: Family, child: Child, cohort: Cohort, chance: random.Random, *, at: dt.datetime
) -> Story:
    """Wait, be offered a place, and buy it before the offer expires."""
    yield from wait_for_place(scene, family, child, cohort)
    yield at - utc_now()
    yield from take_course(scene, family, child, cohort, chance)


def hesitate_to_pay(scene: Scene, family: Family, child: Child, cohort: Cohort) -> Story:
    """Hold a place without having paid yet."""
    _reserve(scene, family, child, cohort)
    yield from ()


def _buy(scene: Scene, family: Family, child: Child, cohort: Cohort, chance: random.Random) -> Purchase:
    checkout = _reserve(scene, family, child, cohort)
    yield dt.timedelta(minutes=chance.uniform(1, 12))
    stripe.pay(checkout, family.email)
    return StudentPackage.objects.get(place=key_of(checkout.subject))


def _reserve(scene: Scene, family: Family, child: Child, cohort: Cohort) -> Checkout:
    learner, guardian = _learner(scene, family, child)
    course_code = cohort.instance.program.code
    place = reserve_place(
        learner_id=learner.pk,
        course_code=course_code,
        cohort_id=cohort.pk,
        success_url=default_success_url(),
        cancel_url=default_cancel_url(course_code),
        voucher=WELCOME if _has_flyer(scene, family, child, course_code) else "",
        actor=Actor("guardian", guardian.pk),
        now=utc_now(),
    )
    checkout = require(place.checkout, "a reserved place has its checkout")
    stripe.open_page(checkout)
    return checkout


def _has_flyer(scene: Scene, family: Family, child: Child, course_code: str) -> bool:
    """Return whether the family has the code, as every sixth does; its first child uses it in the first course."""
    if family is scene.organization.known_family:
        return False
    first_course = COURSES[scene.organization.slug][0]
    return first_course.code == course_code and child == family.children[0] and family in scene.families[5::6]


@transaction.atomic
def _learner(scene: Scene, family: Family, child: Child) -> tuple[Learner, Guardian]:
    learner = enter_learner(scene, child)
    guardian = Guardian.objects.get(workspace=scene.workspace, external_id=family.guardian_id)
    link_guardian(guardian_id=guardian.pk, learner_id=learner.pk)
    return learner, guardian


def ask_back(workspace: Workspace, *, now: dt.datetime) -> None:
    """Ask for a refund for the family that bought last, among those whose course no quote covers any longer."""
    sold = StudentPackage.objects.live().filter(program__workspace=workspace).exclude(payment=None)
    for package in sold.select_related("enrollment").order_by("-purchased_at", "-pk")[:ASK_AT_MOST]:
        if package.enrollment is not None and can_ask(package.enrollment, now=now):
            ask_for_refund(enrollment_id=package.enrollment.pk, wish=Wish.NOT_ATTENDED, actor=SYSTEM, now=now)
            return


def _choose_sessions(package: StudentPackage, chance: random.Random) -> None:
    """Book a session for each step that waits for one, if one that fits is left."""
    for step, sessions in unbooked_steps(package, now=utc_now()):
        for session in chance.sample(sessions, len(sessions)):
            with contextlib.suppress(SessionFull, TimeConflict):
                book_sessions(package_id=package.pk, selections=[Selection(step.pk, session.option_id)], now=utc_now())
                break


def _swap_one(package: StudentPackage, chance: random.Random) -> None:
    """Change the first session that has an alternative."""
    offered = offered_by_step(cohort_id=package.cohort_id, now=utc_now())
    for row in package.progress.filter(status=StepStatus.BOOKED).order_by("step__order", "pk"):
        others = [
            session for session in offered.get(row.step_id, []) if session.class_session_id != row.class_session_id
        ]
        if others:
            with contextlib.suppress(SessionFull, TimeConflict, TooLateToChange):
                option = chance.choice(others).option_id
                swap_booking(package_id=package.pk, step_id=row.step_id, option_id=option, now=utc_now())
            return


def _refund(scene: Scene, package: StudentPackage, *, package_share: int, note: str) -> None:
    payment = require(package.payment, "a package that was bought has its payment")
    amount = None if package_share == 1 else payment.amount_minor // package_share
    stripe.refund(payment, amount_minor=amount, user=scene.staff, note=note)


def _attend(scene: Scene, package: StudentPackage, chance: random.Random) -> Story:
    """Attend or miss each session; the teacher's list arrives an hour after it, or occasionally never."""
    who = Actor("user", scene.staff.pk)
    booked = StepProgress.objects.filter(package=package, status=StepStatus.BOOKED).select_related("class_session")
    for row in booked.order_by("class_session__starts_at", "pk"):
        yield max(row.seat.ends_at + dt.timedelta(hours=1) - utc_now(), dt.timedelta(0))
        fate = chance.random()
        if fate < MISSES:
            mark_missed(progress_id=row.pk, actor=who, now=utc_now())
            if fate < IS_EXCUSED:
                excuse_step(progress_id=row.pk, reason="Ill, and caught up at home", actor=who, now=utc_now())
        elif fate > GOES_UNMARKED + MISSES:
            mark_attended(progress_id=row.pk, actor=who, now=utc_now())
