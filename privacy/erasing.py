"""Erases a learner: everything known about them, in all apps at once or not at all.

What stays are ids, amounts, dates, and numbers, and for some years the invoices that the law requires as they were
issued. See docs/privacy.md and docs/decisions/0147-what-erasing-leaves.md.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import structlog
from django.conf import settings
from django.db import transaction

from accounts.models import Learner
from accounts.personal import tasks_about
from accounts.staff_tasks import raise_staff_task, settle_staff_tasks
from accounts.states import TaskStatus
from billing.models import Checkout, Invoice
from billing.personal import forget_buyers
from core.actors import Actor
from core.local_time import local_date
from core.logs import after_commit
from core.personal import Person
from enrollments.personal import end_what_waits
from events.publishing import publish
from partners.models import EnrollmentStep

from .emails import languages_of_family, tell_erased
from .errors import ErasureRefused
from .events import LearnerErased
from .locks import lock_person
from .models import Erasure
from .person import find_learner, find_person
from .registry import OBSTACLES, PERSONAL
from .states import ErasureReason
from .task_kinds import ERASE_ELSEWHERE, SETTLED_BY_ERASING

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What erasing somebody would do: how many rows of which models, and what prevents it."""

    person: Person
    rows: dict[str, int]  # a model's plural name -> how many of its rows hold something of theirs
    obstacles: tuple[str, ...]
    elsewhere: str  # who else was told about them, and the ids they use; empty if nobody was


def foresee_erasure(*, workspace_id: int, learner_cuid: str, now: dt.datetime) -> Forecast:
    """Forecast an erasure without changing anything. Raises NotFound."""
    person = find_person(workspace_id=workspace_id, learner_cuid=learner_cuid, now=now)
    counted = {str(each.model._meta.verbose_name_plural): each.count_of(person) for each in PERSONAL}
    rows = {name: count for name, count in counted.items() if count}
    return Forecast(person, rows, _obstacles(person), _who_else_knows(person))


def erase_learner(
    *,
    workspace_id: int,
    learner_cuid: str,
    reason: ErasureReason,
    actor: Actor,
    now: dt.datetime,
    spare_what_passes: bool = False,
) -> Erasure:
    """Erase a learner once: a repeated call returns the existing erasure.

    Rows that expire by themselves can be spared if nothing about the learner was written for months: deleting them
    would also delete files that others are waiting for.

    Raises NotFound, and ErasureRefused while money is on its way or an enrollment is still running: its detail says
    which, and what to do about it. Raises Unavailable if something of theirs changes at the same moment.
    """
    cuid = find_learner(workspace_id=workspace_id, learner_cuid=learner_cuid).cuid
    known = Erasure.objects.filter(learner_cuid=cuid).first()
    return known or _erase(
        workspace_id,
        cuid,
        reason=reason,
        actor=actor,
        now=now,
        whatever_goes_on=False,
        spare_what_passes=spare_what_passes,
    )


def erase_part(part: Person) -> int:
    """Erase the data about a part of somebody who stays, except rows that expire by themselves; return in how many
    rows. Joins the caller's transaction, which has locked the part (`locks.lock_person`)."""
    return _erase_rows(part, spare_what_passes=True)


def repeat_erasures(erasures: Iterable[Erasure]) -> int:
    """Erase again everybody whom a restored backup has brought back; return how many. Whatever is still running for
    them in the backup ended before they were erased."""
    repeated = 0
    for erasure in erasures:
        back = Learner.objects.filter(cuid=erasure.learner_cuid, erased_at__isnull=True).first()
        if back is not None:
            Erasure.objects.filter(learner_cuid=erasure.learner_cuid).delete()
            _erase(
                back.workspace_id,
                erasure.learner_cuid,
                reason=ErasureReason(erasure.reason),
                actor=Actor.read(erasure.actor),
                now=erasure.erased_at,
                whatever_goes_on=True,
            )
            repeated += 1
    return repeated


def forget_papers(*, limit: int, now: dt.datetime) -> int:
    """Sweep: remove people from invoices that no longer have to be kept unchanged; return from how many."""
    due = Erasure.objects.filter(papers_until__lte=local_date(now, "UTC")).order_by("papers_until")
    found = list(due[:limit])
    for erasure in found:
        with transaction.atomic():
            forget_buyers(erasure.payments)
            Erasure.objects.filter(pk=erasure.pk).update(papers_until=None, payments=[])
    return len(found)


@transaction.atomic
def _erase(
    workspace_id: int,
    learner_cuid: str,
    *,
    reason: ErasureReason,
    actor: Actor,
    now: dt.datetime,
    whatever_goes_on: bool,
    spare_what_passes: bool = False,
) -> Erasure:
    person = lock_person(partial(find_person, workspace_id=workspace_id, learner_cuid=learner_cuid, now=now))
    learner = Learner.objects.get(pk=person.learners[0])
    obstacles = () if whatever_goes_on else _obstacles(person)
    if obstacles:
        raise ErasureRefused(" ".join(obstacles))
    elsewhere = _who_else_knows(person)
    languages = languages_of_family(learner) if reason == ErasureReason.ASKED and not whatever_goes_on else {}
    end_what_waits(person, actor=actor)
    rows = _erase_rows(person, spare_what_passes=spare_what_passes)
    Learner.objects.filter(pk__in=person.learners).update(erased_at=now)
    papers = Invoice.objects.filter(payment__in=person.payments).exists()
    kept_until = local_date(now, "UTC") + dt.timedelta(days=366 * settings.INVOICES_KEPT_YEARS)
    erasure = Erasure.objects.create(
        workspace_id=workspace_id,
        learner_cuid=learner_cuid,
        reason=reason,
        actor=str(actor),
        erased_at=now,
        rows=rows,
        payments=list(person.payments) if papers else [],
        papers_until=kept_until if papers else None,
    )
    _settle_questions(person, now)
    tell_erased(erasure=erasure, languages=languages, now=now)
    _publish(erasure, person)
    if elsewhere:
        raise_staff_task(
            workspace_id=workspace_id,
            kind=ERASE_ELSEWHERE,
            subject=f"learner:{person.learners[0]}",
            summary=f"Others still know an erased learner: {elsewhere}.",
        )
    after_commit(log.info, "learner_erased", learner=person.learners[0], erasure=erasure.pk, rows=rows)
    return erasure


def _erase_rows(person: Person, *, spare_what_passes: bool) -> int:
    return sum(each.erase_of(person) for each in PERSONAL if not (each.passes and spare_what_passes))


def _settle_questions(person: Person, now: dt.datetime) -> None:
    """Close the tasks that ask staff something about the person; those about money stay."""
    waiting = tasks_about(person).filter(status=TaskStatus.OPEN)
    for kind in SETTLED_BY_ERASING:
        if subjects := list(waiting.filter(kind=kind.name).values_list("subject", flat=True)):
            settle_staff_tasks(kind=kind, subjects=subjects, resolution="Erased.", now=now)


def _publish(erasure: Erasure, person: Person) -> None:
    """Tell integrators who know the learner, with every id that they may have."""
    cuids = Learner.objects.filter(pk__in=person.learners).order_by("pk").values_list("cuid", flat=True)
    publish(
        LearnerErased(
            workspace_id=erasure.workspace_id,
            occurred_at=erasure.erased_at,
            learner_cuid=erasure.learner_cuid,
            merged_learner_cuids=[cuid for cuid in cuids if cuid != erasure.learner_cuid],
        )
    )


def _obstacles(person: Person) -> tuple[str, ...]:
    return tuple(told for find in OBSTACLES for told in find(person))


def _who_else_knows(person: Person) -> str:
    """Return the vendors that were told about the learner, each with the ids by which it knows them."""
    sessions = Checkout.objects.filter(pk__in=person.checkouts, stripe_session_id__isnull=False)
    told = {"Stripe": list(sessions.order_by("pk").values_list("stripe_session_id", flat=True))}
    vendors = Invoice.objects.filter(payment__in=person.payments).exclude(external_id="")
    told["the issuer of invoices"] = list(vendors.order_by("pk").values_list("external_id", flat=True))
    steps = EnrollmentStep.objects.filter(pk__in=person.steps, external_enrollment_id__isnull=False)
    for name, known_as in steps.order_by("pk").values_list("provider__name", "external_enrollment_id"):
        told.setdefault(name, []).append(known_as)
    return "; ".join(f"{name} ({', '.join(map(str, ids))})" for name, ids in told.items() if ids)
