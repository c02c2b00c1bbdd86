"""Which rows a workspace has kept for longer than its retention time, kind by kind.

Rows that were paid for, are still active, or wait for somebody are never among them: they are kept whatever the
settings.
"""

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from typing import Any

from django.db.models import CharField, Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat

from accounts.models import Consent, Lead, Learner, StaffTask
from accounts.states import TaskStatus
from billing.states import LIVE_CHECKOUTS
from cohorts.models import CohortPlace, StudentPackage, WaitlistEntry
from cohorts.states import IN_LINE, OCCUPYING
from core.personal import ERASED
from enrollments.models import Application, Enrollment, EnrollmentDecision
from enrollments.personal import NOBODY
from notifications.models import Notification

from .states import RetentionKind

Workspaces = Collection[int]
Find = Callable[[Workspaces, dt.datetime], QuerySet[Any]]


def find_overdue(kind: RetentionKind, *, workspaces: Workspaces, before: dt.datetime) -> QuerySet[Any]:
    """Return the rows of the kind without any activity since then, except those already emptied."""
    return _OVERDUE[kind](workspaces, before)


def _applications(workspaces: Workspaces, before: dt.datetime) -> QuerySet[Application]:
    over = Enrollment.objects.came_to_nothing().filter(pk=OuterRef("enrollment"), updated_at__lt=before)
    confirmed = Application.objects.filter(workspace__in=workspaces, confirmed_at__lt=before).exclude(email=NOBODY)
    return confirmed.filter(Exists(over), ~Exists(_asked_about(over)))


def _candidates(workspaces: Workspaces, before: dt.datetime) -> QuerySet[Learner]:
    theirs = Q(learner=OuterRef("pk"))
    enrollments = Enrollment.objects.filter(theirs)
    bought = Q(checkout__payments__isnull=False) | Q(checkout__status__in=LIVE_CHECKOUTS) | Q(created_at__gte=before)
    unseen = Q(user__isnull=True) | Q(user__last_login__isnull=True) | Q(user__last_login__lt=before)
    found = Learner.objects.live().filter(unseen, workspace__in=workspaces, created_at__lt=before)
    return found.annotate(subject=_subject("learner", "pk")).filter(
        ~Exists(enrollments.binding()),
        ~Exists(enrollments.filter(updated_at__gte=before)),
        ~Exists(_asked_about(enrollments)),
        ~Exists(StudentPackage.objects.filter(theirs)),
        ~Exists(CohortPlace.objects.filter(theirs).filter(bought | Q(status__in=OCCUPYING))),
        ~Exists(EnrollmentDecision.objects.filter(theirs).filter(bought | Q(payment__isnull=False))),
        ~Exists(WaitlistEntry.objects.filter(theirs).filter(Q(status__in=IN_LINE) | Q(created_at__gte=before))),
        ~Exists(_open_tasks("subject")),
    )


def _prospects(workspaces: Workspaces, before: dt.datetime) -> QuerySet[Lead]:
    enrollments = Enrollment.objects.filter(lead=OuterRef("pk"))
    known = ~Q(first_name="", last_name="", email="", phone="")
    found = Lead.objects.filter(known, workspace__in=workspaces, created_at__lt=before, converted_to__isnull=True)
    return found.filter(
        ~Exists(enrollments.binding()),
        ~Exists(enrollments.filter(updated_at__gte=before)),
        ~Exists(_asked_about(enrollments)),
    )


def _mails(workspaces: Workspaces, before: dt.datetime) -> QuerySet[Notification]:
    settled = Notification.objects.settled_before(before).filter(workspace__in=workspaces)
    return settled.annotate(subject=_subject("notification", "pk")).filter(~Exists(_open_tasks("subject")))


def _consents(workspaces: Workspaces, before: dt.datetime) -> QuerySet[Consent]:
    ended = Consent.objects.filter(workspace__in=workspaces, ended_at__lt=before)
    return ended.annotate(subject=_subject("consent", "pk")).filter(~Exists(_open_tasks("subject")))


def _tasks(workspaces: Workspaces, before: dt.datetime) -> QuerySet[StaffTask]:
    done = StaffTask.objects.filter(workspace__in=workspaces, status=TaskStatus.DONE, done_at__lt=before)
    return done.exclude(summary=ERASED)


def _asked_about(enrollments: QuerySet[Enrollment]) -> QuerySet[Enrollment]:
    """Return those about which staff have an open task."""
    named = enrollments.annotate(by_key=_subject("enrollment", "pk"), by_cuid=_subject("enrollment", "cuid"))
    return named.filter(Exists(_open_tasks("by_key")) | Exists(_open_tasks("by_cuid")))


def _open_tasks(subject: str) -> QuerySet[StaffTask]:
    return StaffTask.objects.filter(status=TaskStatus.OPEN, subject=OuterRef(subject))


def _subject(name: str, column: str) -> Concat:
    """Return what tasks call a row."""
    return Concat(Value(f"{name}:"), Cast(column, CharField()), output_field=CharField())


_OVERDUE: Mapping[RetentionKind, Find] = {
    RetentionKind.APPLICATIONS: _applications,
    RetentionKind.CANDIDATES: _candidates,
    RetentionKind.PROSPECTS: _prospects,
    RetentionKind.MAILS: _mails,
    RetentionKind.CONSENTS: _consents,
    RetentionKind.TASKS: _tasks,
}
