"""The criteria of a program instance: versioned sets, of which the newest applies and all are kept."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from core.actors import Actor
from core.characters import storage_fault, visibility_fault
from core.errors import FieldError, Invalid, NotFound, item_of
from core.rows import insert_rows
from core.text import limit_of

from ..models import Criterion, ProgramInstance
from .expressions import ExpressionFault, compile_expression

MAX_CRITERIA = 20
FIRST_VERSION = 1  # the version a new instance has: no criteria


@dataclass(frozen=True, slots=True)
class CriterionDraft:
    """A criterion as somebody wrote it; `otherwise` is the reason when it does not hold, `because` when it does."""

    name: str
    expression: str
    otherwise: str
    because: str = ""


def list_criteria(instance_id: int, version: int | None = None) -> list[Criterion]:
    """Return the instance's criteria in their order: those that apply, or those of an earlier version."""
    rows = Criterion.objects.filter(instance=instance_id)
    if version is None:
        version = ProgramInstance.objects.values_list("criteria_version", flat=True).get(pk=instance_id)
    return list(rows.filter(version=version).order_by("position"))


@transaction.atomic
def change_criteria(
    *, instance_id: int, drafts: Sequence[CriterionDraft], actor: Actor, now: dt.datetime
) -> ProgramInstance:
    """Replace the instance's criteria. An identical set changes nothing; any other gets the next version, which lets
    learners who were refused try again.

    Raises NotFound, and Invalid with an error for each field, such as `criteria[0].expression` with line, column, and
    what was expected.
    """
    drafts = check_criteria(drafts)
    instance = ProgramInstance.objects.select_for_update(no_key=True).filter(pk=instance_id).first()
    if instance is None:
        raise NotFound("There is no such program instance.")
    if drafts == [as_draft(criterion) for criterion in list_criteria(instance_id, instance.criteria_version)]:
        return instance
    instance.criteria_version += 1
    instance.save(update_fields=["criteria_version"])
    insert_rows(
        [
            Criterion(
                instance=instance,
                version=instance.criteria_version,
                position=position,
                name=draft.name,
                expression=draft.expression,
                otherwise=draft.otherwise,
                because=draft.because,
                actor=str(actor),
                created_at=now,
            )
            for position, draft in enumerate(drafts, start=1)
        ]
    )
    return instance


def check_criteria(drafts: Sequence[CriterionDraft]) -> list[CriterionDraft]:
    """Return the drafts as they are stored, without outer whitespace. Raises Invalid naming every faulty field."""
    if len(drafts) > MAX_CRITERIA:
        raise Invalid(errors=(FieldError("criteria", "too_many", f"At most {MAX_CRITERIA} criteria, please."),))
    kept = [
        CriterionDraft(draft.name.strip(), draft.expression.strip(), draft.otherwise.strip(), draft.because.strip())
        for draft in drafts
    ]
    errors = [
        FieldError(item_of("criteria", index, field), code, detail)
        for index, draft in enumerate(kept)
        for field, code, detail in _faults(draft, {earlier.name for earlier in kept[:index]})
    ]
    if errors:
        raise Invalid(" ".join(f"{error.field}: {error.detail}" for error in errors[:3]), errors=tuple(errors))
    return kept


def as_draft(criterion: Criterion) -> CriterionDraft:
    """Return a stored criterion as the draft that would produce it."""
    return CriterionDraft(criterion.name, criterion.expression, criterion.otherwise, criterion.because)


def _faults(draft: CriterionDraft, taken: set[str]) -> list[tuple[str, str, str]]:
    faults = []
    for field in ("name", "otherwise", "because"):
        text = getattr(draft, field)
        longest = limit_of(Criterion, field)
        if not text and field != "because":
            faults.append((field, "blank", "Give it a name." if field == "name" else "Say why somebody is refused."))
        elif len(text) > longest:
            faults.append((field, "max_length", f"At most {longest} characters, please."))
        elif unusable := storage_fault(text) or visibility_fault(text):
            faults.append((field, "invalid", unusable))
    if draft.name in taken:
        faults.append(("name", "duplicate", "Another criterion has this name."))
    try:
        compile_expression(draft.expression)
    except ExpressionFault as fault:
        faults.append(("expression", "invalid_expression", str(fault.faults[0])))
    return faults
