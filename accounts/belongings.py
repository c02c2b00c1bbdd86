"""What belongs to a learner in any app, and how it follows them when two learners turn out to be the same person.

This app knows nothing of the apps above: each registers the rows that point at its learners, lower apps first, in the
order in which they are locked (docs/concurrency.md). A test compares the list with the models: a foreign key to Learner
is registered, or named in `LEFT` with its reason.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, Model, OuterRef, QuerySet

from .models import Consent, Guardianship, Lead, Learner, LearnerMerge, NameChange


def _lock_nothing(keep_id: int, drop_id: int) -> None:
    """Lock nothing: the move itself locks the rows."""


def _find_no_clash(keep_id: int, drop_id: int) -> list[str]:
    return []


@dataclass(frozen=True, slots=True)
class Belonging:
    """The rows of one model that belong to learners by one foreign key; `plural` is what staff pages call them.

    `lock(keep_id, drop_id)` locks what must be locked before any row of any app is moved. `find_clashes` returns a
    sentence for each thing that both have and only one may: what it is, and what to do about it first. `find_doubles`
    returns the rows that repeat what is already known about the learner who stays, which are deleted instead of moved.
    """

    model: type[Model]
    field: str
    plural: str
    lock: Callable[[int, int], None] = _lock_nothing
    find_clashes: Callable[[int, int], list[str]] = _find_no_clash
    find_doubles: Callable[[int, int], QuerySet[Any]] | None = None

    def rows_of(self, learner_id: int) -> QuerySet[Any]:
        return self.model._default_manager.filter(**{self.field: learner_id}).order_by("pk")

    def count_moving(self, keep_id: int, drop_id: int) -> int:
        """Return how many rows `move` would give to the learner who stays."""
        rows = self.rows_of(drop_id)
        return (rows if self.find_doubles is None else rows.exclude(pk__in=self.find_doubles(keep_id, drop_id))).count()

    def move(self, keep_id: int, drop_id: int) -> list[int]:
        """Give the rows to the learner who stays; return their ids. They are locked one by one in key order."""
        if self.find_doubles is not None:
            self.find_doubles(keep_id, drop_id).delete()
        moved = list(self.rows_of(drop_id).select_for_update(of=("self",), no_key=True).values_list("pk", flat=True))
        self.model._default_manager.filter(pk__in=moved).update(**{self.field: keep_id})
        return moved


# Foreign keys to Learner that a merge leaves unchanged: (model, field) -> why.
LEFT: dict[tuple[type[Model], str], str] = {
    (Learner, "merged_into"): "leads from a merged learner to the live one; merging points it at the new one",
    (LearnerMerge, "kept"): "history: who stayed at the time",
    (LearnerMerge, "dropped"): "history: who was merged",
}

_registered: list[Belonging] = []


def register_belonging(belonging: Belonging) -> None:
    """Register a foreign key to Learner, once, from the owning app's `ready()`."""
    if belonging not in _registered:
        _registered.append(belonging)


def belongings() -> list[Belonging]:
    """Return all of them, in the order in which they are locked and moved; our own, which nobody locks, come last."""
    return [*_registered, _GUARDIANSHIPS, _LEADS, _NAME_CHANGES, _CONSENTS]


def _find_double_guardianships(keep_id: int, drop_id: int) -> QuerySet[Guardianship]:
    known = Guardianship.objects.filter(learner=keep_id).values("guardian")
    return Guardianship.objects.filter(learner=drop_id, guardian__in=known)


_GUARDIANSHIPS = Belonging(Guardianship, "learner", "guardians", find_doubles=_find_double_guardianships)
_LEADS = Belonging(Lead, "converted_to", "leads")


def _find_waiting_names(keep_id: int, drop_id: int) -> list[str]:
    """Find waiting name changes: the merged learner's family asks about a name that goes away."""
    waiting = NameChange.objects.filter(learner=drop_id, decided_at=None)
    return [f"The family of learner {drop_id} asks to change the name: answer that first."] if waiting.exists() else []


_NAME_CHANGES = Belonging(NameChange, "learner", "changes of the name", find_clashes=_find_waiting_names)


def _find_double_consents(keep_id: int, drop_id: int) -> QuerySet[Consent]:
    """Find the consents that the same address gave about both learners."""
    known = Consent.objects.filter(
        learner=keep_id, ended_at=None, purpose=OuterRef("purpose"), address=OuterRef("address")
    )
    return Consent.objects.filter(Exists(known), learner=drop_id, ended_at=None)


_CONSENTS = Belonging(Consent, "learner", "consents", find_doubles=_find_double_consents)
