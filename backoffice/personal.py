"""What the back office stores about people, and what erasing one of them does to it (`core.personal`)."""

from functools import partial

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.models import Guardian, GuardianInvitation, Lead, Learner, User
from core.personal import ERASED, Fate, Kind, Person, Personal

from .auditing.keeping import blank_reasons
from .exporting.files import delete_files
from .models import AuditEntry, Export


def _files(person: Person) -> QuerySet[Export]:
    """Select all existing export files: nobody knows which of them name somebody."""
    about = Q(workspace=person.workspace) | Q(workspace__isnull=True)
    return Export.objects.filter(about, file_deleted_at__isnull=True)


def _erase_files(person: Person) -> int:
    gone = list(_files(person).order_by("pk"))
    for export in gone:
        transaction.on_commit(partial(delete_files, export), robust=True)
    return _files(person).update(file_deleted_at=person.moment)


def _deeds(person: Person) -> Q:
    """Select the actions on rows whose names say who they are."""
    named = Q(pk__in=[])
    for model, keys in (
        (Learner, person.learners),
        (Lead, person.leads),
        (Guardian, person.guardians),
        (User, person.users),
        (GuardianInvitation, _invitations(person)),
    ):
        kind = ContentType.objects.get_for_model(model)
        named |= Q(content_type=kind, object_id__in=[str(key) for key in keys])
    return named


def _invitations(person: Person) -> tuple[int, ...]:
    return tuple(GuardianInvitation.objects.filter(guardian__in=person.guardians).values_list("pk", flat=True))


def _erase_reasons(person: Person) -> int:
    """Erase the reasons of actions on their rows; who did it, when, and to which row stays."""
    about = {
        "accounts.learner": person.learners,
        "accounts.guardian": person.guardians,
        "enrollments.enrollment": person.enrollments,
        "billing.payment": person.payments,
        "cohorts.studentpackage": person.packages,
        "partners.enrollmentstep": person.steps,
    }
    return sum(blank_reasons(model=model, object_ids=keys) for model, keys in about.items())


PERSONAL = (
    Personal(
        Export,
        {"options": Kind.FILE},
        Fate.REPLACED,
        _files,
        erase=_erase_files,
        why="the row stays, the file goes: all there are in the workspace, which would be gone within a day",
        passes=True,
    ),
    Personal(
        AuditEntry,
        {"reason": Kind.WORDS},
        Fate.REPLACED,
        erase=_erase_reasons,
        why="who did what, when and to which row stays; the reason goes",
    ),
    Personal(
        LogEntry,
        {"object_repr": Kind.NAME, "change_message": Kind.WORDS},
        Fate.REPLACED,
        lambda person: LogEntry.objects.filter(_deeds(person)),
        {"object_repr": ERASED, "change_message": ""},
    ),
)
