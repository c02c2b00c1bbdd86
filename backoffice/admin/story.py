"""What staff did: to learners, and with tasks of any kind."""

from collections.abc import Sequence

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet

from accounts.models import Learner, LearnerMerge, NameChange, StaffTask

from ..display import admin_url, badge
from ..stories import Happening, register_chapter, register_thread


def tell_task(row: StaffTask) -> Happening:
    return Happening(
        title=row.summary,
        icon="task_alt",
        badge=badge(row.status, row.get_status_display()),
        note=row.resolution,
        by=f"user:{row.done_by_id}" if row.done_by_id else "",
        url=admin_url(row),
    )


def tell_edit(row: LogEntry) -> Happening:
    return Happening(
        title="Edited in the back office", icon="edit", note=row.get_change_message(), by=f"user:{row.user_id}"
    )


def tell_merge(row: LearnerMerge) -> Happening:
    return Happening(
        title="Another learner was merged into this one",
        icon="merge",
        note=row.reason,
        by=row.actor,
        url=admin_url(row),
    )


def tell_name(row: NameChange) -> Happening:
    told = {"applied": "Name changed", "declined": "Name change declined"}
    return Happening(
        title=f"{told.get(row.state, 'Name change requested')}: {row}",
        icon="badge",
        badge=badge(row.state, row.state.capitalize()),
        note=row.note,
        by=row.decided_by or row.asked_by,
        url=admin_url(row),
    )


def _edits_of(ids: Sequence[int]) -> QuerySet[LogEntry]:
    kind = ContentType.objects.get_for_model(Learner)
    return LogEntry.objects.filter(content_type=kind, object_id__in=[str(key) for key in ids])


register_chapter(Learner, _edits_of, at="action_time", tell=tell_edit)
register_chapter(Learner, lambda ids: LearnerMerge.objects.filter(kept__in=ids), at="merged_at", tell=tell_merge)
register_chapter(Learner, lambda ids: NameChange.objects.filter(learner__in=ids), at="asked_at", tell=tell_name)
register_chapter(
    Learner,
    lambda ids: StaffTask.objects.filter(subject__in=[f"learner:{key}" for key in ids]),
    at="created_at",
    tell=tell_task,
)
register_thread(Learner, Learner, lambda learner: [learner.pk])
