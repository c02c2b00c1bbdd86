"""Nudges by email to whoever has to act: the family of a learner who is stuck, or the contact of a partner that
learners wait for. If it is our turn, staff have a list and tasks, and nobody is sent a mail.

A recipient is nudged about one thing at most once a week, and four times in a row. Then staff are asked to step in,
until something progresses. The claim is one statement on the row of the nudges, so two concurrent sweeps write once
(docs/decisions/0080).
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from django.db import transaction
from django.db.models import F

from accounts.models import Workspace
from accounts.staff_tasks import raise_staff_task
from core import retries
from core.errors import NotFound
from core.local_time import wall_clock
from core.rows import insert_unless_present
from enrollments.emails import hears_from_us
from enrollments.locks import lock_enrollment
from enrollments.models import Enrollment
from notifications.recipients import addresses_of_families
from notifications.sending import notify
from notifications.wording import is_switched_off

from ..models import AT_MOST, WEEK, EnrollmentStep, Nudge, NudgeQuerySet, Provider
from ..stuck import Turn, whose_turn
from ..task_kinds import NUDGES_UNANSWERED
from .letters import TO_CONTACT, TO_FAMILY
from .stopping import begin_anew

log = structlog.get_logger(__name__)

# In the workspace's time zone: nobody is nudged at night.
BEGINS_AT = 9
ENDS_AT = 18
BATCH = 200


@dataclass(frozen=True, slots=True)
class Due:
    """A recipient who is to be nudged now, about an enrollment or about a partner."""

    workspace_id: int
    recipient: str
    enrollment_id: int | None = None
    provider_id: int | None = None

    @property
    def rows(self) -> NudgeQuerySet:
        """Return the existing row of these nudges, if any, by its own columns."""
        return Nudge.objects.filter(enrollment=self.enrollment_id, provider=self.provider_id, recipient=self.recipient)


@dataclass(slots=True)
class Report:
    """How many were nudged, and how many were given up after the last nudge in a row."""

    families: int = 0
    contacts: int = 0
    given_up: int = 0


@dataclass(slots=True)
class _Waiting:
    """What is stuck: enrollments whose learner has to act, and reachable partners that have to, to be written to."""

    enrollments: set[int] = field(default_factory=set)
    enrollments_to_tell: set[int] = field(default_factory=set)
    providers: dict[int, Provider] = field(default_factory=dict)


def send_nudges(*, now: dt.datetime) -> Report:
    """Nudge everybody who is due. A failure must not delay the others; the next sweep tries it again."""
    waiting = _list_waiting(now)
    _begin_anew_where_nothing_waits(waiting, now)
    report = Report()
    for due in _list_due(waiting, now):
        try:
            _nudge(due, report, now)
        except Exception:
            log.exception("nudge_not_sent", enrollment=due.enrollment_id, partner=due.provider_id)
    return report


def list_due(*, now: dt.datetime) -> list[Due]:
    """Return everybody who would be nudged now: families whose learner has to act, then the partners' contacts."""
    return list(_list_due(_list_waiting(now), now))


def _list_waiting(now: dt.datetime) -> _Waiting:
    waiting = _Waiting()
    steps = EnrollmentStep.objects.current().stuck(now).select_related("provider").order_by("pk")
    for step in steps.only("enrollment", "status", "provider").iterator(chunk_size=2000):
        turn = whose_turn(step)
        if turn == Turn.LEARNER:
            waiting.enrollments.add(step.enrollment_id)
            if step.provider.is_reachable:
                waiting.enrollments_to_tell.add(step.enrollment_id)
        elif turn == Turn.PARTNER:
            waiting.providers[step.provider_id] = step.provider
    return waiting


def _begin_anew_where_nothing_waits(waiting: _Waiting, now: dt.datetime) -> None:
    """Reset the count where nothing waits. The time of the last nudge stays: a learner who gets stuck again at once is
    not written to within the week.
    """
    counted = Nudge.objects.filter(sent_count__gt=0).order_by("pk")
    for key, enrollment_id, provider_id in list(counted.values_list("pk", "enrollment", "provider")):
        if enrollment_id not in waiting.enrollments and provider_id not in waiting.providers:
            with suppress(NotFound):  # an erasure has deleted it meanwhile
                begin_anew(nudge_id=key, resolution="Things have moved on.", now=now)


def _list_due(waiting: _Waiting, now: dt.datetime) -> Iterator[Due]:
    awake = _awake_workspaces(now)
    keys = sorted(waiting.enrollments_to_tell)
    for start in range(0, len(keys), BATCH):
        found = Enrollment.objects.kept().filter(pk__in=keys[start : start + BATCH], workspace__in=awake)
        rows = found.select_related("learner").prefetch_related("decisions").order_by("pk")
        yield from _families_due(list(rows), now)
    yield from _contacts_due([each for each in waiting.providers.values() if each.workspace_id in awake], now)


def _awake_workspaces(now: dt.datetime) -> set[int]:
    """Return the workspaces where it is day."""
    zones = Workspace.objects.values_list("pk", "timezone")
    return {key for key, zone in zones if BEGINS_AT <= wall_clock(now, zone).hour < ENDS_AT}


def _families_due(enrollments: list[Enrollment], now: dt.datetime) -> Iterator[Due]:
    addresses = addresses_of_families([each.learner for each in enrollments if each.learner is not None])
    not_due = _not_due(Nudge.objects.filter(enrollment__in=enrollments), "enrollment", now)
    off = _switched_off(TO_FAMILY, {each.workspace_id for each in enrollments})
    for enrollment in enrollments:
        if enrollment.learner_id is None or enrollment.workspace_id in off or not hears_from_us(enrollment):
            continue
        for address in addresses[enrollment.learner_id]:
            if address not in not_due[enrollment.pk]:
                yield Due(enrollment.workspace_id, address, enrollment_id=enrollment.pk)


def _contacts_due(providers: list[Provider], now: dt.datetime) -> Iterator[Due]:
    not_due = _not_due(Nudge.objects.filter(provider__in=providers), "provider", now)
    off = _switched_off(TO_CONTACT, {each.workspace_id for each in providers})
    for provider in providers:
        address = provider.contact_email
        if (
            provider.is_reachable
            and address
            and address not in not_due[provider.pk]
            and provider.workspace_id not in off
        ):
            yield Due(provider.workspace_id, address, provider_id=provider.pk)


def _switched_off(kind: str, workspace_ids: set[int]) -> set[int]:
    return {key for key in workspace_ids if is_switched_off(kind=kind, workspace_id=key)}


def _not_due(rows: NudgeQuerySet, about: str, now: dt.datetime) -> dict[int, set[str]]:
    """Return the recipients who must not be nudged now, by what the nudges are about."""
    found: dict[int, set[str]] = defaultdict(set)
    going = rows.going().filter(next_attempt_at__lte=now)
    for key, address in rows.exclude(pk__in=going.values("pk")).values_list(about, "recipient"):
        found[key].add(address)
    return found


@transaction.atomic
def _nudge(due: Due, report: Report, now: dt.datetime) -> None:
    """Claim the row and record the mail in one transaction; do nothing if another sweep was first, or the learner was
    erased meanwhile. After the last nudge in a row, ask staff instead.
    """
    if due.enrollment_id is not None and _is_erased(due.enrollment_id):
        return
    row = Nudge(
        workspace_id=due.workspace_id,
        enrollment_id=due.enrollment_id,
        provider_id=due.provider_id,
        recipient=due.recipient,
        next_attempt_at=now,
        created_at=now,
    )
    insert_unless_present(row)
    if not retries.claim(due.rows.going(), now=now, lease=WEEK):
        return
    nudge = due.rows.get()
    if nudge.sent_count >= AT_MOST:
        due.rows.update(given_up_at=now)
        _ask_staff(nudge)
        report.given_up += 1
        return
    due.rows.update(sent_count=F("sent_count") + 1, last_sent_at=now)
    notify(
        workspace_id=nudge.workspace_id,
        kind=TO_FAMILY if nudge.enrollment_id else TO_CONTACT,
        recipient=nudge.recipient,
        subject_key=f"nudge:{nudge.pk}/{now:%Y-%m-%d}",
        params={"nudge": nudge.pk},
        now=now,
    )
    report.families += nudge.enrollment_id is not None
    report.contacts += nudge.provider_id is not None


def _is_erased(enrollment_id: int) -> bool:
    """Return whether the learner was erased. The lock keeps an erasure out until the caller's transaction ends."""
    learner = lock_enrollment(enrollment_id).learner
    return learner is not None and learner.erased_at is not None


def _ask_staff(nudge: Nudge) -> None:
    whom = "The family of a learner" if nudge.enrollment_id else "The contact of a partner"
    raise_staff_task(
        workspace_id=nudge.workspace_id,
        kind=NUDGES_UNANSWERED,
        subject=nudge.subject,
        summary=f"{whom} was nudged {AT_MOST} times, and nothing has moved.",
    )
