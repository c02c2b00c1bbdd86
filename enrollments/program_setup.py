"""Creating a whole program at once: the program, its instance, criteria, form, price, and seats, or none of it."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction

from core.actors import Actor
from core.errors import FieldError, Invalid, item_of, refuse
from core.http.uploads import FILES_IN_FORM
from core.money import Money

from .application.questions import QUESTIONS_IN_FORM, find_fault
from .eligibility.criteria import CriterionDraft
from .eligibility.plain import PlainRule, as_criterion
from .errors import AllocationExists
from .models import ApplicationQuestion, District, ProgramInstance
from .programs import create_instance, create_program
from .seats import create_allocation
from .states import QuestionKind, ReviewMode

MAX_SEATS = 50


@dataclass(frozen=True, slots=True)
class QuestionPlan:
    label: str
    kind: str = QuestionKind.SHORT_TEXT
    options: str = ""
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class SeatsPlan:
    """Seats of a district of the workspace, for this program only."""

    district_id: int
    total: int


@dataclass(frozen=True, slots=True)
class ProgramPlan:
    """A program to create, with its first instance. Without a price it is free."""

    code: str
    title: str
    description: str
    name: str  # of the instance
    start_date: dt.date | None = None
    end_date: dt.date | None = None
    review_mode: str = ReviewMode.AUTOMATIC
    capacity: int | None = None
    rules: tuple[PlainRule, ...] = ()
    takes_applications: bool = False
    questions: tuple[QuestionPlan, ...] = ()
    price: Money | None = None
    seats: tuple[SeatsPlan, ...] = ()


@transaction.atomic
def set_up_program(*, workspace_id: int, plan: ProgramPlan, actor: Actor, now: dt.datetime) -> ProgramInstance:
    """Create all that the plan names. Raises ProgramExists, and Invalid naming the plan's fields (`rules[1].value`)."""
    districts = _find_districts(workspace_id, plan.seats)
    refuse([*_faults_of_questions(plan.questions), *_faults_of_seats(plan.seats, districts)])
    program = create_program(workspace_id=workspace_id, code=plan.code, title=plan.title, description=plan.description)
    facts: dict[str, Any] = {
        "name": plan.name,
        "start_date": plan.start_date,
        "end_date": plan.end_date,
        "review_mode": plan.review_mode,
        "capacity": plan.capacity,
    }
    if plan.price is not None:
        facts |= {"price_minor": plan.price.minor, "currency": plan.price.currency}
    drafts = list_criteria_of(plan)
    if drafts:
        facts["criteria"] = drafts
    instance = _create(workspace_id, program.code, facts, actor, now)
    if plan.takes_applications:
        instance.takes_applications = True
        instance.save(update_fields=["takes_applications"])
    ApplicationQuestion.objects.bulk_create(
        ApplicationQuestion(
            instance=instance,
            position=position,
            label=each.label,
            kind=each.kind,
            options=each.options,
            is_required=each.is_required,
        )
        for position, each in enumerate(plan.questions, start=1)
    )
    for place, each in enumerate(plan.seats):
        _create_seats(workspace_id, districts[each.district_id], each, place, instance, now)
    return instance


def list_criteria_of(plan: ProgramPlan) -> list[CriterionDraft]:
    """Return the plan's rules as criteria, each with a name of its own. Raises Invalid naming the rule's field."""
    drafts: list[CriterionDraft] = []
    counts: Counter[str] = Counter()
    faults = []
    for place, rule in enumerate(plan.rules):
        try:
            draft = as_criterion(rule, start_date=plan.start_date)
        except Invalid as refusal:
            faults += [
                FieldError(item_of("rules", place, fault.field), fault.code, fault.detail) for fault in refusal.errors
            ]
            continue
        counts[draft.name] += 1
        name = draft.name if counts[draft.name] == 1 else f"{draft.name} ({counts[draft.name]})"
        drafts.append(replace(draft, name=name))
    refuse(faults)
    return drafts


def _create(workspace_id: int, code: str, facts: dict[str, Any], actor: Actor, now: dt.datetime) -> ProgramInstance:
    """Create the instance; faults in a criterion are reported on the rule that it came from."""
    try:
        return create_instance(workspace_id=workspace_id, program_code=code, facts=facts, actor=actor, now=now)
    except Invalid as refusal:
        faults = [
            replace(fault, field=fault.field.replace("criteria[", "rules[").replace("].expression", "].value"))
            for fault in refusal.errors
        ]
        raise Invalid(refusal.detail, errors=tuple(faults)) from refusal


def _create_seats(
    workspace_id: int, district: District, plan: SeatsPlan, place: int, instance: ProgramInstance, now: dt.datetime
) -> None:
    try:
        create_allocation(
            workspace_id=workspace_id,
            tenant_id=district.tenant_id,
            total_seats=plan.total,
            instance_id=instance.pk,
            now=now,
        )
    except AllocationExists as refusal:
        fault = FieldError(
            item_of("seats", place, "district"), "taken", "This district is named above: add up its seats."
        )
        raise Invalid(fault.detail, errors=(fault,)) from refusal


def _find_districts(workspace_id: int, seats: Sequence[SeatsPlan]) -> dict[int, District]:
    named = [each.district_id for each in seats]
    return {each.pk: each for each in District.objects.filter(workspace=workspace_id, pk__in=named)}


def _faults_of_questions(questions: Sequence[QuestionPlan]) -> list[FieldError]:
    faults = []
    if len(questions) > QUESTIONS_IN_FORM:
        faults.append(FieldError("questions", "too_many", f"Ask at most {QUESTIONS_IN_FORM} questions."))
    if sum(each.kind == QuestionKind.FILE for each in questions) > FILES_IN_FORM:
        faults.append(FieldError("questions", "too_many", f"Ask for at most {FILES_IN_FORM} files."))
    for place, each in enumerate(questions):
        choices = ApplicationQuestion(options=each.options).choices
        if fault := find_fault(kind=each.kind, choices=choices):
            faults.append(FieldError(item_of("questions", place, "options"), "invalid", fault))
    return faults


def _faults_of_seats(seats: Sequence[SeatsPlan], districts: dict[int, District]) -> list[FieldError]:
    return [
        FieldError(item_of("seats", place, "district"), "not_found", "There is no such district in this workspace.")
        for place, each in enumerate(seats)
        if each.district_id not in districts
    ]
