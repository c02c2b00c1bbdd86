"""Which partners a program's learners go through, in versions: a change reaches only those approved afterwards."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from django.db import transaction
from django.db.models import Max

from core.actors import Actor
from core.errors import FieldError, item_of, refuse
from core.logs import after_commit
from enrollments.models import Program

from .errors import SequenceChanged
from .locks import lock_program
from .models import PartnerSequence, Provider, SequenceGroup, SequenceItem
from .queries import count_under_way, get_active_sequence
from .states import GroupRule

log = structlog.get_logger(__name__)

MAX_STEPS = 100


@dataclass(frozen=True, slots=True)
class ItemDraft:
    """A partner's course, with the partner named by its slug."""

    partner: str
    course_id: str


@dataclass(frozen=True, slots=True)
class GroupDraft:
    """Steps that belong together; `at_least` only for the rule of that name."""

    items: tuple[ItemDraft, ...]
    rule: str = GroupRule.ALL_IN_ORDER
    at_least: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class ForeseenSequence:
    """What defining a sequence would change for learners who are approved afterwards."""

    version: int  # that it would be, or is if nothing changes
    is_same: bool
    kept: tuple[ItemDraft, ...]
    added: tuple[ItemDraft, ...]
    dropped: tuple[ItemDraft, ...]
    under_way: int  # learners who stay in their version


@transaction.atomic
def define_sequence(
    *, program_id: int, groups: Sequence[GroupDraft], replaces: int | None = None, actor: Actor, now: dt.datetime
) -> PartnerSequence | None:
    """Define the sequence for the program's future learners; the current one again changes nothing. Without groups the
    program has no partners any more, and the result is None.

    Active learners keep their version. `replaces` is the version that the caller saw, 0 for none. Raises Invalid naming
    the field, SequenceChanged if there is another one by now.
    """
    program = lock_program(program_id)
    partners = _find_partners(program.workspace_id, groups)
    present = PartnerSequence.objects.filter(program=program, active=True).first()
    if replaces is not None and replaces != (present.version if present else 0):
        raise SequenceChanged
    if present is not None and read_groups(present) == tuple(groups):
        return present
    PartnerSequence.objects.filter(program=program, active=True).update(active=False)
    if not groups:
        return None
    version = _next_version(program_id)
    sequence = PartnerSequence.objects.create(program=program, version=version, created_by=str(actor), created_at=now)
    for place, draft in enumerate(groups, start=1):
        group = SequenceGroup.objects.create(
            sequence=sequence, position=place, name=draft.name, rule=draft.rule, at_least=draft.at_least
        )
        SequenceItem.objects.bulk_create(
            SequenceItem(group=group, position=number, provider=partners[item.partner], course_id=item.course_id)
            for number, item in enumerate(draft.items, start=1)
        )
    after_commit(log.info, "partner_sequence_defined", program=program.pk, version=sequence.version)
    return sequence


def foresee_sequence(*, program: Program, groups: Sequence[GroupDraft]) -> ForeseenSequence:
    """Return what `define_sequence` would change now. Writes nothing. Raises Invalid naming the field."""
    _find_partners(program.workspace_id, groups)
    present = get_active_sequence(program_id=program.pk)
    defined = read_groups(present) if present else ()
    before = _items(defined)
    after = _items(groups)
    is_same = defined == tuple(groups)
    return ForeseenSequence(
        version=present.version if present and is_same else _next_version(program.pk),
        is_same=is_same,
        kept=tuple(item for item in after if item in before),
        added=tuple(item for item in after if item not in before),
        dropped=tuple(item for item in before if item not in after),
        under_way=sum(count_under_way(program_id=program.pk).values()),
    )


def read_groups(sequence: PartnerSequence) -> tuple[GroupDraft, ...]:
    """Return the groups that the version was defined with."""
    items: dict[int, list[ItemDraft]] = {}
    rows = SequenceItem.objects.filter(group__sequence=sequence).order_by("position")
    for group_id, slug, course_id in rows.values_list("group_id", "provider__slug", "course_id"):
        items.setdefault(group_id, []).append(ItemDraft(slug, course_id))
    return tuple(
        GroupDraft(tuple(items[group.pk]), group.rule, group.at_least, group.name)
        for group in sequence.groups.order_by("position")
    )


def _next_version(program_id: int) -> int:
    last = PartnerSequence.objects.filter(program=program_id).aggregate(last=Max("version"))["last"] or 0
    return int(last) + 1


def _find_partners(workspace_id: int, groups: Sequence[GroupDraft]) -> dict[str, Provider]:
    """Return the partners that the groups name, by slug. Raises Invalid for anything that can't be a sequence."""
    named = {item.partner for group in groups for item in group.items}
    found = {each.slug: each for each in Provider.objects.filter(workspace=workspace_id, slug__in=named)}
    refuse([*_unknown_partners(groups, found), *_repeated_courses(groups), *_odd_groups(groups), *_too_many(groups)])
    return found


def _unknown_partners(groups: Sequence[GroupDraft], found: dict[str, Provider]) -> list[FieldError]:
    return [
        FieldError(
            item_of("steps", place, "partner"), "not_found", f"There is no partner {item.partner} in this workspace."
        )
        for place, item in enumerate(_items(groups))
        if item.partner not in found
    ]


def _repeated_courses(groups: Sequence[GroupDraft]) -> list[FieldError]:
    items = _items(groups)
    return [
        FieldError(
            item_of("steps", place, "courseId"), "repeated", "A learner takes a course of a partner once: leave it out."
        )
        for place, item in enumerate(items)
        if item in items[:place]
    ]


def _odd_groups(groups: Sequence[GroupDraft]) -> list[FieldError]:
    faults = []
    names = [group.name for group in groups]
    for place, group in enumerate(groups):
        if group.name and group.name in names[:place]:
            known_name = "Another group has this name: choose one."
            faults.append(FieldError(item_of("groups", place, "name"), "repeated", known_name))
        if not group.items:
            faults.append(FieldError(item_of("groups", place), "empty", "A group needs a step at least."))
        if group.rule not in GroupRule.values:
            known = ", ".join(GroupRule.values)
            faults.append(FieldError(item_of("groups", place, "rule"), "unknown", f"Give one of {known}."))
        elif group.rule == GroupRule.AT_LEAST and not 1 <= (group.at_least or 0) <= len(group.items):
            wanted = f"Give a number from 1 to {len(group.items)}, the number of its steps."
            faults.append(FieldError(item_of("groups", place, "atLeast"), "out_of_range", wanted))
        elif group.rule != GroupRule.AT_LEAST and group.at_least is not None:
            faults.append(
                FieldError(item_of("groups", place, "atLeast"), "not_allowed", "Only the rule at_least takes it.")
            )
    return faults


def _too_many(groups: Sequence[GroupDraft]) -> list[FieldError]:
    if len(_items(groups)) <= MAX_STEPS:
        return []
    return [FieldError("steps", "too_many", f"A sequence has at most {MAX_STEPS} steps: leave some out.")]


def _items(groups: Sequence[GroupDraft]) -> list[ItemDraft]:
    return [item for group in groups for item in group.items]
