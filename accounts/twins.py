"""Learners who may be one person though no rule unites them: staff are asked, once for each pair.

Two learners of a workspace are possible twins if their names are near (`core.names.are_near`) and they share an email
address, a guardian, or an external id that differs only in its spelling. See docs/decisions/0007.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.db.models import Q

from core.names import are_near
from core.statements import fetch_rows

from .models import Learner, StaffTask
from .staff_tasks import raise_staff_task_once
from .states import TaskStatus
from .task_kinds import TWINS

# An address or a guardian with more learners than this belongs to an office, not a family, and proves nothing.
HOUSEHOLD_AT_MOST = 50

# As SQL, because it runs for every new learner: the ORM took 1.2 ms to build it, longer than it runs.
_ALIKE = """
    SELECT id, first_name, last_name, email, external_key
      FROM accounts_learner
     WHERE workspace_id = %s AND (email = %s OR external_key = %s) AND id <> %s AND merged_into_id IS NULL
     LIMIT %s
"""

Named = tuple[int, str, str]  # id, first and last name

_SUMMARY = "They may be one person. Merge them, or record that they are two people."


def notice_possible_twins(*, learner: Learner) -> None:
    """Raise a task for each learner who may be this one, by address or external id. One query if there is none.

    Joins the caller's transaction, in which the learner is new or has changed.
    """
    sought = [learner.workspace_id, learner.email, learner.external_key, learner.pk]
    found = fetch_rows(_ALIKE, [*sought, HOUSEHOLD_AT_MOST + 1])
    is_family = len(found) <= HOUSEHOLD_AT_MOST
    _raise_tasks(
        learner,
        [
            (pk, first, last)
            for pk, first, last, email, key in found
            if (is_family and email == learner.email) or (key is not None and key == learner.external_key)
        ],
    )


def notice_possible_twins_among(*, workspace_id: int, learners: Sequence[Learner]) -> None:
    """Do the same for many new learners without external ids: one query, and one more for each possible twin."""
    addresses = {learner.email for learner in learners} - {""}
    found = Learner.objects.live().filter(workspace=workspace_id, email__among=list(addresses))
    households: dict[str, list[Named]] = defaultdict(list)
    for pk, first, last, email in found.values_list("pk", "first_name", "last_name", "email"):
        households[email].append((pk, first, last))
    for learner in learners:
        household = households.get(learner.email, [])
        if 1 < len(household) <= HOUSEHOLD_AT_MOST + 1:
            _raise_tasks(learner, [other for other in household if other[0] != learner.pk])


def notice_twins_by_guardian(*, guardian_id: int, learner_id: int) -> None:
    """Do the same among the learners of a guardian who answers for this one from now on."""
    siblings = Learner.objects.live().filter(guardianships__guardian=guardian_id)
    found = list(siblings.order_by("pk")[: HOUSEHOLD_AT_MOST + 1])
    learner = next((sibling for sibling in found if sibling.pk == learner_id), None)
    if learner is not None and len(found) <= HOUSEHOLD_AT_MOST:
        others = [(other.pk, other.first_name, other.last_name) for other in found if other.pk != learner_id]
        _raise_tasks(learner, others)


def _raise_tasks(learner: Learner, others: Iterable[Named]) -> None:
    name = (learner.first_name, learner.last_name)
    for pk in sorted(pk for pk, first, last in others if are_near(name, (first, last))):
        raise_staff_task_once(
            workspace_id=learner.workspace_id,
            kind=TWINS,
            subject=subject_of(pk, learner.pk),
            summary=_SUMMARY,
        )


# --- The tasks --------------------------------------------------------------------------------------------------------


def subject_of(one_id: int, other_id: int) -> str:
    """Return the subject of a task about two learners; the older one comes first."""
    older, younger = sorted((one_id, other_id))
    return f"learner:{older}/learner:{younger}"


def pair_of(task: StaffTask) -> tuple[int, int]:
    """Return the ids of the two learners that a task is about, the older one first."""
    older, younger = (int(part.rpartition(":")[2]) for part in task.subject.split("/"))
    return older, younger


def hand_tasks_on(*, keep_id: int, drop_id: int, now: dt.datetime) -> None:
    """Transfer the merged learner's questions to the learner who stays, and keep the answers. The task about the two
    themselves stays as it is."""
    about = StaffTask.objects.filter(kind=TWINS.name).exclude(subject=subject_of(keep_id, drop_id))
    named = Q(subject__endswith=f"/learner:{drop_id}") | Q(subject__startswith=f"learner:{drop_id}/")
    for task in about.filter(named).order_by("pk"):
        other_id = next(pk for pk in pair_of(task) if pk != drop_id)
        subject = subject_of(keep_id, other_id)
        known = StaffTask.objects.filter(kind=TWINS.name, subject=subject).first()
        if known is None:
            StaffTask.objects.filter(pk=task.pk).update(subject=subject)
        elif task.status == TaskStatus.OPEN:
            _answer_alike(task, known, now)
        elif known.status == TaskStatus.OPEN:
            _answer_alike(known, task, now)


def _answer_alike(task: StaffTask, like: StaffTask, now: dt.datetime) -> None:
    """Two tasks turn out to ask the same question: one of them is enough, and an answer to one answers both."""
    answer = like.resolution or "Another task asks the same, since a learner was merged."
    StaffTask.objects.filter(pk=task.pk).update(
        status=TaskStatus.DONE, done_at=now, done_by=like.done_by, resolution=answer
    )
