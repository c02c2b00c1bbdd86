"""The demo's courses: three programs with classes in several time zones and cohorts at every stage."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from billing.discounts.batch import Terms, make_vouchers
from billing.models import Price
from billing.refund_policy import RefundTier
from billing.states import VoucherKind
from cohorts.course.scheduling import clone_cohort, schedule_cohort
from cohorts.models import Cohort, CourseStep, CourseStepOption, GroupClass
from cohorts.states import DayOfWeek
from core.actors import SYSTEM
from core.clock import utc_now
from core.local_time import to_instant
from enrollments.models import Program, ProgramInstance
from enrollments.refund_rules import set_refund_policy

from .catalog import Scene

# A full refund until two weeks before the start, half until the start, then none. It predates every sale.
REFUNDS = (RefundTier(days_before_start=14), RefundTier(days_before_start=0, kept_percent=50))
IN_FORCE_FOR = dt.timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Weekly:
    """A class that meets every week."""

    name: str
    day: DayOfWeek
    starts: dt.time
    ends: dt.time
    timezone: str
    seats: int
    teacher: str


@dataclass(frozen=True, slots=True)
class Step:
    """A week's topic and the names of the classes in which it can be attended."""

    label: str
    title: str
    classes: tuple[str, ...]
    required: bool = True


@dataclass(frozen=True, slots=True)
class Term:
    """A cohort, in days from today. The first in the list are sold first, while there are learners."""

    name: str  # after the month it starts in
    start: int
    places: int
    sold: int
    deadline: int | None = -1  # days from its start
    waiting: int = 0  # one of them has bought since, and one has an offer
    known_child: int | None = None  # which of the known family's children is in it, or waits first


@dataclass(frozen=True, slots=True)
class Course:
    code: str
    amount_minor: int
    timezone: str
    classes: tuple[Weekly, ...]
    steps: tuple[Step, ...]
    terms: tuple[Term, ...]
    next_term: int | None = None  # a clone of the last cohort, not open yet


_CHICAGO = "America/Chicago"
_NEW_YORK = "America/New_York"
_DENVER = "America/Denver"
_LISBON = "Europe/Lisbon"
_BERLIN = "Europe/Berlin"

CODE = Course(
    code="CODE",
    amount_minor=14900,
    timezone=_CHICAGO,
    classes=(
        Weekly("Coding Lab, Tuesday", DayOfWeek.TUESDAY, dt.time(17), dt.time(18), _CHICAGO, 40, "Dana Whitfield"),
        Weekly("Coding Lab, Thursday", DayOfWeek.THURSDAY, dt.time(16), dt.time(17), _CHICAGO, 9, "Samir Aziz"),
        Weekly("Coding Lab, Saturday", DayOfWeek.SATURDAY, dt.time(10), dt.time(11), _NEW_YORK, 12, "Ines Duarte"),
        Weekly("Game Studio", DayOfWeek.WEDNESDAY, dt.time(17, 30), dt.time(18, 30), _DENVER, 40, "Dana Whitfield"),
    ),
    steps=(
        Step("Week 1", "Say hello to code", ("Coding Lab, Tuesday",)),
        Step("Week 2", "Loops and drawings", ("Coding Lab, Tuesday", "Coding Lab, Thursday", "Coding Lab, Saturday")),
        Step("Week 3", "Choices and events", ("Coding Lab, Thursday", "Coding Lab, Saturday")),
        Step("Week 4", "A first game", ("Game Studio",)),
        Step("Week 5", "Sounds and scores", ("Game Studio", "Coding Lab, Saturday")),
        Step("Showcase", "Show your game to the family", ("Coding Lab, Tuesday",), required=False),
    ),
    terms=(
        Term("small group", start=9, places=8, sold=8, waiting=5, known_child=2),
        Term("cohort", start=-24, places=12, sold=11, known_child=0),
        Term("cohort", start=-126, places=14, sold=12),
        Term("evening cohort", start=24, places=14, sold=4, deadline=-3),
    ),
    next_term=94,
)

MATH = Course(
    code="MATH",
    amount_minor=9900,
    timezone=_NEW_YORK,
    classes=(
        Weekly("Math Circle, Monday", DayOfWeek.MONDAY, dt.time(16), dt.time(16, 50), _NEW_YORK, 40, "Grace Obi"),
        Weekly("Math Circle, Wednesday", DayOfWeek.WEDNESDAY, dt.time(16), dt.time(16, 50), _CHICAGO, 10, "Peter Holm"),
        Weekly("Puzzle Hour", DayOfWeek.FRIDAY, dt.time(15, 30), dt.time(16, 30), _NEW_YORK, 10, "Grace Obi"),
    ),
    steps=(
        Step("Week 1", "Numbers with a pattern", ("Math Circle, Monday",)),
        Step("Week 2", "Shapes that repeat", ("Math Circle, Monday", "Math Circle, Wednesday")),
        Step("Week 3", "Puzzles for two", ("Math Circle, Wednesday", "Puzzle Hour")),
        Step("Week 4", "A puzzle of one's own", ("Math Circle, Monday", "Math Circle, Wednesday", "Puzzle Hour")),
    ),
    terms=(
        Term("cohort", start=-10, places=10, sold=9),
        Term("afternoon group", start=16, places=14, sold=12, deadline=None, known_child=1),
        Term("express group", start=4, places=10, sold=6, deadline=-6),
        Term("cohort", start=-98, places=12, sold=10),
    ),
)

CARE = Course(
    code="CARE",
    amount_minor=39000,
    timezone=_LISBON,
    classes=(
        Weekly("Care Basics", DayOfWeek.MONDAY, dt.time(19), dt.time(20, 30), _LISBON, 40, "Sister Helena Prado"),
        Weekly("Practice, Wednesday", DayOfWeek.WEDNESDAY, dt.time(18), dt.time(20), _LISBON, 10, "Jonas Weber"),
        Weekly("Practice, Saturday", DayOfWeek.SATURDAY, dt.time(9, 30), dt.time(11, 30), _BERLIN, 10, "Jonas Weber"),
    ),
    steps=(
        Step("Unit 1", "Hygiene and safety", ("Care Basics",)),
        Step("Unit 2", "Moving a patient", ("Practice, Wednesday", "Practice, Saturday")),
        Step("Unit 3", "Meals and medicine", ("Care Basics",)),
        Step("Unit 4", "Talking with families", ("Practice, Wednesday", "Practice, Saturday")),
        Step("Exam clinic", "Questions before the exam", ("Care Basics",)),
    ),
    terms=(
        Term("small group", start=7, places=6, sold=6, waiting=3),
        Term("evening cohort", start=-16, places=14, sold=12),
        Term("cohort", start=38, places=20, sold=5, deadline=-7),
    ),
)

WELCOME = "WELCOME-10"  # takes a tenth off, once per family
COURSES: dict[str, tuple[Course, ...]] = {"bright-futures": (CODE, MATH), "harbor-skills": (CARE,)}


def build_courses(scene: Scene, *, today: dt.date) -> list[tuple[Course, list[tuple[Term, Cohort]]]]:
    """Build the organization's courses with scheduled, open cohorts, and the voucher codes that families can enter."""
    if scene.organization.slug in COURSES:
        _make_codes(scene)
    return [(course, _build_course(scene, course, today)) for course in COURSES.get(scene.organization.slug, ())]


def _build_course(scene: Scene, course: Course, today: dt.date) -> list[tuple[Term, Cohort]]:
    program = Program.objects.get(workspace=scene.workspace, code=course.code)
    program.listed = True
    program.save(update_fields=["listed"])
    _build_steps(program, course)
    price = Price.objects.create(
        workspace=scene.workspace,
        name=f"{program.title}, live online",
        amount_minor=course.amount_minor,
        currency=scene.organization.currency,
    )
    instance = ProgramInstance.objects.create(
        workspace=scene.workspace, program=program, name=f"{program.title}, live online", price=price
    )
    set_refund_policy(
        program=program,
        instance=None,
        tiers=REFUNDS,
        currency=price.currency,
        actor=SYSTEM,
        now=utc_now() - IN_FORCE_FOR,
    )
    cohorts = [(term, _build_cohort(instance, course, term, today)) for term in course.terms]
    if course.next_term is not None:
        start = today + dt.timedelta(days=course.next_term)
        clone_cohort(cohort_id=cohorts[-1][1].pk, name=f"{start:%B} cohort, planned", start_date=start)
    return cohorts


def _make_codes(scene: Scene) -> None:
    """Create one code for everybody, and one for a few."""
    welcome = Terms(kind=VoucherKind.PERCENTAGE, percent=Decimal(10), most_uses_per_family=1, note="On our flyers")
    scholarship = Terms(kind=VoucherKind.FREE, most_uses=5, note="For families that the fund pays for")
    for code, terms in ((WELCOME, welcome), ("SCHOLARSHIP", scholarship)):
        make_vouchers(workspace_id=scene.workspace.pk, count=1, code=code, terms=terms, now=utc_now())


def _build_steps(program: Program, course: Course) -> None:
    classes = {
        weekly.name: GroupClass.objects.create(
            workspace=program.workspace,
            name=weekly.name,
            day_of_week=weekly.day,
            start_time=weekly.starts,
            end_time=weekly.ends,
            timezone=weekly.timezone,
            max_students=weekly.seats,
            teacher=weekly.teacher,
            meeting_url=f"https://meet.example/{course.code.lower()}-{weekly.day.label.lower()}",
        )
        for weekly in course.classes
    }
    for order, step in enumerate(course.steps, start=1):
        row = CourseStep.objects.create(
            program=program, order=order, label=step.label, title=step.title, required=step.required
        )
        CourseStepOption.objects.bulk_create(
            CourseStepOption(step=row, group_class=classes[name]) for name in step.classes
        )


def _build_cohort(instance: ProgramInstance, course: Course, term: Term, today: dt.date) -> Cohort:
    start = today + dt.timedelta(days=term.start)
    deadline = None
    if term.deadline is not None:
        last_day = start + dt.timedelta(days=term.deadline)
        deadline = to_instant(date=last_day, time=dt.time(23, 59), zone=course.timezone).at
    cohort = Cohort.objects.create(
        instance=instance,
        name=f"{start:%B} {term.name}",
        start_date=start,
        end_date=start + dt.timedelta(weeks=len(course.steps) + 1),
        timezone=course.timezone,
        max_enrollment=term.places,
        enrollment_deadline=deadline,
        is_active=True,
    )
    schedule_cohort(cohort_id=cohort.pk)
    return cohort
