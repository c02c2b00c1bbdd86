"""Creating a whole course at once: program, classes, steps, price, cohort, and sessions, or none of it."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction

from core.actors import Actor
from core.errors import FieldError, item_of, refuse
from core.local_time import check_date, to_instant
from core.money import Money
from core.text import fit
from enrollments.models import Program, ProgramInstance
from enrollments.programs import create_instance, create_program

from ..errors import TermTooShort
from ..models import Cohort, CohortSession, CourseStep, CourseStepOption, GroupClass
from .curriculum import add_step
from .scheduling import create_cohort, teaching_week

MAX_STEPS = 52
MAX_CLASSES = 20
INSTANCE_NAME = "Live classes"
DEADLINE_TIME = dt.time(23, 59)


@dataclass(frozen=True, slots=True)
class ClassPlan:
    """A weekly hour to create. With `known_id` it is an existing class, which is not changed."""

    day_of_week: int = 0
    start_time: dt.time = dt.time(0)
    end_time: dt.time = dt.time(0)
    timezone: str = "UTC"
    seats: int = 0
    name: str = ""  # if empty, made up of the course and the weekday
    teacher: str = ""
    meeting_url: str = ""
    known_id: int | None = None


@dataclass(frozen=True, slots=True)
class StepPlan:
    """A step and the classes, by their indexes in the plan, in which it can be taken."""

    label: str
    title: str
    required: bool = True
    classes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CoursePlan:
    """A course to create, with its first cohort. A value of None is derived from the others."""

    code: str
    title: str
    description: str
    listed: bool
    classes: tuple[ClassPlan, ...]
    steps: tuple[StepPlan, ...]
    start_date: dt.date
    timezone: str
    price: Money
    name: str = ""  # the cohort's name
    end_date: dt.date | None = None  # the last day of the last week
    deadline_date: dt.date | None = None  # the day before the first
    provider: str = ""  # if empty, the workspace
    audience: str = ""
    location: str = ""
    places: int | None = None  # if None, as many as there are seats in every step
    days_off: tuple[dt.date, ...] = ()

    @property
    def weeks(self) -> int:
        """Return how many weeks it runs, including those off."""
        return teaching_week(start_date=self.start_date, step_order=len(self.steps), days_off=self.days_off)

    @property
    def last_day(self) -> dt.date:
        return self.end_date or self.start_date + dt.timedelta(days=7 * self.weeks - 1)

    @property
    def cohort_name(self) -> str:
        return self.name or f"{self.start_date:%B %Y} cohort"

    @property
    def deadline(self) -> dt.datetime:
        day = self.deadline_date or self.start_date - dt.timedelta(days=1)
        check_date(day, "deadline_date")
        return to_instant(date=day, time=DEADLINE_TIME, zone=self.timezone).at


@dataclass(frozen=True, slots=True)
class Week:
    """A week of a planned cohort: the step that meets in it, or none if it is off."""

    first_day: dt.date
    is_off: bool
    step: CourseStep | None
    sessions: tuple[CohortSession, ...]


@transaction.atomic
def set_up_course(*, workspace_id: int, plan: CoursePlan, actor: Actor, now: dt.datetime) -> Cohort:
    """Create everything that the plan names. The cohort is closed until staff open it.

    Raises Invalid, naming the fields of the plan (`classes[1].end_time`), and ProgramExists.
    """
    check_date(plan.start_date, "start_date")
    known = _find_classes(workspace_id, plan.classes)
    refuse([*_faults_of_size(plan), *_faults_of_classes(plan, known), *_faults_of_steps(plan)])
    program = create_program(
        workspace_id=workspace_id,
        code=plan.code,
        title=plan.title,
        description=plan.description,
        listed=plan.listed,
        provider=plan.provider,
        audience=plan.audience,
    )
    instance = _create_instance(program, plan, actor, now)
    classes = [known.get(each.known_id or 0) or _create_class(program, each) for each in plan.classes]
    for order, step in enumerate(plan.steps, start=1):
        _create_step(program, order, step, classes)
    places = plan.places if plan.places is not None else count_places(plan, classes)
    try:
        return create_cohort(
            instance=instance,
            name=plan.cohort_name,
            start_date=plan.start_date,
            end_date=plan.last_day,
            timezone=plan.timezone,
            location=plan.location,
            places=places,
            deadline=plan.deadline,
            days_off=plan.days_off,
        )
    except TermTooShort as refusal:
        fault = FieldError("end_date", "too_early", refusal.detail)
        raise TermTooShort(refusal.detail, errors=(fault,)) from refusal


def count_places(plan: CoursePlan, classes: Sequence[GroupClass]) -> int:
    """Return how many learners get a seat in each step that has classes; in all classes if no step has any."""
    seats = [sum(classes[place].max_students for place in set(step.classes)) for step in plan.steps if step.classes]
    return min(seats, default=sum(each.max_students for each in classes))


def list_weeks(plan: CoursePlan, cohort: Cohort) -> list[Week]:
    """Return the weeks of the cohort that was created from the plan, in order, including those off."""
    rows = cohort.sessions.select_related("step", "class_session__group_class").order_by(
        "class_session__starts_at", "pk"
    )
    sessions: dict[int, list[CohortSession]] = {}
    for row in rows:
        sessions.setdefault(row.step_id, []).append(row)
    steps = cohort.instance.program.steps.order_by("order")
    by_week = {
        teaching_week(start_date=plan.start_date, step_order=step.order, days_off=plan.days_off): step for step in steps
    }
    weeks = []
    for number in range(1, plan.weeks + 1):
        step = by_week.get(number)
        first_day = plan.start_date + dt.timedelta(weeks=number - 1)
        mine = tuple(sessions.get(step.pk, ())) if step else ()
        weeks.append(Week(first_day, step is None, step, mine))
    return weeks


def _create_instance(program: Program, plan: CoursePlan, actor: Actor, now: dt.datetime) -> ProgramInstance:
    price = {"price_minor": plan.price.minor, "currency": plan.price.currency}
    return create_instance(
        workspace_id=program.workspace_id,
        program_code=program.code,
        facts={"name": INSTANCE_NAME, **price},
        actor=actor,
        now=now,
    )


def _create_class(program: Program, plan: ClassPlan) -> GroupClass:
    made = GroupClass(
        workspace_id=program.workspace_id,
        day_of_week=plan.day_of_week,
        start_time=plan.start_time,
        end_time=plan.end_time,
        timezone=plan.timezone,
        max_students=plan.seats,
        teacher=plan.teacher,
        meeting_url=plan.meeting_url,
    )
    made.name = plan.name or fit(GroupClass, "name", f"{program.title}, {made.get_day_of_week_display()}")
    made.save()
    return made


def _create_step(program: Program, order: int, plan: StepPlan, classes: Sequence[GroupClass]) -> CourseStep:
    label = plan.label or f"Week {order}"
    step = add_step(
        step=CourseStep(program=program, order=order, label=label, title=plan.title, required=plan.required)
    )
    offered = {classes[place].pk: classes[place] for place in plan.classes}
    CourseStepOption.objects.bulk_create(CourseStepOption(step=step, group_class=each) for each in offered.values())
    return step


def _find_classes(workspace_id: int, plans: Iterable[ClassPlan]) -> dict[int, GroupClass]:
    named = [each.known_id for each in plans if each.known_id is not None]
    return {each.pk: each for each in GroupClass.objects.filter(workspace=workspace_id, pk__in=named)}


def _faults_of_size(plan: CoursePlan) -> list[FieldError]:
    faults = []
    if not 1 <= len(plan.steps) <= MAX_STEPS:
        faults.append(FieldError("steps", "out_of_range", f"A course has between 1 and {MAX_STEPS} steps."))
    if len(plan.classes) > MAX_CLASSES:
        faults.append(FieldError("classes", "too_many", f"Plan at most {MAX_CLASSES} classes."))
    return faults


def _faults_of_classes(plan: CoursePlan, known: dict[int, GroupClass]) -> list[FieldError]:
    faults = []
    for place, each in enumerate(plan.classes):
        if each.known_id is not None:
            if each.known_id not in known:
                faults.append(FieldError(item_of("classes", place), "not_found", "There is no such class any more."))
        elif each.end_time <= each.start_time:
            field = item_of("classes", place, "end_time")
            faults.append(FieldError(field, "out_of_order", "A class ends after it starts."))
    return faults


def _faults_of_steps(plan: CoursePlan) -> list[FieldError]:
    return [
        FieldError(item_of("steps", place, "classes"), "not_found", "Choose among the classes of this course.")
        for place, step in enumerate(plan.steps)
        if any(not 0 <= number < len(plan.classes) for number in step.classes)
    ]
