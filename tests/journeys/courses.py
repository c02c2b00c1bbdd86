"""What the course journeys need to exist, and what other people do meanwhile; called in the stack."""

import datetime as dt

import httpx
from django.db.models import F

from accounts.models import Workspace
from accounts.tests.factories import LearnerFactory, WorkspaceFactory
from billing.checkout import settle_checkout
from billing.models import Checkout, Price
from cohorts.course.scheduling import schedule_cohort
from cohorts.learning.attendance import mark_attended
from cohorts.learning.booking import Selection, book_sessions
from cohorts.models import (
    ClassSession,
    Cohort,
    CohortPlace,
    CourseStep,
    CourseStepOption,
    GroupClass,
    StepProgress,
    StudentPackage,
)
from cohorts.sale.opening import change_capacity
from cohorts.states import DayOfWeek, PlaceStatus
from cohorts.tests.factories import start
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments.models import Program, ProgramInstance

ROBOTS = (
    "Build a robot that finds its own way: sketch it, wire it, teach it to see. For curious people from 10 to 14, "
    "without experience. Each week has one live class in a small group, and a kit comes by post."
)
# label, title, how many classes to choose from
ROBOT_STEPS = [("Kickoff", "Meet your kit", 1), ("Week 2", "Wheels and motors", 3), ("Week 3", "Sensors", 2)]
CHESS_STEPS = [("Evening 1", "Openings", 1), ("Evening 2", "Endgames", 1)]


def build() -> dict[str, dict[str, int]]:
    """Create the courses; return for each code its cohorts' ids by name."""
    workspace = WorkspaceFactory(slug="lakeside", name="Lakeside Learning")
    price = Price.objects.create(workspace=workspace, name="Tuition", amount_minor=14900)
    robots = _course(workspace, "ROBOTS", "Robots that find their way", ROBOTS, ROBOT_STEPS)
    chess = _course(workspace, "CHESS", "Chess evenings", "Two evenings over the board.", CHESS_STEPS)
    _course(workspace, "POTTERY", "Pottery for beginners", "", [("Day 1", "Clay", 1)])
    now = utc_now()
    fall, later, free = (
        _term(robots, name, price=charged)
        for name, charged in (("Fall", price), ("Winter", price), ("Announced", None))
    )
    games = _term(chess, "Fall", price=price)
    dance = _course(workspace, "DANCE", "Dance", "Two parts.", [("Part 1", "Steps", 2), ("Part 2", "Turns", 2)])
    cohorts = [
        _cohort(fall, "Evenings", places=40, enrollment_deadline=now + dt.timedelta(days=9)),
        _cohort(fall, "Small group", places=3),
        _cohort(later, "Full house", places=1),
        _cohort(later, "Sold out", places=1),
        _cohort(later, "One place", places=1),
        _cohort(later, "Early birds", places=10, enrollment_deadline=now - dt.timedelta(days=1)),
        _cohort(free, "Spring", places=10),
        _cohort(games, "Wednesdays", places=40),
        _cohort(_term(dance, "Fall", price=price), "Weekends", places=40),
    ]
    _let_two_classes_overlap(dance)
    for full in ("Full house", "Sold out"):
        _somebody_buys(Cohort.objects.get(name=full))
    made: dict[str, dict[str, int]] = {}
    for cohort in cohorts:
        made.setdefault(cohort.instance.program.code, {})[cohort.name] = cohort.pk
    return made


def leave_one_seat_on_tuesday() -> int:
    """Leave one seat in the robots' Tuesday class, and places for two in the small group."""
    cohort = Cohort.objects.get(name="Small group")
    change_capacity(
        cohort_id=cohort.pk, max_enrollment=cohort.current_enrollment + cohort.held_places + 2, now=utc_now()
    )
    tuesday = ClassSession.objects.filter(cohort_sessions__option=_tuesday())
    return tuesday.update(max_students=F("booked_count") + 1)


def take_the_last_seat_on_tuesday() -> bool:
    """Let somebody else book it."""
    package, option = _somebody_buys(Cohort.objects.get(name="Small group")), _tuesday()
    book_sessions(package_id=package.pk, selections=[Selection(option.step_id, option.pk)], now=utc_now())
    return True


def leave_one_place() -> int:
    """Give the cohort that has room for one its place again."""
    cohort = Cohort.objects.get(name="One place")
    taken = cohort.current_enrollment + cohort.held_places
    return change_capacity(cohort_id=cohort.pk, max_enrollment=taken + 1, now=utc_now()).max_enrollment


def sell_the_place_that_is_being_paid() -> int:
    """Simulate what must not happen, as a place outlives its checkout: it is free again and sold to somebody else
    before the money arrives.
    """
    cohort = Cohort.objects.get(name="One place")
    CohortPlace.objects.filter(cohort=cohort, status=PlaceStatus.HELD).update(status=PlaceStatus.RELEASED)
    Cohort.objects.filter(pk=cohort.pk).update(held_places=0)
    return _somebody_buys(cohort).pk


def attend_all_kickoffs() -> int:
    """Hold the first session, with everybody present."""
    rows = StepProgress.objects.filter(step__label="Kickoff", status="BOOKED")
    return len([mark_attended(progress_id=row.pk, actor=SYSTEM, now=utc_now()) for row in rows])


def add_a_place_to_the_full_house() -> int:
    """Let staff find a bigger room: the next in line gets an offer."""
    return change_capacity(
        cohort_id=Cohort.objects.get(name="Full house").pk, max_enrollment=2, now=utc_now()
    ).max_enrollment


def _tuesday() -> CourseStepOption:
    return CourseStepOption.objects.get(step__label="Week 2", group_class__name="Tuesday lab")


def _course(workspace: Workspace, code: str, title: str, text: str, steps: list[tuple[str, str, int]]) -> Program:
    course = Program.objects.create(workspace=workspace, code=code, title=title, description=text, listed=True)
    days = [DayOfWeek.TUESDAY, DayOfWeek.THURSDAY, DayOfWeek.SATURDAY]
    for order, (label, topic, classes) in enumerate(steps, start=1):
        step = CourseStep.objects.create(program=course, order=order, label=label, title=topic)
        for day in days[:classes]:
            CourseStepOption.objects.create(step=step, group_class=_class(workspace, code, order, day))
    return course


def _term(course: Program, name: str, *, price: Price | None) -> ProgramInstance:
    return ProgramInstance.objects.create(workspace=course.workspace, program=course, name=name, price=price)


def _class(workspace: Workspace, code: str, order: int, day: DayOfWeek) -> GroupClass:
    return GroupClass.objects.create(
        workspace=workspace,
        name=f"{day.label} {'lab' if code == 'ROBOTS' else 'club'}",
        day_of_week=day,
        start_time=dt.time(17),
        end_time=dt.time(18, 30),
        timezone="America/Chicago",
        max_students=1 if (code, order, day) == ("ROBOTS", 2, DayOfWeek.TUESDAY) else 60,
        teacher="Ms. Ramos",
        meeting_url="https://meet.example/room",
    )


def _cohort(instance: ProgramInstance, name: str, *, places: int, **more: object) -> Cohort:
    start_date = utc_now().date() + dt.timedelta(days=14)
    cohort = Cohort.objects.create(
        instance=instance,
        name=name,
        start_date=start_date,
        end_date=start_date + dt.timedelta(weeks=8),
        timezone="America/Chicago",
        max_enrollment=places,
        is_active=True,
        **more,
    )
    schedule_cohort(cohort_id=cohort.pk)
    return cohort


def _let_two_classes_overlap(course: Program) -> None:
    first, second = (
        ClassSession.objects.get(group_class__options__step=step, group_class__day_of_week=DayOfWeek.TUESDAY)
        for step in course.steps.order_by("order")
    )
    second.starts_at, second.ends_at = first.starts_at, first.ends_at
    second.save()


def _somebody_buys(cohort: Cohort) -> StudentPackage:
    workspace = cohort.instance.workspace
    checkout = start(cohort, LearnerFactory(workspace=workspace))
    httpx.post(f"{checkout.url}/pay", data={"card": "ok"}, timeout=30, trust_env=False)
    settle_checkout(checkout_id=checkout.pk, now=utc_now())
    return StudentPackage.objects.get(place=int(Checkout.objects.get(pk=checkout.pk).subject))
