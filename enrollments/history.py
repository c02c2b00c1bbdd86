"""The record of what happens to an enrollment: each change of a facet is one FSM transition, one row, and one event."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar, cast

from django.db.models import F, Model, QuerySet
from django_fsm import TransitionNotAllowed as FsmRefusal

from core.actors import Actor
from core.http.middleware import current_request_id
from core.rows import insert_alike, insert_chain, insert_many, insert_rows, insert_with_keys, update_row
from core.text import fit

from .details import SPELLING
from .errors import StatusMoved
from .events import EnrollmentCreated, EnrollmentEvent, EnrollmentStatusChanged, EnrollmentUpdated
from .labels import label_new, relabel
from .latest import not_allowed
from .models import Enrollment, EnrollmentTransition
from .states import FUNDED, EligibilityStatus, Facet

FACET_OF_FIELD = {
    "eligibility_status": Facet.ELIGIBILITY,
    "participation_status": Facet.PARTICIPATION,
    "payment_status": Facet.PAYMENT,
}

_FACETS = tuple(FACET_OF_FIELD.items())
# The changes that put an enrollment on the reviewers' desk.
_ARRIVALS = {(Facet.ELIGIBILITY, EligibilityStatus.SUBMITTED), *((Facet.PAYMENT, status) for status in FUNDED)}
Row = TypeVar("Row", bound=Model)


@dataclass(slots=True)
class Journal:
    """Collects the changes of one enrollment inside one transaction, then writes them in few statements.

    The enrollment is either locked by the caller or not saved yet.
    """

    enrollment: Enrollment
    actor: Actor
    now: dt.datetime
    note: str = ""  # for colleagues; kept with each change
    is_answered: bool = False  # the caller gets the outcome in the response, so the steps to it are not mailed
    is_told_by_seller: bool = False  # the app that sells the program mails the family about its approval
    _rows: list[EnrollmentTransition] = field(default_factory=list)
    _attached: list[Model] = field(default_factory=list)
    _afterwards: list[Callable[[], object]] = field(default_factory=list)
    _changed: set[str] = field(default_factory=set)  # the changed details
    _touched: set[str] = field(default_factory=lambda: {"updated_at", "transition_count"})

    def change(self, transition: str, *, reason: str = "") -> None:
        """Run the FSM method of this name. Raises TransitionNotAllowed, naming both states, if there is no edge."""
        method = getattr(self.enrollment, transition)
        state_field = method._django_fsm.field.name
        before = getattr(self.enrollment, state_field)
        try:
            method()
        except FsmRefusal as refusal:
            target = next(iter(method._django_fsm.transitions.values())).target
            raise not_allowed(self.enrollment, before=before, target=target, now=self.now) from refusal
        self.enrollment.transition_count += 1
        self._touched.add(state_field)
        if (FACET_OF_FIELD[state_field], getattr(self.enrollment, state_field)) in _ARRIVALS:
            self.set(waiting_since=self.now)
        self._rows.append(
            EnrollmentTransition(
                number=self.enrollment.transition_count,
                facet=FACET_OF_FIELD[state_field],
                from_status=before,
                to_status=getattr(self.enrollment, state_field),
                reason=fit(EnrollmentTransition, "reason", reason),
                note=fit(EnrollmentTransition, "note", self.note),
                actor=str(self.actor),
                request_id=current_request_id(),
                created_at=self.now,
            )
        )

    @property
    def has_news(self) -> bool:
        """Return whether anything has changed that is published."""
        return bool(self._rows or self._changed)

    def set(self, **values: object) -> None:
        """Change plain fields along with the states."""
        for name, value in values.items():
            if name in SPELLING and getattr(self.enrollment, name) != value:
                self._changed.add(name)
            setattr(self.enrollment, name, value)
            self._touched.add(name)

    def attach(self, *rows: Model) -> None:
        """Write these rows together with the enrollment; they refer to it and may refer to earlier rows."""
        self._attached += rows

    def afterwards(self, action: Callable[[], object]) -> None:
        """Run this once the enrollment is saved, in the same transaction."""
        self._afterwards.append(action)

    def write(self) -> list[EnrollmentEvent]:
        """Save the enrollment and its transitions; returns the events for the caller to publish.

        Raises StatusMoved if the saved state is not the one this journal started from.
        """
        enrollment = self.enrollment
        enrollment.updated_at = self.now
        is_new = enrollment.pk is None
        attached = self._rows_of(self._attached)
        if is_new:
            insert_chain([enrollment, *attached])
        else:
            self._save_if_unmoved()
            insert_chain(attached)
        self._rows_of(self._rows)
        relabel(enrollment, fields=SPELLING if is_new else self._changed, is_new=is_new)
        insert_rows(self._rows)
        events = self._created_event() if is_new else self._updated_event()
        events += self._finish()
        for action in self._afterwards:
            action()
        self._afterwards = []
        return events

    def _rows_of(self, rows: Sequence[Row]) -> Sequence[Row]:
        for row in rows:
            row.enrollment = self.enrollment  # type: ignore[attr-defined]  # all that is attached refers to it
        return rows

    def _finish(self) -> list[EnrollmentEvent]:
        events: list[EnrollmentEvent] = [self._changed_event(row) for row in self._rows]
        self._rows = []
        self._attached = []
        self._changed = set()
        return events

    def _alike(self) -> tuple[object, ...]:
        """Return what this journal would save, and from which states: equal journals can be saved together."""
        before = {row.facet: row.from_status for row in reversed(self._rows)}
        fields = sorted(self._touched - {"updated_at", "transition_count"})
        states = tuple((name, before.get(facet, getattr(self.enrollment, name))) for name, facet in _FACETS)
        return states, tuple((name, getattr(self.enrollment, name)) for name in fields), len(self._rows)

    def _save_if_unmoved(self) -> None:
        """Save with one UPDATE on the condition that the state is the one we read: the guard behind the row lock."""
        before = {row.facet: row.from_status for row in reversed(self._rows)}
        states = {name: before.get(facet, getattr(self.enrollment, name)) for name, facet in _FACETS}
        if not update_row(self.enrollment, *sorted(self._touched), where=states):
            raise StatusMoved("Somebody else has changed the enrollment; read it again.")
        self.enrollment._update_initial_state()

    def _created_event(self) -> list[EnrollmentEvent]:
        return [
            EnrollmentCreated(
                workspace_id=self.enrollment.workspace_id,
                occurred_at=self.now,
                enrollment_cuid=self.enrollment.cuid,
                program_instance_cuid=self.enrollment.instance.cuid,
                identification_type=self.enrollment.identification_type,
            )
        ]

    def _updated_event(self) -> list[EnrollmentEvent]:
        if not self._changed:
            return []
        return [
            EnrollmentUpdated(
                workspace_id=self.enrollment.workspace_id,
                occurred_at=self.now,
                enrollment_cuid=self.enrollment.cuid,
                program_instance_cuid=self.enrollment.instance.cuid,
                changed=sorted(SPELLING[name] for name in self._changed),
            )
        ]

    def _changed_event(self, row: EnrollmentTransition) -> EnrollmentEvent:
        return EnrollmentStatusChanged(
            workspace_id=self.enrollment.workspace_id,
            enrollment_cuid=self.enrollment.cuid,
            program_instance_cuid=self.enrollment.instance.cuid,
            number=row.number,
            payment_status=self.enrollment.payment_status,
            was_approved=self._was_approved(),
            is_answered=self.is_answered,
            is_told_by_seller=self.is_told_by_seller,
            **_told_by(row),
        )

    def _was_approved(self) -> bool:
        is_approved = self.enrollment.eligibility_status == EligibilityStatus.APPROVED
        return is_approved and all(row.facet != Facet.ELIGIBILITY for row in self._rows)


def _told_by(row: EnrollmentTransition) -> dict[str, Any]:
    """Return the part of an event that is the same for every enrollment with this change."""
    return {
        "occurred_at": row.created_at,
        "facet": row.facet,
        "from_status": row.from_status,
        "to_status": row.to_status,
        "reason": row.reason,
    }


class Standing(NamedTuple):
    """What a state change needs of a saved enrollment, for when there are too many to load each one."""

    pk: int
    cuid: str
    workspace_id: int
    instance_cuid: str
    transition_count: int
    eligibility_status: str
    participation_status: str
    payment_status: str

    @property
    def states(self) -> dict[str, str]:
        """Return the states by field name."""
        return {name: getattr(self, name) for name in FACET_OF_FIELD}


def find_standings(enrollments: QuerySet[Enrollment]) -> list[Standing]:
    """Return how these enrollments stand, in the order of their ids."""
    columns = ("pk", "cuid", "workspace_id", "instance__cuid", "transition_count", *FACET_OF_FIELD)
    return [Standing(*row) for row in enrollments.order_by("pk").values_list(*columns)]


def change_alike(
    standings: Sequence[Standing], transition: str, *, reason: str, actor: Actor, now: dt.datetime
) -> list[EnrollmentEvent]:
    """Make the same state change on many locked enrollments, as a `Journal` of each would, in few statements; returns
    the events for the caller to publish.

    The state machine depends only on the states, so it runs once for all enrollments in the same states. Raises
    TransitionNotAllowed, and StatusMoved if an enrollment has left the states it was read in; then the caller must roll
    back.
    """
    groups: dict[tuple[str, ...], list[Standing]] = defaultdict(list)
    for standing in standings:
        groups[tuple(standing.states.values())].append(standing)
    events: dict[int, EnrollmentEvent] = {}
    for alike in groups.values():
        states = alike[0].states
        journal = Journal(Enrollment(**states), actor, now)
        journal.change(transition, reason=reason)
        became = {name: getattr(journal.enrollment, name) for name in FACET_OF_FIELD}
        changed: dict[str, Any] = {name: state for name, state in became.items() if state != states[name]}
        if "waiting_since" in journal._touched:
            changed["waiting_since"] = now
        _save_alike([each.pk for each in alike], states, changed, changes=1, now=now)
        (row,) = journal._rows
        numbered = [(each.pk, each.transition_count + 1) for each in alike]
        insert_alike(row, fields=("enrollment_id", "number"), values=numbered)
        told = _told_by(row) | {"payment_status": became["payment_status"]}
        for each in alike:
            events[each.pk] = EnrollmentStatusChanged(
                workspace_id=each.workspace_id,
                enrollment_cuid=each.cuid,
                program_instance_cuid=each.instance_cuid,
                number=each.transition_count + 1,
                **told,
            )
    return [events[standing.pk] for standing in standings]


def _save_alike(
    keys: Sequence[int], states: Mapping[str, Any], values: Mapping[str, Any], *, changes: int, now: dt.datetime
) -> None:
    """Save enrollments that change alike with one UPDATE, if they are still in the states that were read."""
    unmoved = Enrollment.objects.filter(pk__among=keys, **states)
    saved = unmoved.update(**values, transition_count=F("transition_count") + changes, updated_at=now)
    if saved != len(keys):
        raise StatusMoved("Somebody else has changed one of the enrollments; read them again.")


def write_new_together(journals: Sequence[Journal]) -> list[EnrollmentEvent]:
    """Write many unsaved enrollments' journals, as `Journal.write` does for one; the caller runs their `afterwards`."""
    for journal in journals:
        journal.enrollment.updated_at = journal.now
    insert_with_keys([journal.enrollment for journal in journals])
    label_new([journal.enrollment for journal in journals])
    insert_many([row for journal in journals for row in journal._rows_of(journal._rows)])
    insert_many([row for journal in journals for row in journal._rows_of(journal._attached)])
    return [event for journal in journals for event in (*journal._created_event(), *journal._finish())]


def write_together(journals: Sequence[Journal], *, now: dt.datetime) -> list[EnrollmentEvent]:
    """Write the journals of many saved, locked enrollments in few statements, as `Journal.write` does for one.

    Enrollments that change alike share an UPDATE, on the condition that their states are the ones that were read;
    details are saved per enrollment. Raises StatusMoved if an enrollment has left those states, and then the caller
    must roll back. Running their `afterwards` actions is up to the caller.
    """
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for journal in sorted(journals, key=lambda journal: journal.enrollment.pk):  # the order in which rows are locked
        if journal._changed:
            journal.enrollment.updated_at = now
            journal._save_if_unmoved()
        else:
            groups[journal._alike()].append(journal.enrollment.pk)
    for (states, values, changes), keys in groups.items():
        _save_alike(keys, dict(cast(Any, states)), dict(cast(Any, values)), changes=cast(int, changes), now=now)
    for journal in journals:
        relabel(journal.enrollment, fields=journal._changed, is_new=False)
    insert_many([row for journal in journals for row in journal._rows_of(journal._rows)])
    insert_many([row for journal in journals for row in journal._rows_of(journal._attached)])
    return [event for journal in journals for event in (*journal._updated_event(), *journal._finish())]
